import subprocess
import sys

import pytest

from scanseg.contract import Architecture
from scanseg.errors import ConfigError
from scanseg.nets import build_network, network_names, prepare_torchvision, register_network

torch = pytest.importorskip("torch")

NARROW = {"encoder_name": "resnet18", "encoder_depth": 3}
SMALL = {
    "compact-unet": {},
    "unet": {**NARROW, "decoder_channels": [32, 16, 8]},
    "unetplusplus": {**NARROW, "decoder_channels": [32, 16, 8]},
    "manet": {**NARROW, "decoder_channels": [32, 16, 8]},
    "linknet": NARROW,
    "fpn": {"encoder_name": "resnet18"},
    "deeplabv3plus": {"encoder_name": "resnet18"},
}


def giga_flop_a_megapixel(network):
    from torch.utils.flop_counter import FlopCounterMode

    image = torch.zeros(1, 1, 256, 320)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image)
    return counter.get_total_flops() / image.numel() / 1e3


def test_the_default_is_small():
    network = build_network(Architecture(), n_channels=1, n_classes=2)
    assert giga_flop_a_megapixel(network) <= 40
    assert sum(weights.numel() for weights in network.parameters()) < 1.5e6


@pytest.mark.parametrize("name", SMALL)
def test_logits_have_the_shape_of_the_image(name):
    architecture = Architecture(name=name, arguments=SMALL[name])
    network = build_network(architecture, n_channels=3, n_classes=4).eval()
    with torch.no_grad():
        logits = network(torch.zeros(2, 3, 64, 96))
    assert logits.shape == (2, 4, 64, 96)


def test_an_encoder_of_timm_takes_its_arguments():
    arguments = {
        "encoder_name": "tu-resnet18",
        "encoder_depth": 4,
        "decoder_channels": [32, 24, 16, 16],
        "channels": [16, 24, 32, 48],
        "stem_width": 8,
    }
    network = build_network(
        Architecture(name="unet", arguments=arguments), n_channels=1, n_classes=2
    ).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 32, 64)).shape == (1, 2, 32, 64)


def test_an_unknown_network_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"did you mean 'unet'.*linknet"):
        build_network(Architecture(name="unett"), n_channels=1, n_classes=2)


def test_an_unknown_argument_is_a_setting_to_correct():
    with pytest.raises(ConfigError, match="filtres"):
        build_network(Architecture(arguments={"filtres": [8, 8]}), n_channels=1, n_classes=2)


def test_nothing_is_downloaded():
    arguments = {"encoder_name": "resnet18", "encoder_weights": "imagenet"}
    with pytest.raises(ConfigError, match="downloaded"):
        build_network(Architecture(name="unet", arguments=arguments), n_channels=1, n_classes=2)


def test_a_taken_name_is_refused():
    assert "compact-unet" in network_names()
    with pytest.raises(ValueError, match="registered already"):
        register_network("unet")(lambda **_: None)


def test_torchvision_imports_after_preparation():
    prepare_torchvision()
    import torchvision

    assert torchvision.__version__


def test_names_are_known_without_torch():
    code = "import sys, scanseg.nets as n; n.network_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

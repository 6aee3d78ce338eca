"""Encoder and decoder are the network; a new class leaves the old ones as they were."""

import pytest
import torch

from scanseg.contract import Architecture
from scanseg.errors import ConfigError
from scanseg.nets import build_network
from scanseg.nets.halves import NEW_SHARE, grow_classes, halves_of

SMALL = Architecture(name="compact-unet", arguments={"filters": [8, 8, 12]})
UNET = Architecture(
    name="unet",
    arguments={"encoder_name": "resnet18", "encoder_depth": 3, "decoder_channels": [16, 12, 8]},
)


@pytest.fixture(scope="module")
def image():
    return torch.randn((2, 1, 32, 48), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("architecture", [SMALL, UNET], ids=["own", "smp"])
def test_one_half_after_the_other_is_the_network(architecture, image):
    network = build_network(architecture, n_channels=1, n_classes=3).eval()
    halves = halves_of(network)
    with torch.inference_mode():
        torch.testing.assert_close(halves.decode(halves.encode(image)), network(image))
    n_decoder = sum(w.numel() for part in halves.decoder for w in part.parameters())
    assert 0 < n_decoder < sum(w.numel() for w in network.parameters())


@pytest.mark.parametrize("architecture", [SMALL, UNET], ids=["own", "smp"])
@pytest.mark.parametrize("n_members", [1, 2])
def test_new_classes_leave_the_old_ones_as_they_were(architecture, n_members, image):
    network = build_network(architecture, n_channels=1, n_classes=3, n_members=n_members).eval()
    with torch.inference_mode():
        before = network(image).reshape(2, n_members, 3, 32, 48).softmax(2)
        grow_classes(network, 2)
        after = network(image).reshape(2, n_members, 5, 32, 48).softmax(2)
    old = after[:, :, :3] / after[:, :, :3].sum(2, keepdim=True)
    torch.testing.assert_close(old, before, rtol=1e-5, atol=1e-6)
    # Like the mean of the objects, in logits: at most a fiftieth of what the best of them has.
    assert (after[:, :, 3:].amax(2) <= 1.01 * NEW_SHARE * after[:, :, 1:3].amax(2)).all()
    assert (after[:, :, 3:] > 0).all()


def test_a_network_without_halves_is_said():
    network = build_network(
        Architecture(name="reshednet", arguments={"filters": 4}), n_channels=1, n_classes=2
    )
    with pytest.raises(ConfigError, match="no encoder"):
        halves_of(network)
    with pytest.raises(ConfigError, match="further classes"):
        grow_classes(network, 1)

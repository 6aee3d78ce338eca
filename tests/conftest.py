"""A small network with random weights, for the tests of bundles and of inference alike."""

import pytest

from scanseg.bundle import Architecture, ModelClass, ModelContract, Sampling, save_bundle
from scanseg.nets import build_network

SMALL = Architecture(arguments={"filters": [4, 6, 8], "bottom_blocks": 1})


@pytest.fixture(scope="session")
def contract():
    return ModelContract(
        name="tiny",
        version="1",
        task="atoms",
        modality="STEM",
        classes=(
            ModelClass(name="background", colour="#000000"),
            ModelClass(name="column", colour="#ff8800"),
        ),
        sampling=Sampling(spacing_px=9.0),
        architecture=SMALL,
        size_multiple_px=4,
        halo_px=24,
        recipe="tiny.yaml",
        seed=1,
        data="random weights",
        scanseg_version="0",
    )


@pytest.fixture(scope="session")
def network(contract):
    import torch  # here, because most tests need none of its two seconds

    torch.manual_seed(3)
    network = build_network(contract.architecture, n_channels=1, n_classes=2)
    with torch.no_grad():  # random logits are near zero; a trained network is decided
        network.head.weight *= 4
    return network.eval()


@pytest.fixture(scope="session")
def model(contract, network, tmp_path_factory):
    return save_bundle(tmp_path_factory.mktemp("models") / "tiny", contract, network, card="# Tiny")

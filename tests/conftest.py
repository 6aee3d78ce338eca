"""A small network with random weights, for the tests of bundles and of inference alike."""

import pytest

from scanseg.bundle import Architecture, ModelClass, ModelContract, Sampling, save_bundle
from scanseg.nets import build_network
from scanseg.preprocess.scan import SCAN_PLANES

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


@pytest.fixture(scope="session")
def wall_contract(contract):
    """Two members for the six planes of a scan."""
    return contract.model_copy(
        update={
            "name": "tiny-walls",
            "task": "walls",
            "modality": "PFM",
            "classes": (
                ModelClass(name="background", colour="#000000"),
                ModelClass(name="ferroelectric", colour="#2ec4f1"),
                ModelClass(name="ferroelastic", colour="#ff9f1c"),
            ),
            "channels": SCAN_PLANES,
            "sampling": Sampling(),
            "normalisation": None,
            "members": 2,
        }
    )


@pytest.fixture(scope="session")
def wall_network(wall_contract):
    import torch

    torch.manual_seed(4)
    network = build_network(wall_contract.architecture, n_channels=6, n_classes=3, n_members=2)
    with torch.no_grad():
        for member in network.members:
            member.head.weight *= 4
    return network.eval()


@pytest.fixture(scope="session")
def wall_model(wall_contract, wall_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny-walls"
    return save_bundle(folder, wall_contract, wall_network, card="# Tiny")

"""Several networks in one bundle."""

import numpy as np
import pytest

from scanseg.bundle import (
    ModelContract,
    foreground_probability,
    load_model,
    load_weights,
    save_bundle,
    self_test,
)
from scanseg.bundle.probability import member_probability
from scanseg.errors import BundleError, ConfigError
from scanseg.inference import OpenvinoEngine, TorchEngine
from scanseg.nets import build_network

torch = pytest.importorskip("torch")


@pytest.fixture
def tiles():
    return np.random.default_rng(4).normal(size=(2, 6, 36, 52)).astype(np.float32)


def test_an_ensemble_is_saved_and_loaded(wall_model, wall_contract, wall_network):
    loaded = load_model(wall_model.folder)
    assert loaded == wall_model
    assert loaded.contract.model_copy(update={"checksums": {}}) == wall_contract
    assert self_test(loaded).passed
    other = build_network(wall_contract.architecture, n_channels=6, n_classes=3, n_members=2)
    load_weights(loaded, other)
    for name, weights in wall_network.state_dict().items():
        assert torch.equal(other.state_dict()[name], weights), name


def test_both_engines_compute_the_same(wall_model, tiles):
    expected = TorchEngine(wall_model).logits(tiles)
    found = OpenvinoEngine(wall_model, n_threads=1).logits(tiles)
    assert found.shape == (2, 6, 36, 52)
    np.testing.assert_allclose(found, expected, atol=1e-4)  # f32, another order of sums


@pytest.mark.parametrize("member", [0, 1])
def test_one_member_can_be_had_alone(wall_model, wall_contract, wall_network, member):
    alone = build_network(wall_contract.architecture, n_channels=6, n_classes=3)
    load_weights(wall_model, alone, member=member)
    for name, weights in wall_network.members[member].state_dict().items():
        assert torch.equal(alone.state_dict()[name], weights), name


def test_a_member_that_is_not_there(wall_model, wall_contract):
    alone = build_network(wall_contract.architecture, n_channels=6, n_classes=3)
    with pytest.raises(BundleError, match="do not fit"):
        load_weights(wall_model, alone, member=2)


def test_another_number_of_members_is_not_saved(wall_contract, wall_network, tmp_path):
    three = wall_contract.model_copy(update={"members": 3})
    with pytest.raises(BundleError, match=r"promises \(2, 9"):
        save_bundle(tmp_path / "three", three, wall_network, card="")


def test_the_test_notices_members_that_disagree(wall_model, monkeypatch):
    def exchanged(tiles):
        logits = OpenvinoEngine(wall_model, n_threads=1).logits(tiles)
        return np.concatenate([logits[:, 3:], logits[:, 3:]], 1)

    assert not self_test(wall_model, logits=exchanged).passed


def test_the_probability_of_an_ensemble_by_hand():
    # Of two members one is sure of the first of two walls, the other knows nothing.
    logits = np.array([-9.0, 9.0, -9.0, 0.0, 0.0, 0.0], np.float32).reshape(1, 6, 1, 1)
    each = member_probability(logits, n_members=2)
    assert each.shape == (1, 2, 2, 1, 1)
    np.testing.assert_allclose(each[0, :, :, 0, 0], [[1, 0], [1 / 3, 1 / 3]], atol=1e-6)
    mean = foreground_probability(logits, n_members=2)
    np.testing.assert_allclose(mean[0, :, 0, 0], [2 / 3, 1 / 6], atol=1e-6)
    # Each member is softened before the mean.
    softer = member_probability(logits, temperature=9.0, n_members=2)[0, 0, 0, 0, 0]
    assert softer == pytest.approx(np.e / (np.e + 2 / np.e))


def test_only_a_model_for_walls_has_no_range_of_counts(contract, wall_model):
    assert "normalisation: null" in (wall_model.folder / "model.yaml").read_text()
    settings = contract.model_dump() | {"normalisation": None}
    with pytest.raises(ConfigError, match="a model for atoms needs a normalisation"):
        ModelContract.from_settings(settings)

import dataclasses
import shutil

import numpy as np
import pytest
import yaml

from scanseg.bundle import (
    foreground_probability,
    load_model,
    load_weights,
    measure_halo_px,
    model_names,
    save_bundle,
    self_test,
)
from scanseg.bundle.onnx_network import OnnxNetwork
from scanseg.errors import BundleError
from scanseg.nets import build_network

torch = pytest.importorskip("torch")


@pytest.fixture
def copied(model, tmp_path):
    shutil.copytree(model.folder, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_saved_model_is_complete_and_passes_its_test(model, contract):
    loaded = load_model(model.folder)
    assert loaded == model
    assert loaded.contract.model_copy(update={"checksums": {}}) == contract
    names = {path.name for path in model.folder.iterdir()}
    assert names == {*loaded.contract.checksums, "model.yaml"}
    assert not [path for path in model.folder.parent.iterdir() if path.name.startswith(".")]
    assert self_test(loaded).passed
    assert len(loaded.sha256) == 64


def test_onnx_takes_any_batch_and_size(model, network):
    tiles = np.random.default_rng(2).normal(size=(3, 1, 44, 92)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(tiles)).numpy()
    # f32 in another order of sums: the seventh digit, a few hundred times.
    np.testing.assert_allclose(OnnxNetwork(model.onnx_path).logits(tiles), expected, atol=1e-4)


def test_stored_weights_are_those_of_the_network(model, network, contract):
    other = build_network(contract.architecture, n_channels=1, n_classes=2)
    load_weights(model, other)
    for stored, weights in zip(
        other.state_dict().values(), network.state_dict().values(), strict=True
    ):
        assert torch.equal(stored, weights)


def test_weights_of_another_network_are_refused(model, contract):
    other = build_network(contract.architecture, n_channels=1, n_classes=3)
    with pytest.raises(BundleError, match="do not fit"):
        load_weights(model, other)


def test_an_unknown_name_is_answered(tmp_path):
    with pytest.raises(BundleError, match="no model 'stem-atomz'"):
        load_model("stem-atomz")
    with pytest.raises(BundleError, match=r"model\.yaml is missing"):
        load_model(tmp_path)


def test_every_shipped_model_passes_its_test():
    for name in model_names():
        model = load_model(name)
        assert model.name == name
        assert self_test(model).passed
        assert sum(path.stat().st_size for path in model.folder.iterdir()) < 15e6


def test_an_altered_file_is_named(copied):
    weights = copied / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match=r"weights\.safetensors differ"):
        load_model(copied)
    assert load_model(copied, verify=False).name == "tiny"


def test_a_missing_file_is_named(copied):
    (copied / "network.onnx").unlink()
    with pytest.raises(BundleError, match=r"network\.onnx missing"):
        load_model(copied)


def test_a_contract_of_a_newer_version_is_refused(copied):
    path = copied / "model.yaml"
    settings = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(settings | {"crystal_ball": True}))
    with pytest.raises(BundleError, match="crystal_ball"):
        load_model(copied)


def test_a_damaged_onnx_file_is_a_bundle_error(copied):
    (copied / "network.onnx").write_bytes(b"no network")
    with pytest.raises(BundleError, match="cannot read"):
        OnnxNetwork(copied / "network.onnx")


def test_the_test_notices_another_output(copied):
    model = load_model(copied)
    expected = np.load(model.test_output_path)
    expected[:, 1] += 0.5
    np.save(model.test_output_path, expected)
    assert not self_test(model).passed


def test_a_bundle_replaces_only_a_bundle(copied, contract, network, tmp_path):
    save_bundle(copied, contract.model_copy(update={"version": "2"}), network, card="")
    assert load_model(copied).contract.version == "2"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(BundleError, match="no model, so it is not replaced"):
        save_bundle(tmp_path / "thesis", contract, network, card="")
    assert (tmp_path / "thesis" / "chapter.txt").exists()


def test_a_network_that_diverged_is_not_saved(contract, tmp_path):
    network = build_network(contract.architecture, n_channels=1, n_classes=2)
    with torch.no_grad():
        network.head.bias[0] = torch.nan
    with pytest.raises(BundleError, match="NaN"):
        save_bundle(tmp_path / "bad", contract, network, card="")
    assert not any(tmp_path.iterdir())


def test_the_onnx_file_names_no_folder(model):
    content = model.onnx_path.read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probability_is_the_softmax(n_classes):
    logits = np.random.default_rng(5).normal(scale=4, size=(2, n_classes, 5, 7)).astype(np.float32)
    expected = torch.softmax(torch.from_numpy(logits) / 1.7, dim=1)[:, 1:].numpy()
    found = foreground_probability(logits, temperature=1.7)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_probability_survives_huge_logits():
    logits = np.array([1e4, -1e4], np.float32).reshape(1, 2, 1, 1)
    assert foreground_probability(logits)[0, 0, 0, 0] == pytest.approx(0, abs=1e-30)
    assert foreground_probability(-logits)[0, 0, 0, 0] == pytest.approx(1)


def test_the_halo_of_one_convolution_is_its_reach_rounded_up():
    network = torch.nn.Conv2d(1, 2, (1, 7), padding="same", bias=False)
    with torch.no_grad():
        network.weight[0], network.weight[1] = 0, 1
    tiles = np.random.default_rng(1).normal(size=(2, 1, 32, 64)).astype(np.float32)
    assert measure_halo_px(network, tiles, multiple_px=4) == 8


def test_a_model_cannot_be_changed(model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.folder = "elsewhere"


def test_a_network_that_needs_one_size_is_not_saved(contract, tmp_path):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 1), torch.nn.AdaptiveAvgPool2d(3), torch.nn.Upsample((96, 160))
    )
    with pytest.raises(BundleError, match="cannot be written as ONNX"):
        save_bundle(tmp_path / "fixed", contract, network, card="")

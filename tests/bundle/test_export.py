"""What is exported computes what the bundle computes, or is not written."""

import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

from scanseg.bundle import export as export_module
from scanseg.bundle.deployed import deployed_network, expected_outputs
from scanseg.bundle.export import EXPORT_TOLERANCE, export_model
from scanseg.bundle.onnx_network import OnnxNetwork
from scanseg.bundle.probability import member_probability
from scanseg.bundle.sample_inputs import sample_inputs
from scanseg.errors import BundleError, ConfigError, MachineError


def _run_onnx(path, tiles):
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {port.any_name: np.array(value) for port, value in compiled([tiles]).items()}


def test_inputs_look_like_images_and_differ_in_shape(model, wall_model):
    for each, channels in ((model, 1), (wall_model, 6)):
        tiles = list(sample_inputs(each))
        shapes = {tile.shape for tile in tiles}
        assert len(shapes) == len(tiles) == 3
        assert all(tile.shape[1] == channels and tile.dtype == np.float32 for tile in tiles)
        assert all(side % 4 == 0 for tile in tiles for side in tile.shape[2:])
        # Normalised: neither constant nor raw counts of thousands.
        assert all(0.1 < tile.std() < 10 for tile in tiles)


def test_an_exported_network_gives_probabilities(model, tmp_path):
    exported = export_model(model, tmp_path / "tiny.onnx", to="onnx")
    assert exported.outputs == ("probability",)
    assert exported.largest_difference <= EXPORT_TOLERANCE
    tiles = np.random.default_rng(1).normal(size=(3, 1, 20, 28)).astype(np.float32)
    probability = _run_onnx(exported.path, tiles)["probability"]
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-6)
    stored = member_probability(OnnxNetwork(model.onnx_path).logits(tiles))[:, 0]
    np.testing.assert_allclose(probability[:, 1:], stored, atol=EXPORT_TOLERANCE)


@pytest.mark.parametrize(("to", "ending"), [("onnx", "onnx"), ("torchscript", "pt")])
def test_an_ensemble_gives_mean_and_spread(wall_model, tmp_path, to, ending):
    exported = export_model(wall_model, tmp_path / f"pair.{ending}", to=to)
    assert exported.outputs == ("probability", "spread")
    assert exported.largest_difference <= EXPORT_TOLERANCE


def test_mean_and_spread_are_those_of_the_members(wall_model, wall_network):
    import torch

    tiles = torch.from_numpy(
        np.random.default_rng(2).normal(size=(1, 6, 16, 24)).astype(np.float32)
    )
    with torch.inference_mode():
        each = [member(tiles).softmax(1).numpy() for member in wall_network.members]
        mean, spread = deployed_network(wall_model)(tiles)
    np.testing.assert_allclose(mean.numpy(), (each[0] + each[1]) / 2, atol=1e-6)
    # Of two members the standard deviation is half of their distance.
    apart = np.abs(each[0] - each[1])[:, 1:].max(1, keepdims=True)
    np.testing.assert_allclose(spread.numpy(), apart, atol=1e-5)
    said = expected_outputs(wall_network(tiles).detach().numpy(), wall_model)
    np.testing.assert_allclose(said["spread"], spread.numpy(), atol=1e-5)


def test_what_differs_is_not_written(model, tmp_path, monkeypatch):
    real = export_module._onnx_engines

    def shifted(compute):
        return lambda tiles: {name: each + 1e-3 for name, each in compute(tiles).items()}

    def off(path, names):
        return {engine: shifted(compute) for engine, compute in real(path, names).items()}

    monkeypatch.setattr(export_module, "_onnx_engines", off)
    with pytest.raises(BundleError, match=r"differs from the bundle's by 0\.001"):
        export_model(model, tmp_path / "tiny.onnx", to="onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(model, tmp_path):
    path = tmp_path / "mine.onnx"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="exists"):
        export_model(model, path, to="onnx")
    assert path.read_text() == "mine"


@pytest.mark.skipif(not find_spec("bioimageio"), reason="needs bioimageio.spec")
def test_a_package_for_bioimageio_holds_two_networks_and_their_test(wall_model, tmp_path):
    exported = export_model(wall_model, tmp_path / "pair.zip", to="bioimageio")
    with zipfile.ZipFile(exported.path) as package:
        names = set(package.namelist())
        package.extractall(tmp_path / "package")
    assert names >= {
        "network.onnx", "network.pt", "test_tiles.npy", "test_probability.npy", "test_spread.npy",
        "scanseg_contract.yaml", "README.md",
    }  # fmt: skip
    folder = tmp_path / "package"
    found = _run_onnx(folder / "network.onnx", np.load(folder / "test_tiles.npy"))
    for name in ("probability", "spread"):
        np.testing.assert_allclose(
            found[name], np.load(folder / f"test_{name}.npy"), atol=EXPORT_TOLERANCE
        )


def test_the_missing_extra_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr("scanseg.bundle.bioimageio.find_spec", lambda _: None)
    with pytest.raises(MachineError, match=r"scanseg\[bioimageio\]"):
        export_model(model, tmp_path / "tiny.zip", to="bioimageio")

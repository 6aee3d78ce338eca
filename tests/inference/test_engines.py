import numpy as np
import pytest

from scanseg.bundle import self_test
from scanseg.bundle.onnx_network import cpu_has_bf16
from scanseg.errors import BundleError, ConfigError, MachineError
from scanseg.inference import OpenvinoEngine, TorchEngine, open_engine
from scanseg.inference import engines as engines_module

torch = pytest.importorskip("torch")


@pytest.fixture
def tiles():
    return np.random.default_rng(4).normal(size=(2, 1, 36, 52)).astype(np.float32)


def test_both_engines_compute_the_same(model, tiles):
    expected = TorchEngine(model).logits(tiles)
    found = OpenvinoEngine(model, n_threads=1).logits(tiles)
    assert found.shape == (2, 2, 36, 52)
    np.testing.assert_allclose(found, expected, atol=1e-4)  # f32, another order of sums


def test_a_later_call_leaves_earlier_results_alone(model, tiles):
    engine = OpenvinoEngine(model)
    first = engine.logits(tiles)
    kept = first.copy()
    engine.logits(-tiles)
    np.testing.assert_array_equal(first, kept)


def test_a_gpu_that_is_not_there_is_an_error(model):
    n_gpus = torch.cuda.device_count()
    with pytest.raises(MachineError, match=f"finds {n_gpus} CUDA GPUs"):
        open_engine(model, device=f"cuda:{n_gpus}")


@pytest.mark.parametrize("words", [{"device": "tpu"}, {"precision": "f8"}])
def test_unknown_words_are_answered(model, words):
    with pytest.raises(ConfigError, match="Known are auto"):
        open_engine(model, **words)


def test_bf16_agrees_where_the_processor_has_it(model):
    if not cpu_has_bf16():
        with pytest.raises(MachineError, match="has no bf16"):
            open_engine(model, device="cpu", precision="bf16")
        return
    engine = open_engine(model, device="cpu")
    assert "bf16" in engine.description
    assert self_test(model, logits=engine.logits, precision="bf16").passed


def test_bf16_that_does_not_agree_is_not_taken(model, monkeypatch):
    monkeypatch.setitem(engines_module.self_test.__globals__["PRECISION_TOLERANCE"], "bf16", (0, 0))
    assert "f32" in open_engine(model, device="cpu").description
    with pytest.raises(MachineError, match="bf16"):
        open_engine(model, device="cpu", precision="bf16")


def test_a_model_that_computes_something_else_is_refused(model, monkeypatch):
    monkeypatch.setattr(OpenvinoEngine, "logits", lambda self, tiles: np.repeat(tiles, 2, axis=1))
    with pytest.raises(BundleError, match="when it was saved"):
        open_engine(model, device="cpu", precision="f32")

"""``scanseg models``: listed, described, tested; damage is found."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def shipped(spots_model, monkeypatch):
    """Pretend that the hand-made model ships."""
    from scanseg import bundle

    monkeypatch.setattr(bundle, "model_names", lambda: (str(spots_model),))


def test_list_names_classes_and_sampling(scanseg, shipped):
    code, stdout, _ = scanseg("models", "list")
    assert code == 0
    assert "spots" in stdout
    assert "column" in stdout
    assert "12 px a spacing" in stdout


def test_info_shows_the_card(scanseg, spots_model):
    code, stdout, _ = scanseg("models", "info", spots_model)
    assert code == 0
    assert "What stands out is a column." in stdout
    assert str(spots_model) in stdout


def test_a_sound_model_passes_its_test(scanseg, shipped):
    code, stdout, _ = scanseg("models", "test")
    assert code == 0
    assert stdout.startswith("ok")


def test_an_altered_model_fails(scanseg, spots_model, tmp_path):
    copy = shutil.copytree(spots_model, tmp_path / "copy")
    weights = bytearray((copy / "network.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (copy / "network.onnx").write_bytes(weights)
    code, stdout, _ = scanseg("models", "test", copy)
    assert code == 3
    assert stdout.startswith("FAILED")
    assert "network.onnx" in stdout


def test_an_unknown_model_is_2(scanseg):
    code, _, stderr = scanseg("models", "info", "stem-atmos")
    assert code == 2
    assert stderr.startswith("Error: ")

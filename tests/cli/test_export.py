"""``scanseg export`` and ``scanseg models import``."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANSEG_MODELS", str(tmp_path / "home"))


def test_what_was_written_and_how_well_it_agrees_is_said(scanseg, model, tmp_path):
    path = tmp_path / "tiny.onnx"
    code, stdout, _ = scanseg("export", model.folder, "--to", "onnx", "-o", path)
    assert code == 0
    assert path.stat().st_size > 1000
    assert "gives probability; on 3 inputs within" in stdout
    code, _, stderr = scanseg("export", model.folder, "--to", "onnx", "-o", path)
    assert code == 2
    assert "exists" in stderr


def test_a_format_that_is_not_known_is_refused(scanseg, model, tmp_path):
    code, _, stderr = scanseg("export", model.folder, "--to", "pickle", "-o", tmp_path / "x")
    assert code == 2
    assert "pickle" in stderr


def test_an_imported_model_is_listed_and_tested(scanseg, model, tmp_path):
    code, stdout, _ = scanseg("models", "import", model.folder, "--name", "theirs")
    assert code == 0
    assert "Licence of the weights: BSD-3-Clause" in stdout
    code, stdout, _ = scanseg("models", "list")
    assert [line.split()[0] for line in stdout.splitlines()][-1] == "theirs"
    assert "imported" in stdout
    assert scanseg("models", "test", "theirs")[1].startswith("ok")
    code, _, stderr = scanseg("models", "import", tmp_path)
    assert code == 2
    assert "missing" in stderr or "belongs to no model" in stderr

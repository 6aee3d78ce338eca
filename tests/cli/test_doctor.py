"""``scanseg doctor``: everything is told, and what does not work is a failure."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from scanseg.cli import doctor


def lines(result):
    inner = result.output.strip().splitlines()
    assert (inner[0], inner[-1]) == ("```text", "```")
    return {line[7:19].strip(): (line[:6].strip(), line[20:]) for line in inner[1:-1]}


def test_all_is_told_and_nothing_is_left_behind(tmp_path, monkeypatch):
    import scanseg

    monkeypatch.setattr(doctor, "_gpu", lambda: [doctor.Finding("gpu", None, "none")])
    result = CliRunner().invoke(doctor.app, ["-o", str(tmp_path / "not" / "there")])
    assert result.exit_code == 0, result.output
    found = lines(result)
    assert scanseg.__version__ in found["scanseg"][1]
    assert "numpy" in found["libraries"][1]
    assert "cores" in found["processor"][1]
    assert found["stem-atoms"][0] == "ok"
    assert "OpenVINO" in found["stem-atoms"][1]
    assert found["output"][0] == "ok"
    assert not list(tmp_path.iterdir())


def test_what_does_not_work_is_5_and_the_rest_is_told(tmp_path, monkeypatch):
    def stumble():
        raise RuntimeError("the driver is odd")

    monkeypatch.setattr(doctor, "_gpu", stumble)
    monkeypatch.setattr(doctor, "_models", lambda: [doctor.Finding("stem", False, "altered")])
    result = CliRunner().invoke(doctor.app, ["-o", str(tmp_path)])
    assert result.exit_code == 5
    found = lines(result)
    assert found["gpu"] == ("FAILED", "RuntimeError: the driver is odd")
    assert found["stem"] == ("FAILED", "altered")
    assert found["output"][0] == "ok"


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="as root")
def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    finding = doctor._write_access(tmp_path / "closed")
    assert finding.ok is False


@pytest.mark.parametrize(
    ("libraries", "ok", "text"),
    [({"GL": "libGL.so.1"}, True, "libGL.so.1"), ({}, None, "libgl1")],
)
def test_opengl_is_looked_for_without_loading_napari(monkeypatch, libraries, ok, text):
    import ctypes.util
    import importlib.util

    from scanseg.cli import doctor

    monkeypatch.setattr(ctypes.util, "find_library", libraries.get)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    (found,) = doctor._opengl()
    assert found.ok is ok
    assert text in found.text
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (found,) = doctor._opengl()
    assert found.ok is None
    assert "no" in found.text

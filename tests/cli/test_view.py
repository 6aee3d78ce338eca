"""``scanseg view``: what it needs before a window opens; windows are tested with the plugin."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from scanseg.cli import view


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")


def test_what_is_named_is_shown(scanseg, tmp_path, monkeypatch, screen):
    shown = []
    monkeypatch.setitem(sys.modules, "napari", SimpleNamespace(run=lambda: shown.append("run")))
    monkeypatch.setattr(view, "open_viewer", shown.append)
    assert scanseg("view", tmp_path)[0] == 0
    assert shown == [tmp_path, "run"]


def test_a_path_that_does_not_exist_is_2(scanseg, tmp_path):
    code, _, stderr = scanseg("view", tmp_path / "none.tif")
    assert code == 2
    assert "There is no" in stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others always have a display")
def test_no_display_is_5(scanseg, tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    code, _, stderr = scanseg("view", tmp_path)
    assert code == 5
    assert "ssh with -X" in stderr


def test_without_napari_it_says_how_to_get_it(scanseg, tmp_path, monkeypatch, screen):
    monkeypatch.setitem(sys.modules, "napari", None)
    code, _, stderr = scanseg("view", tmp_path)
    assert code == 5
    assert "pip install 'scanseg[napari]'" in stderr

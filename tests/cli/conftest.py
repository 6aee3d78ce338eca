"""The command line with a model that needs no network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _helpers() -> ModuleType:
    """The conftest of the runs: tests are no package, so it is loaded by its path."""
    name = "scanseg_test_runs"
    if name not in sys.modules:
        path = Path(__file__).parent.parent / "runs" / "conftest.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def tools() -> ModuleType:
    """Helpers that write images, and the model."""
    return _helpers()


@pytest.fixture
def scanseg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command line as the shell does; returns (exit code, stdout, stderr)."""
    from scanseg.cli import main, predict

    finder = _helpers().SpotFinder()
    monkeypatch.setattr(predict, "open_processor", lambda model, settings: finder)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scanseg", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        shown = capsys.readouterr()
        return int(exit.value.code or 0), shown.out, shown.err

    call.finder = finder  # type: ignore[attr-defined]
    return call

"""Models that a user has trained and accepted: a folder of bundles that the plugin offers."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

__all__ = ["accept_model", "free_name", "home_of_data", "own_models", "remove_model"]


def home_of_data(name: str) -> Path:
    """The folder for data of the plugin that outlive a session: models, training images."""
    if folder := os.environ.get("SCANSEG_DATA"):
        return Path(folder) / name
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home)) / "scanseg" / name
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "scanseg" / name
    return Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share")) / "scanseg" / name


def own_models() -> tuple[Path, ...]:
    """Folders of the models that were accepted, sorted."""
    folder = home_of_data("models")
    if not folder.is_dir():
        return ()
    return tuple(sorted(each.parent for each in folder.glob("*/model.yaml")))


def free_name(base: str) -> str:
    """A name for a model trained further from ``base`` that none of the accepted ones has."""
    stem = f"{base}-retrained"
    taken = {folder.name for folder in own_models()}
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def accept_model(folder: Path) -> Path:
    """Move a bundle to the models that are offered; return where it is now."""
    target = home_of_data("models") / folder.name
    if target.exists():
        raise FileExistsError(f"There is a model {folder.name} already.")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Complete or not there: what is moved between file systems is copied piece by piece.
    scratch = target.with_name(f".{target.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(folder, scratch)
    scratch.rename(target)
    return target


def remove_model(folder: Path) -> None:
    """Remove a model that was accepted."""
    if folder.parent != home_of_data("models"):
        raise ValueError(f"{folder} is no model that was accepted here")
    shutil.rmtree(folder)

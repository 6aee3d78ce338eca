"""Corrections on disk while they are made: a crash costs seconds of work, not hours."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

__all__ = ["Corrections", "discard", "load", "place_of", "store"]

# The data of a layer (points, a list of lines, or rows of a map) and its features.
Corrections = tuple[Any, Any]
COLUMN = "column "


def place_of(key: str) -> Path:
    """The file for the corrections of an image."""
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    return _folder() / f"{name}.npz"


def store(key: str, data: Any, features: Any) -> None:
    """Write corrections, at once or not at all."""
    path = place_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [np.asarray(each) for each in data]
    lengths = [len(line) if line.ndim == 2 else 1 for line in lines]
    width = np.atleast_2d(lines[0]).shape[1] if lines else 2
    flat = np.concatenate([np.atleast_2d(line) for line in lines] or [np.empty((0, width))])
    # Columns as plain arrays: a pickle could run code when it is read.
    columns = {f"{COLUMN}{name}": _plain(features[name]) for name in features.columns}
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    with scratch.open("wb") as file:
        np.savez(file, flat=flat, lengths=np.array(lengths, int), **columns)
    os.replace(scratch, path)


def load(key: str) -> Corrections | None:
    """Corrections that a session has left: (list of arrays (n, D), features); None without."""
    import pandas as pd

    path = place_of(key)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            flat, lengths = stored["flat"], stored["lengths"]
            names = [name for name in stored.files if name.startswith(COLUMN)]
            features = pd.DataFrame({name.removeprefix(COLUMN): stored[name] for name in names})
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    return np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else [], features


def discard(key: str) -> None:
    """Forget corrections: they were saved, or are not wanted."""
    place_of(key).unlink(missing_ok=True)


def _plain(column: Any) -> Any:
    """Values of a column; whatever is no number becomes text, empty where it is missing."""
    if column.dtype.kind in "biuf":
        return column.to_numpy()
    return np.array(["" if each is None or each != each else str(each) for each in column], str)


def _folder() -> Path:
    if folder := os.environ.get("SCANSEG_RECOVERY"):
        return Path(folder)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home)) / "scanseg" / "recovery"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "scanseg" / "recovery"
    return Path(os.environ.get("XDG_STATE_HOME", home / ".local" / "state")) / "scanseg/recovery"

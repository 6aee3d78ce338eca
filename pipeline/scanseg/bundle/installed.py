"""Models of one user: the folder they lie in, beside those that ship."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["FOLDER_VARIABLE", "installed_names", "models_folder"]

FOLDER_VARIABLE = "SCANSEG_MODELS"


def models_folder() -> Path:
    """Where imported models lie: ``$SCANSEG_MODELS``, or the system's folder for such data."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Application Support"
    else:
        home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return home / "scanseg" / "models"


def installed_names() -> tuple[str, ...]:
    """Names of the models that were imported, sorted."""
    try:
        folders = sorted(models_folder().iterdir())
    except OSError:  # nobody has imported one yet
        return ()
    return tuple(
        folder.name
        for folder in folders
        if not folder.name.startswith(".") and (folder / "model.yaml").is_file()
    )

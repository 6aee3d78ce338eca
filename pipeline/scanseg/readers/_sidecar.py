"""A note beside a file that corrects what the file says of itself: ``scan.tif.scanseg.yaml``.

It is for files that state no calibration, or a wrong one, so that every later run has the right
one without an option. Inputs stay as they are; the note is the user's.
"""

from __future__ import annotations

from pathlib import Path

from scanseg.config import Config, PixelSize, read_yaml
from scanseg.errors import ConfigError, LoadError
from scanseg.micrograph import Signal

__all__ = ["SIDECAR_SUFFIX", "Sidecar", "read_sidecar", "sidecar_of"]

SIDECAR_SUFFIX = ".scanseg.yaml"


class Sidecar(Config):
    """What a user states of a file."""

    pixel_size_nm: PixelSize | None = None
    """Pixel size in nm, one number or (y, x); it overrides what the file says."""
    signal: Signal | None = None
    """What was detected: HAADF, ADF, ABF, BF, PFM_AMPLITUDE, PFM_PHASE, TOPOGRAPHY or UNKNOWN."""
    channel: str | int | None = None
    """Name or number of the channel to take."""


def sidecar_of(path: Path) -> Path:
    """Where the note of a file lies, if there is one.

    Examples
    --------
    >>> sidecar_of(Path("session/scan.tif")).as_posix()
    'session/scan.tif.scanseg.yaml'
    """
    return path.with_name(path.name + SIDECAR_SUFFIX)


def read_sidecar(path: Path) -> Sidecar:
    """Read the note of a file; an empty one where there is none.

    Raises
    ------
    LoadError
        When it cannot be read or says something that is not known.
    """
    note = sidecar_of(path)
    if not note.is_file():
        return Sidecar()
    try:
        return Sidecar.from_settings(read_yaml(note), origin=note.name)
    except ConfigError as error:
        raise LoadError(
            path,
            f"the note beside it is not understood: {error.reason}",
            format="sidecar",
            hint=f"Correct or remove {note.name}; known are {', '.join(Sidecar.model_fields)}.",
        ) from error

"""Formats of electron microscopes that are known by their bytes and refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scanseg.errors import NoImage
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads

__all__ = ["read_blockfile"]


@reads("Blockfile", ".blo", starts_with=[b"IMGBLO"], readable=False)
def read_blockfile(path: Path) -> Sequence[Channel]:
    """Refuse NanoMegas blockfiles: a diffraction pattern at every position is no image."""
    raise NoImage(
        path,
        "it holds a diffraction pattern for every position, and no image.",
        format="Blockfile",
        hint="Export the virtual bright-field image.",
    )

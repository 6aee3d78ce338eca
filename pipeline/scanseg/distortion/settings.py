"""How scan distortion is estimated."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from scanseg.config import Config

__all__ = ["DistortionEstimation"]


class DistortionEstimation(Config):
    """What is taken for distortion of the scan, and what for the crystal's own."""

    cell: Literal["auto", "hexagonal", "square", "none"] = "auto"
    """What the cell is without drift: a rhombus of 60 or 120 degrees, a square, or not known. A
    steady drift shears and stretches every cell alike, so one image shows it only where the cell is
    known. ``auto`` takes the one that is within 5 per cent, and none beyond."""
    slow_changes: Literal["strain", "scan"] = "strain"
    """What displacements mean that are the same along each line and change slowly from line to
    line. One image cannot tell: ``strain`` leaves them in the positions, ``scan`` takes them out,
    for crystals that are known to be perfect."""
    strain_length: PositiveFloat = 8.0
    """Displacements that stay the same over so many spacings are slow."""

"""How a network is applied."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from scanseg.config import Config

__all__ = ["InferenceConfig"]


class InferenceConfig(Config):
    """How a network is applied to an image."""

    tile_px: PositiveInt = 1536
    """Largest side of what the network sees at once; sets the memory it takes."""
    batch_tiles: PositiveInt = 1
    """Tiles at once; more than one helps only with small tiles on a GPU."""
    augment: Literal["none", "flips", "dihedral"] = "none"
    """Average over 4 flips, or 8 flips and turns (scans: 4); takes as many times longer."""

"""How files are read: the settings that a look into files needs, and nothing of a run."""

from __future__ import annotations

from scanseg.config import Config, PixelSize

__all__ = ["InputConfig"]


class InputConfig(Config):
    """How files are read."""

    pixel_size_nm: PixelSize | None = None
    """Pixel size in nm, one number or (y, x); it overrides what the files say."""
    channel: str | None = None
    """Name or number of the plane to take from files with several."""

"""How much memory a run may take, and what follows for tiles and for images in flight."""

from __future__ import annotations

import math
import re

from scanseg.errors import ConfigError
from scanseg.runs.settings import RunSettings

__all__ = ["BYTES_IN_FLIGHT", "fit_memory", "parse_memory"]

# Measured as peaks of whole runs with stem-atoms and OpenVINO in bf16: one image of 512² takes
# 0.41 GB, one of 3000² 0.68 GB with tiles of 512 pixels and 0.86 GB with 1536 (84 bytes a pixel of
# a tile), one of 16,384² with 16 bits 1.5 GB, its file mapped and its maps in files; three of
# 3000² with 960 0.85 GB.
FIXED_BYTES = 700_000_000
BYTES_PER_TILE_PX = 100
# An image in flight is counted as it was measured; maps, tables and pictures of it come on top.
BYTES_PER_COUNTED = 3
# Images that are read, processed or written at the same time, where nobody says how much.
BYTES_IN_FLIGHT = 256 * 1024**2

SMALLEST_TILE_PX = 256
TILE_STEP_PX = 64
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_memory(text: str) -> int:
    """Bytes of "2GB", "500 MB" or "1.5 GiB".

    Raises
    ------
    ConfigError
        When it is no such amount.

    Examples
    --------
    >>> parse_memory("2GB"), parse_memory("1.5 GiB")
    (2000000000, 1610612736)
    """
    found = re.fullmatch(r"(?i)\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*", text)
    if found is None:
        raise ConfigError(f"'{text}' is no amount of memory.", hint="Write it as --memory 2GB.")
    unit = _UNITS[found[2].upper()]
    if found[3]:
        unit = 1024 ** round(math.log10(unit) / 3)
    return int(float(found[1]) * unit)


def fit_memory(settings: RunSettings, n_bytes: int) -> tuple[RunSettings, int]:
    """Settings whose tiles fit, and the bytes of images that may be in flight.

    Up to half of what the program itself leaves goes to the tiles, which are not made larger than
    the settings say; all the rest to images.

    Raises
    ------
    ConfigError
        When the program alone takes more.
    """
    free = n_bytes - FIXED_BYTES
    config = settings.inference
    per_px = BYTES_PER_TILE_PX * config.batch_tiles
    fitting = math.isqrt(max(0, free // 2) // per_px) // TILE_STEP_PX * TILE_STEP_PX
    if fitting < min(SMALLEST_TILE_PX, config.tile_px):
        least = FIXED_BYTES + 2 * per_px * SMALLEST_TILE_PX**2
        raise ConfigError(
            f"{n_bytes / 1e9:.2g} GB is less than scanseg takes with the smallest tiles.",
            hint=f"Give at least --memory {math.ceil(least / 1e8) / 10:g}GB.",
        )
    tile_px = min(config.tile_px, fitting)
    smaller = config.model_copy(update={"tile_px": tile_px})
    rest = free - per_px * tile_px**2
    return settings.model_copy(update={"inference": smaller}), rest // BYTES_PER_COUNTED

"""Images of which no result can come, told before the network sees them."""

from __future__ import annotations

import numpy as np

from scanseg.errors import ScansegError
from scanseg.mapped import let_go
from scanseg.micrograph import Micrograph

__all__ = ["Unusable", "check_image"]

MIN_SIDE_PX = 16  # two columns and the space around them, at the coarsest sampling that is resolved


class Unusable(ScansegError):
    """An image that was read well and cannot hold a result."""


def check_image(image: Micrograph) -> None:
    """Refuse an image that is too small, empty or constant.

    Raises
    ------
    Unusable
        What was found, and what to do.
    """
    height, width = image.shape
    if min(height, width) < MIN_SIDE_PX:
        raise Unusable(
            f"it has {height} x {width} pixels; {MIN_SIDE_PX} a side are needed to see anything.",
            hint="Check that the right image of the file was exported.",
        )
    low, high = _range(image)
    if np.isnan(low):
        raise Unusable(
            "not one of its pixels holds a number (all are NaN or infinite).",
            hint="Export it again; the scan may have been stopped before its first line.",
        )
    if low == high:
        raise Unusable(
            f"all of its pixels have the value {low:g}, so there is nothing to see.",
            hint="Check detector and export; another channel may hold the image (--channel).",
        )


def _range(image: Micrograph) -> tuple[float, float]:
    """Lowest and highest finite value; NaN where there is none."""
    data = image.data
    lows, highs = [], []
    # A strip at a time: a mask of a 16,384 px image would take 270 MB, its file twice as much.
    for start in range(0, data.shape[0], 256):
        strip = data[start : start + 256]
        finite = strip[np.isfinite(strip)] if data.dtype.kind == "f" else strip
        if finite.size:
            lows.append(float(finite.min()))
            highs.append(float(finite.max()))
        let_go(data)
    return (min(lows), max(highs)) if lows else (np.nan, np.nan)

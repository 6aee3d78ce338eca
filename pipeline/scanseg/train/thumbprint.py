"""A short code of an image that survives export: nearly the same image, nearly the same code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scanseg.micrograph import FloatImage

__all__ = ["Thumbprint", "nearly_same", "thumbprint_of"]

Thumbprint = NDArray[np.bool_]

# Cells along each side. Smoothed by so many cells a lattice of 20 periods or more is gone, and
# what differs from crystal to crystal is left: shapes, dirt, thickness.
CELLS = 32
SMOOTHING_CELLS = 0.6
# Wider than this, gradients are alike in many images.
BACKGROUND_CELLS = 5.0
# Share of cells that differ. Of unrelated images it is 0.5 +- 0.016; below this, the smoothed
# images are correlated by more than cos(0.12 pi) = 0.93.
NEARLY = 0.12


def thumbprint_of(image: FloatImage) -> Thumbprint | None:
    """Whether each of 32 x 32 cells is brighter than its surroundings, or None for an even image.

    Other integer types, contrast, offsets and sizes of the same image hardly change it.

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(size=(90, 120))
    >>> nearly_same(thumbprint_of(image), thumbprint_of(3 * image[:, ::-1] + 5))
    True
    """
    data = np.nan_to_num(np.asarray(image, np.float64), nan=float(np.nanmean(image)))
    widths = [SMOOTHING_CELLS * length / CELLS for length in data.shape]
    smooth = ndimage.gaussian_filter(data, widths, mode="nearest")
    rows, columns = (
        np.clip(((np.arange(CELLS) + 0.5) * length / CELLS).astype(int), 0, length - 1)
        for length in data.shape
    )
    cells = smooth[np.ix_(rows, columns)]
    cells = cells - ndimage.gaussian_filter(cells, BACKGROUND_CELLS, mode="nearest")
    if not np.ptp(cells) > 0:
        return None
    return np.asarray(cells > np.median(cells))


def nearly_same(one: Thumbprint | None, other: Thumbprint | None) -> bool:
    """Whether two images are the same but for their export, turned or mirrored ones included."""
    if one is None or other is None:
        return False
    return any(float((one != turned).mean()) < NEARLY for turned in _orientations(other))


def _orientations(code: Thumbprint) -> Iterator[Thumbprint]:
    for turns in range(4):
        turned = np.rot90(code, turns)
        yield turned
        yield turned[:, ::-1]

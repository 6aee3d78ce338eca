"""Local sub-images around atoms, for what learns without labels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, RealImage

__all__ = ["Centring", "cut_patch"]

Centring = Literal["pixel", "subpixel"]


def cut_patch(
    image: RealImage, position_px: NDArray[np.float64], side_px: int, *,
    centring: Centring = "pixel",
) -> FloatImage:  # fmt: skip
    """Cut a square around a position.

    Parameters
    ----------
    image
        Shape (height, width).
    position_px
        (y, x), shape (2,).
    side_px
        Side of the square.
    centring
        ``pixel``: values as measured, the atom up to half a pixel off the centre of the square.
        ``subpixel``: shifted by cubic splines, the atom in the very centre; neighbouring pixels
        then share noise.

    Returns
    -------
    patch
        Shape (side_px, side_px); NaN outside of the image. The centre is at (side_px - 1) / 2,
        where a square with an even side has no pixel: ``pixel`` takes the next one above and left.

    Examples
    --------
    >>> cut_patch(np.arange(20.0).reshape(4, 5), np.array([1.2, 3.9]), 3)
    array([[ 3.,  4., nan],
           [ 8.,  9., nan],
           [13., 14., nan]], dtype=float32)
    """
    from scipy.ndimage import map_coordinates

    half = (side_px - 1) / 2
    corner = np.ceil(np.round(position_px) - half).astype(int)
    shift = position_px - half - corner if centring == "subpixel" else np.zeros(2)
    margin = 0 if centring == "pixel" else 6  # what a cubic spline still feels is 1e-3 there
    piece = _window(image, corner - margin, side_px + 2 * margin)
    if centring == "pixel":
        return piece
    known = np.isfinite(piece)
    filled = np.where(known, piece, np.mean(piece[known]) if known.any() else 0.0)
    steps = np.arange(side_px) + margin
    place = np.stack(np.meshgrid(steps + shift[0], steps + shift[1], indexing="ij"))
    moved = map_coordinates(filled, place, order=3, mode="nearest")
    seen = map_coordinates(known.astype(np.float32), place, order=1, mode="constant")
    return np.asarray(np.where(seen > 0.999, moved, np.nan), np.float32)


def _window(image: RealImage, corner: NDArray[np.int64], side: int) -> FloatImage:
    patch = np.full((side, side), np.nan, np.float32)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + side, image.shape)
    if (high > low).all():
        rows, columns = slice(low[0], high[0]), slice(low[1], high[1])
        top, left = low - corner
        patch[top : top + high[0] - low[0], left : left + high[1] - low[1]] = image[rows, columns]
    return patch

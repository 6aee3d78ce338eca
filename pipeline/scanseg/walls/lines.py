"""Lines that walls are expected on: smoothed pixels, their normals, and the signal along these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WallLine", "normals", "sampled", "smooth_line"]

# Half a pixel of noise along a wall is smoothed away before normals are taken from it.
SMOOTHING_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class WallLine:
    """Where a wall is expected, N points about a pixel apart.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2); the first point again at the end of a closed wall.
    class_index
        1 for a ferroelectric wall and 2 for a ferroelastic one, shape (N,).
    closed
        Whether the wall ends where it begins.
    """

    position_px: NDArray[np.float64]
    class_index: NDArray[np.int64]
    closed: bool


def sampled(response: NDArray[np.complex128], at: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Bilinear, shape (N, M); positions beyond the border take its value."""
    last = np.array(response.shape) - 1
    inside = np.clip(at, 0, last - 1e-6)
    top = inside.astype(int)
    down, across = np.moveaxis(inside - top, -1, 0)
    y, x = np.moveaxis(top, -1, 0)
    upper = response[y, x] * (1 - across) + response[y, x + 1] * across
    lower = response[y + 1, x] * (1 - across) + response[y + 1, x + 1] * across
    return np.asarray(upper * (1 - down) + lower * down)


def smooth_line(pixels: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Points a pixel apart along the smoothed pixels; open ends stay where they are."""
    from scipy import ndimage

    if closed:
        ring = ndimage.gaussian_filter1d(pixels[:-1], SMOOTHING_PX, axis=0, mode="wrap")
        smooth = np.concatenate([ring, ring[:1]])
    else:
        # Reflected through the ends, so that these do not shrink inwards.
        n = min(len(pixels) - 1, 8)
        before, after = 2 * pixels[:1] - pixels[n:0:-1], 2 * pixels[-1:] - pixels[-2 : -n - 2 : -1]
        longer = np.concatenate([before, pixels, after])
        smooth = ndimage.gaussian_filter1d(longer, SMOOTHING_PX, axis=0)[n : n + len(pixels)]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(smooth, axis=0).T))])
    at = np.linspace(0, way[-1], max(2, round(way[-1]) + 1))
    return np.stack([np.interp(at, way, smooth[:, 0]), np.interp(at, way, smooth[:, 1])], 1)


def normals(line: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Unit normals, to the right of the line's direction with y downward, shape (N, 2)."""
    n = np.arange(len(line))
    if closed:
        period = len(line) - 1
        ahead, behind = line[(n + 2) % period], line[(n - 2) % period]
    else:
        ahead, behind = line[np.minimum(n + 2, len(line) - 1)], line[np.maximum(n - 2, 0)]
    along = ahead - behind
    across = np.stack([along[:, 1], -along[:, 0]], 1)
    return np.asarray(across / np.maximum(np.hypot(*across.T), 1e-9)[:, None])

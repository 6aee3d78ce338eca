"""How long a wall is, and not the noise on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["line_length", "steadied"]

# Errors of 0.27 px, as noise of 0.2 of the amplitude gives, make a line of points 8 % longer, and
# 0.45 px 17 %. Smoothed by 1.5 points (s.d.) both are within 1 % of the truth; what that takes off
# bends of 10 px radius is 1 % as well.
SMOOTHING_POINTS = 1.5
REACH = 6


def line_length(
    line: NDArray[np.float64], *, pixel_size: tuple[float, float] = (1.0, 1.0)
) -> float:
    """Length of a wall, in the unit of ``pixel_size``.

    Parameters
    ----------
    line
        (y, x) in pixels, points about a pixel apart, shape (N, 2); the first again at the end of a
        closed wall.
    pixel_size
        (y, x).
    """
    return float(np.hypot(*(np.diff(steadied(line), axis=0) * pixel_size).T).sum())


def steadied(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a line with less of their noise, shape (N, 2); its ends stay where they are."""
    from scipy import ndimage

    reach = min(len(line) - 1, REACH)
    if reach < 2:
        return line
    if np.array_equal(line[0], line[-1]):
        before, after = line[-1 - reach : -1], line[1 : 1 + reach]
    else:
        # Reflected through the ends.
        before, after = 2 * line[0] - line[reach:0:-1], 2 * line[-1] - line[-2 : -2 - reach : -1]
    longer = np.concatenate([before, line, after])
    smooth = ndimage.gaussian_filter1d(longer, SMOOTHING_POINTS, axis=0, radius=reach)
    return np.asarray(smooth[reach:-reach])

"""Where a probability map says that a column is."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from scanseg.micrograph import FloatImage

__all__ = ["find_peaks"]

# Smoothing leaves more than this part of a disc as small as they get, and less of a single pixel.
LEFT_BY_SMOOTHING = 0.4


def find_peaks(
    probability: FloatImage, *, threshold: float, closest_px: float, smoothing_px: float = 0.7
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Find the tops of a probability map.

    The map is smoothed a little, because a disc has a flat top; what is left are local maxima of
    their eight neighbours, placed between pixels by a parabola along each axis.

    Parameters
    ----------
    probability
        Shape (height, width), 0 to 1.
    threshold
        Smallest probability of a top.
    closest_px
        Of two tops closer than this the lower one goes.
    smoothing_px
        Width (s.d.) of the smoothing.

    Returns
    -------
    position_px
        (y, x), shape (N, 2), the most probable first.
    peak_probability
        Shape (N,), of the map as it was.
    """
    smooth = ndimage.gaussian_filter(probability, smoothing_px, truncate=3.0, mode="nearest")
    position, height = _local_maxima(smooth, np.float32(LEFT_BY_SMOOTHING * threshold))
    pixel = np.clip(np.round(position).astype(int), 0, np.array(probability.shape) - 1)
    certainty = probability[pixel[:, 0], pixel[:, 1]]
    order = np.argsort(-height, kind="stable")
    sure = (certainty >= threshold) & (height >= np.float32(LEFT_BY_SMOOTHING) * certainty)
    order = order[sure[order]]
    order = order[_apart(position[order], closest_px)]
    return position[order], certainty[order]


def _apart(position: NDArray[np.float64], closest_px: float) -> NDArray[np.bool_]:
    """Keep a position unless a kept one before it is closer than ``closest_px``, shape (N,)."""
    kept = np.ones(len(position), bool)
    if len(position) < 2:
        return kept
    pairs = cKDTree(position).query_pairs(closest_px, output_type="ndarray")
    for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if kept[first]:
            kept[second] = False
    return kept


@njit(cache=True, nogil=True)
def _local_maxima(
    image: FloatImage, threshold: np.float32
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Maxima of 3 x 3 neighbourhoods; of equal neighbours the first in reading order counts."""
    rows, columns = image.shape
    found = []
    heights = []
    for i in range(rows):
        for j in range(columns):
            value = image[i, j]
            if value < threshold:
                continue
            top = True
            for k in range(max(i - 1, 0), min(i + 2, rows)):
                for m in range(max(j - 1, 0), min(j + 2, columns)):
                    before = k < i or (k == i and m < j)
                    if image[k, m] > value or (before and image[k, m] == value):
                        top = False
            if top:
                y, x = float(i), float(j)
                if 0 < i < rows - 1:
                    y += _vertex(image[i - 1, j], value, image[i + 1, j])
                if 0 < j < columns - 1:
                    x += _vertex(image[i, j - 1], value, image[i, j + 1])
                found.append((y, x))
                heights.append(value)
    position = np.empty((len(found), 2), np.float64)
    for n in range(len(found)):
        position[n, 0], position[n, 1] = found[n]
    return position, np.array(heights, np.float32)


@njit(cache=True, nogil=True, inline="always")
def _vertex(left: float, middle: float, right: float) -> float:
    """Offset of the top of the parabola through three points, within half a pixel."""
    curvature = left - 2.0 * middle + right
    if curvature >= 0.0:
        return 0.0
    return float(min(0.5, max(-0.5, 0.5 * (left - right) / curvature)))

"""Truth as a network sees it: a class map of discs, and pixels that are left out of the loss."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.train.recipe import Labels

__all__ = ["IGNORED", "draw_labels"]

IGNORED = 255


def draw_labels(
    shape: tuple[int, int],
    position_px: NDArray[np.float64],
    class_index: NDArray[np.int64],
    visible: NDArray[np.bool_],
    labels: Labels,
) -> NDArray[np.uint8]:
    """Draw a disc for each column.

    Parameters
    ----------
    shape
        (height, width) of the patch.
    position_px
        (y, x) on the patch, shape (N, 2); may lie outside.
    class_index
        Class of each column, shape (N,), from 1.
    visible
        Columns that the network is asked to find, shape (N,). The discs of all others are IGNORED:
        neither an atom nor background can be asked for.

    Returns
    -------
    class_map
        Shape (height, width), 0 for the background.
    """
    class_map = np.zeros(shape, np.uint8)
    if not len(position_px):
        return class_map
    low, high = labels.radius_px
    radius = np.clip(labels.radius_of_spacing * _nearest_visible(position_px, visible), low, high)
    # The hidden first, so that a visible column keeps its whole disc.
    order = np.argsort(visible, kind="stable")
    value = np.where(visible, class_index, IGNORED).astype(np.uint8)
    _paint_discs(class_map, position_px[order], radius[order], value[order])
    return class_map


def _nearest_visible(
    position_px: NDArray[np.float64], visible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Distance of each column to the nearest visible other one, shape (N,)."""
    if visible.sum() < 2:
        return np.full(len(position_px), np.inf)
    distance, _ = cKDTree(position_px[visible]).query(position_px, k=2)
    return np.asarray(np.where(visible, distance[:, 1], distance[:, 0]), np.float64)


@njit(cache=True, nogil=True)
def _paint_discs(
    class_map: NDArray[np.uint8],
    position_px: NDArray[np.float64],
    radius_px: NDArray[np.float64],
    value: NDArray[np.uint8],
) -> None:
    height, width = class_map.shape
    for n in range(len(position_px)):
        y, x = position_px[n]
        r = radius_px[n]
        for i in range(max(0, int(np.ceil(y - r))), min(height, int(np.floor(y + r)) + 1)):
            for j in range(max(0, int(np.ceil(x - r))), min(width, int(np.floor(x + r)) + 1)):
                if (i - y) ** 2 + (j - x) ** 2 <= r * r:
                    class_map[i, j] = value[n]

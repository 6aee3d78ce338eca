"""Lines that walls are expected on: smoothed pixels, their normals, and the signal along these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WallLine", "evenly_spaced", "joined", "normals", "parted", "sampled", "smooth_lines"]

# Normals are taken from points so many to both sides.
SPAN = 2


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


def joined(
    lines: Sequence[NDArray[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Points of S lines one after the other, where each begins, and how many it has."""
    length = np.array([len(line) for line in lines], np.int64)
    points = np.concatenate([np.empty((0, 2)), *lines])
    return points, np.cumsum(length) - length, length


def parted(values: NDArray[np.float64], length: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Values of each line again."""
    ends = np.cumsum(length).tolist()
    return [values[end - n : end] for end, n in zip(ends, length.tolist(), strict=True)]


def evenly_spaced(
    points: NDArray[np.float64], start: NDArray[np.int64], length: NDArray[np.int64], *,
    step_px: float, at_most: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:  # fmt: skip
    """Points about (or at most) ``step_px`` apart along S lines, and how many each has."""
    from scanseg.walls._along import lengths_of, space_evenly

    way = np.empty(len(start))
    lengths_of(points, start, length, way)
    steps = np.ceil(way / step_px) if at_most else np.rint(way / step_px)
    new_length = np.maximum(steps.astype(np.int64) + 1, 2)
    spaced = np.empty((int(new_length.sum()), 2))
    space_evenly(points, start, length, way, np.cumsum(new_length) - new_length, new_length, spaced)
    return spaced, new_length


def smooth_lines(
    pixels: Sequence[NDArray[np.int64]], closed: Sequence[bool], smoothing_px: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Points a pixel apart along smoothed pixels of each line; open ends stay where they are."""
    from scanseg.walls._along import blur_lines

    points, start, length = joined(pixels)
    smooth = np.empty_like(points)
    sigma = np.array(smoothing_px, float)
    blur_lines(points, np.array(closed, bool), start, length, sigma, 1, False, smooth)
    return parted(*evenly_spaced(smooth, start, length, step_px=1.0))


def normals(line: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Unit normals, to the right of the line's direction with y downward, shape (N, 2)."""
    from scanseg.walls._along import normals_along

    normal = np.empty(line.shape)
    normals_along(line, np.array([closed]), np.array([0]), np.array([len(line)]), SPAN, normal)
    return normal

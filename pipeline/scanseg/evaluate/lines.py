"""Found domain walls against true ones as ordered lines, to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "displacement_error_px", "position_error_px", "resampled", "way_along"]

Line = NDArray[np.float64]  # ordered (y, x), shape (N, 2)


def position_error_px(
    found: Sequence[Line], truth: Sequence[Line], *, reach_px: float = 3.0
) -> NDArray[np.float64]:
    """How far found walls lie off the true ones, along the normals of these.

    Parameters
    ----------
    found, truth
        Walls.
    reach_px
        How far to look for a wall.

    Returns
    -------
    offset_px
        One number a pixel of true length, shape (N,); NaN where nothing was found. Positive to the
        right of the direction of the true wall, seen with y downward.
    """
    at, normal = _posts(truth)
    return _offset_along(at, normal, found, reach_px)


def displacement_error_px(
    found_before: Sequence[Line],
    found_after: Sequence[Line],
    truth_before: Sequence[Line],
    truth_after: Sequence[Line],
    *,
    reach_px: float = 10.0,
) -> NDArray[np.float64]:
    """Measured minus true displacement between two frames, at each of N pixels of true length.

    Displacements are measured along the normals of the walls before. In pixels, shape (N,); NaN
    where one of the four is farther than ``reach_px``.
    """
    at, normal = _posts(truth_before)
    measured = _offset_along(at, normal, found_after, reach_px) - _offset_along(
        at, normal, found_before, reach_px
    )
    true = _offset_along(at, normal, truth_after, reach_px)
    return measured - true


def way_along(line: Line) -> NDArray[np.float64]:
    """Length from the start of a line to each of its points, shape (N,)."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def resampled(line: Line, *, step_px: float) -> Line:
    """Points at even steps along a line, its ends included."""
    way = way_along(line)
    at = np.linspace(0, way[-1], max(2, round(way[-1] / step_px) + 1))
    return np.stack([np.interp(at, way, line[:, 0]), np.interp(at, way, line[:, 1])], 1)


def _posts(lines: Sequence[Line]) -> tuple[Line, Line]:
    """A point a pixel of length, and the unit normal there, smoothed over some pixels."""
    at, normal = [np.empty((0, 2))], [np.empty((0, 2))]
    for line in lines:
        points = resampled(line, step_px=1.0)
        last = len(points) - 1
        n = np.arange(len(points))
        along = points[np.minimum(n + 2, last)] - points[np.maximum(n - 2, 0)]
        across = np.stack([along[:, 1], -along[:, 0]], 1)
        at.append(points)
        normal.append(across / np.maximum(np.hypot(*across.T), 1e-9)[:, None])
    return np.concatenate(at), np.concatenate(normal)


def _offset_along(
    at: Line, normal: Line, lines: Sequence[Line], reach_px: float
) -> NDArray[np.float64]:
    """Distance along each normal to the nearest crossing with a line; NaN for none, shape (N,)."""
    from scipy.spatial import cKDTree

    offset = np.full(len(at), np.inf)
    pieces = [resampled(line, step_px=0.5) for line in lines]
    if not pieces or not len(at):
        return np.full(len(at), np.nan)
    start = np.concatenate([piece[:-1] for piece in pieces])
    step = np.concatenate([np.diff(piece, axis=0) for piece in pieces])
    near = cKDTree(start + step / 2).query_ball_point(at, reach_px + 0.5)
    for n, which in enumerate(near):
        if not which:
            continue
        # at + t normal = start + s step, solved for t and s by Cramer's rule.
        gap, along = start[which] - at[n], step[which]
        across = normal[n, 0] * along[:, 1] - normal[n, 1] * along[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (gap[:, 0] * along[:, 1] - gap[:, 1] * along[:, 0]) / across
            s = (gap[:, 0] * normal[n, 1] - gap[:, 1] * normal[n, 0]) / across
        crossing = t[(s >= -1e-9) & (s <= 1 + 1e-9) & (np.abs(t) <= reach_px)]
        if len(crossing):
            offset[n] = crossing[np.abs(crossing).argmin()]
    return np.where(np.isfinite(offset), offset, np.nan)

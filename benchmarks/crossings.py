"""How far a line lies along given normals: the truth of wall_positions.py and wall_motion.py.

Written apart from ``scanseg.evaluate.lines``, which it is a check of: segments are taken as they
are, not resampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["crossing_px"]

FloatArray = NDArray[np.float64]


def crossing_px(
    at: FloatArray, normal: FloatArray, lines: Sequence[FloatArray], *, reach_px: float
) -> FloatArray:
    """Distance along each normal to the nearest crossing with a line, shape (N,).

    Parameters
    ----------
    at, normal
        Points (y, x), NaN for what is lost, and unit normals, shape (N, 2).
    lines
        Ordered points (y, x), shape (M, 2) each.
    reach_px
        What is farther is none: NaN.
    """
    found = np.full(len(at), np.nan)
    if not lines or not len(at):
        return found
    start = np.concatenate([line[:-1] for line in lines])
    step = np.concatenate([np.diff(line, axis=0) for line in lines])
    if not len(step):
        return found
    half_px = float(np.hypot(*step.T).max()) / 2
    known = np.flatnonzero(np.isfinite(at).all(axis=1))
    near = cKDTree(start + step / 2).query_ball_point(at[known], reach_px + half_px)
    for n, which in zip(known, near, strict=True):
        # at + t normal = start + s step, solved for t and s by Cramer's rule.
        gap, along = start[which] - at[n], step[which]
        across = normal[n, 0] * along[:, 1] - normal[n, 1] * along[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (gap[:, 0] * along[:, 1] - gap[:, 1] * along[:, 0]) / across
            s = (gap[:, 0] * normal[n, 1] - gap[:, 1] * normal[n, 0]) / across
        hit = t[(s >= -1e-9) & (s <= 1 + 1e-9) & (np.abs(t) <= reach_px)]
        if len(hit):
            found[n] = hit[np.abs(hit).argmin()]
    return found

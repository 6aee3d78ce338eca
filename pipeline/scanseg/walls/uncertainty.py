"""Noise of a scan, and error bars of walls, with what the model of profiles does not know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.walls.stretches import Stretches

__all__ = ["line_variance", "median_of_known", "noise_variance", "profile_variance"]

FloatArray = NDArray[np.float64]

# No tip's edge is known to better than 2 % of the amplitude.
MODEL_ERROR = 0.02
MOST_EXCESS = 20.0
# Ends of a wall are off, and the fewer so many points away (e-fold).
END_PX = 4.0
# Widths beyond this are no widths; and this one is taken where none was measured.
WIDEST_PX, TYPICAL_WIDTH_PX = 12.0, 3.0
# Variance of a wall in one channel alone, 180° and ferroelastic: factor of what the fit knows, part
# of w², constant, at ends, and over the number of points. A background of the instrument moves the
# dip of the amplitude and the flip of the phase by a part of w, which no profile tells.
FROM_AMPLITUDE = ((1.6, 0.027, 0.0, 0.0, 0.0), (1.0, 0.063, 0.0, 0.23, 3.4))
FROM_PHASE = ((1.3, 0.65, 0.0, 0.0, 0.0), (0.53, 0.0, 0.54, 0.115, 7.6))


def noise_variance(response: NDArray[np.complex128]) -> float:
    """Variance of each part of the noise, from pixels against the mean of their neighbours."""
    beside = (response[:, :-2] + response[:, 2:]) / 2
    squared = np.abs(response[:, 1:-1] - beside) ** 2
    # 1.5 times two parts' variance, whose median is ln 2 of the mean.
    return max(median_of_known(squared) / (3 * float(np.log(2))), MODEL_ERROR**2)


def median_of_known(values: FloatArray) -> float:
    """Median of what is a number; 0 where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0


def line_variance(
    stretches: Stretches, known: FloatArray, *, misfit: FloatArray, moved: FloatArray,
    width: FloatArray, half: FloatArray,
) -> FloatArray:  # fmt: skip
    """Variance across the wall, with what misfit, ends, corners, wide tips add, shape (N,).

    Parameters
    ----------
    stretches
        N points.
    known
        Variance as the fit has it, shape (N,), as are those that follow.
    misfit
        Variance of the residuals over that of the noise.
    moved
        How far the fit moved the wall.
    width
        w.
    half
        Half the width of a lamella drawn as one line, else 0.

    Notes
    -----
    Factors are those of simulated scans 0 to 11 of ``benchmarks/wall_positions.py`` at 5 % noise,
    with artefacts and without.
    """
    excess = np.clip(misfit - 1, 0.0, MOST_EXCESS)
    wall = stretches.wall[stretches.of]
    first, last = np.searchsorted(wall, wall), np.searchsorted(wall, wall, "right") - 1
    along = np.arange(len(wall))
    closed = stretches.closed[stretches.of]
    to_end = np.where(closed, np.inf, np.minimum(along - first, last - along))
    reversal = known * (0.11 + 0.84 * excess) + (0.041 * width) ** 2 + 0.018 * moved**2
    reversal += 0.033 * np.exp(-to_end / END_PX)
    twin = 2.2 * known + 3.4 / stretches.length[stretches.of] + 0.055 * moved**2
    twin += 0.34 * np.exp(-to_end / END_PX) + 0.16 * np.exp(-stretches.to_corner / END_PX)
    twin += 0.1 * (half > 0) + 0.4 * ~stretches.straight[stretches.of]
    return np.asarray(np.where(stretches.ferroelastic, twin, reversal))


def profile_variance(
    known: FloatArray, *, half_width_px: float, ferroelastic: NDArray[np.bool_], closed: bool,
    from_phase: bool,
) -> FloatArray:  # fmt: skip
    """Variance across a wall of which only the amplitude or the phase was measured, shape (N,).

    Parameters
    ----------
    known
        Variance as the fits of single profiles have it, shape (N,).
    half_width_px
        Mean w of the wall, NaN without one.
    ferroelastic
        Class of each point, shape (N,).
    closed
        Whether the wall ends where it begins.
    from_phase
        Whether the phase was measured, else the amplitude.

    Notes
    -----
    Factors are those of simulated scans 0 to 8 of ``benchmarks/wall_positions.py`` at 5 % noise,
    with artefacts and without. Errors of a wall's points are nearly all its own, and not random.
    """
    n = len(known)
    factor = np.array(FROM_PHASE if from_phase else FROM_AMPLITUDE)[ferroelastic.astype(int)].T
    width = min(half_width_px if np.isfinite(half_width_px) else TYPICAL_WIDTH_PX, WIDEST_PX)
    along = np.arange(n)
    to_end = np.full(n, np.inf) if closed else np.minimum(along, n - 1 - along)
    variance = factor[0] * known + factor[1] * width**2 + factor[2]
    return np.asarray(variance + factor[3] * np.exp(-to_end / END_PX) + factor[4] / n)

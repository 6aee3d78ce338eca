"""Ferroelastic walls that are no step but a lamella narrower than the tip, drawn as one line.

A step fitted to such a line lies on one of its two sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.walls.stretches import Stretches

__all__ = ["strip_halves"]

FloatArray = NDArray[np.float64]

# These half widths are tried, over what two lines are drawn apart from.
STRIP_HALVES = (0.22, 0.36, 0.5)
STRIP_SHIFTS_PX = np.array([-1.2, -0.6, 0.0, 0.6, 1.2])
STRIP_SHARE = 0.8
# Pieces so long are shifted each for itself.
PIECE_PX = 30.0


def strip_halves(
    stretches: Stretches, profile: NDArray[np.complex128], weight: FloatArray,
    position: FloatArray, width: FloatArray, *, half_width_px: float, noise: float,
) -> FloatArray:  # fmt: skip
    """Half the width of the lamella that each stretch is, in pixels, shape (P,); 0 for a step.

    Parameters
    ----------
    stretches
        P stretches of N points.
    profile, weight, position
        Profiles, shape (N, M), what their samples count, and where these are, shape (M,).
    width
        w of each point, shape (N,).
    half_width_px
        w of the scan.
    noise
        Variance of each part of the response.
    """
    from scanseg.walls._strips import misfits

    widest = max(4.5, half_width_px)
    halves = np.array([0.0, *(share * widest for share in STRIP_HALVES)])
    mine = np.flatnonzero(stretches.ferroelastic[stretches.start])
    left = np.empty((len(mine), len(halves)))
    misfits(
        profile, weight, position, stretches.expected, width, halves, STRIP_SHIFTS_PX,
        stretches.start[mine], stretches.length[mine], PIECE_PX, left,
    )  # fmt: skip
    best = 1 + left[:, 1:].argmin(1)
    least = left[np.arange(len(mine)), best]
    strip = (least < STRIP_SHARE * left[:, 0]) & (left[:, 0] - least > 10 * noise)
    half = np.zeros(len(stretches.start))
    half[mine] = np.where(strip, halves[best], 0.0)
    return half

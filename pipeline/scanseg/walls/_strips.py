"""Kernel that tells steps from strips: S stretches of N profiles in all, M samples each."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit

from scanseg.walls._sums import step_or_strip


@njit(cache=True, nogil=True)
def misfits(profile, weight, position, centre, width, halves, shifts, start, length, piece, out):
    """Squares that a step or strips leave of each stretch, the best shift of each piece of it.

    ``halves`` (H,) with 0 for the step; ``out`` of shape (S, H).
    """
    m = profile.shape[1]
    a = np.empty((2, 2))
    for s in range(len(start)):
        out[s] = 0.0
        n_pieces = max(1, round(length[s] / piece))
        for part in range(n_pieces):
            first = start[s] + part * length[s] // n_pieces
            last = start[s] + (part + 1) * length[s] // n_pieces
            for h in range(len(halves)):
                best = np.inf
                for shift in shifts:
                    a[:] = 0.0
                    b0, b1, total = 0j, 0j, 0.0
                    for i in range(first, last):
                        for k in range(m):
                            g = weight[i, k]
                            if g == 0:
                                continue
                            t = position[k] - centre[i] - shift
                            f = step_or_strip(t, halves[h], 1.0 / width[i])[0]
                            z = profile[i, k]
                            a[0, 0] += g
                            a[0, 1] += g * f
                            a[1, 1] += g * f * f
                            b0 += g * z
                            b1 += g * f * z
                            total += g * (z.real * z.real + z.imag * z.imag)
                    if a[0, 0] == 0:
                        best = 0.0
                        continue
                    rest = a[1, 1] - a[0, 1] * a[0, 1] / a[0, 0]
                    c = b1 - b0 * a[0, 1] / a[0, 0]
                    left = total - (b0.real * b0.real + b0.imag * b0.imag) / a[0, 0]
                    if rest > 1e-6 * a[0, 0]:
                        left -= (c.real * c.real + c.imag * c.imag) / rest
                    best = min(best, left)
                out[s, h] += best

"""Kernel of the fit of walls to single profiles: N profiles of M samples.

A profile is ``c0 + c1 tanh(u) + c2 / cosh(u)²`` with ``u = (t - t0) / w``. The coefficients are
linear and solved for exactly in each round; t0 and log w follow from what is left behind them.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import math

import numpy as np
from numba import njit

# Centre, log of the half width, information on both, sum of squares left, dip.
N_NUMBERS = 6
STEP = 3
FARTHEST_PX = 5.0
WIDTHS_PX = (0.4, 20.0)
LARGEST_STEP_PX, LARGEST_LOG_STEP = 0.7, 0.4


@njit(cache=True, nogil=True)
def factorise(a, n):
    """Cholesky factor of the lower triangle of the first n rows, in place."""
    for p in range(n):
        for q in range(p + 1):
            total = a[p, q]
            for r in range(q):
                total -= a[p, r] * a[q, r]
            a[p, q] = math.sqrt(max(total, 1e-12)) if p == q else total / a[q, q]


@njit(cache=True, nogil=True)
def forward(a, n, b):
    """Solve the lower triangle for n numbers, in place."""
    for p in range(n):
        for r in range(p):
            b[p] -= a[p, r] * b[r]
        b[p] /= a[p, p]


@njit(cache=True, nogil=True)
def fill_shapes(position, centre, w, with_step, with_line, basis):
    """Basis of a profile: constant, and what there is of step and line; last row: the step."""
    for k in range(len(position)):
        step = math.tanh((position[k] - centre) / w)
        basis[0, k] = 1.0
        basis[STEP, k] = step
        if with_step:
            basis[1, k] = step
        if with_line:
            basis[2 if with_step else 1, k] = 1.0 - step * step


@njit(cache=True, nogil=True)
def fit_each(profile, weight, position, log_width, n_rounds, with_step, with_line, out):
    """Fit each profile by itself; ``out`` of shape (N, N_NUMBERS)."""
    n, m = profile.shape
    n_basis = 1 + int(with_step) + int(with_line)
    at_line = n_basis - 1
    basis = np.empty((STEP + 1, m))
    low = np.empty((3, 3))
    c = np.empty(3, np.complex128)
    by_d, by_w = np.empty(3, np.complex128), np.empty(3, np.complex128)
    for i in range(n):
        centre, log_w = 0.0, log_width
        dd, ww, total = 0.0, 0.0, 0.0
        for round_ in range(n_rounds + 1):
            w = math.exp(log_w)
            fill_shapes(position, centre, w, with_step, with_line, basis)
            low[:] = 0.0
            c[:] = 0.0
            for k in range(m):
                if weight[i, k] != 0:
                    for a in range(n_basis):
                        for b in range(a + 1):
                            low[a, b] += weight[i, k] * basis[a, k] * basis[b, k]
                        c[a] += weight[i, k] * basis[a, k] * profile[i, k]
            for a in range(n_basis):
                low[a, a] += 1e-9
            factorise(low, n_basis)
            forward(low, n_basis, c)
            for a in range(n_basis - 1, -1, -1):
                for b in range(a + 1, n_basis):
                    c[a] -= low[b, a] * c[b]
                c[a] /= low[a, a]
            by_d[:] = 0.0
            by_w[:] = 0.0
            dd, ww, dw, d_off, w_off, total = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(m):
                g = weight[i, k]
                if g == 0:
                    continue
                u = (position[k] - centre) / w
                step = basis[STEP, k]
                line = 1.0 - step * step
                along = 0j
                off = profile[i, k]
                for a in range(n_basis):
                    off -= c[a] * basis[a, k]
                if with_step:
                    along += c[1] * line
                if with_line:
                    along -= 2.0 * c[at_line] * line * step
                d, v = -along / w, -along * u
                for a in range(n_basis):
                    by_d[a] += g * basis[a, k] * d
                    by_w[a] += g * basis[a, k] * v
                dd += g * (d.real * d.real + d.imag * d.imag)
                ww += g * (v.real * v.real + v.imag * v.imag)
                dw += g * (d.real * v.real + d.imag * v.imag)
                d_off += g * (d.real * off.real + d.imag * off.imag)
                w_off += g * (v.real * off.real + v.imag * off.imag)
                total += g * (off.real * off.real + off.imag * off.imag)
            spare = 1e-9 * (low[0, 0] ** 2 + dd + ww) + 1e-12
            forward(low, n_basis, by_d)
            forward(low, n_basis, by_w)
            for a in range(n_basis):
                dd -= by_d[a].real ** 2 + by_d[a].imag ** 2
                ww -= by_w[a].real ** 2 + by_w[a].imag ** 2
                dw -= by_d[a].real * by_w[a].real + by_d[a].imag * by_w[a].imag
            dd, ww = max(dd, 0.0) + spare, max(ww, 0.0) + spare
            determinant = max(dd * ww - dw * dw, 1e-30)
            if round_ == n_rounds:
                dd, ww = determinant / ww, determinant / dd
                break
            step_d = (ww * d_off - dw * w_off) / determinant
            step_w = (dd * w_off - dw * d_off) / determinant
            step_d = min(max(step_d, -LARGEST_STEP_PX), LARGEST_STEP_PX)
            step_w = min(max(step_w, -LARGEST_LOG_STEP), LARGEST_LOG_STEP)
            centre = min(max(centre + step_d, -FARTHEST_PX), FARTHEST_PX)
            log_w = min(max(log_w + step_w, math.log(WIDTHS_PX[0])), math.log(WIDTHS_PX[1]))
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = centre, log_w, dd, ww
        out[i, 4] = total
        out[i, 5] = dip_of(weight[i], basis, c, n_basis)


@njit(cache=True, nogil=True)
def dip_of(weight, basis, c, n_basis):
    """Smallest amplitude of the model over the mean of its first and last one."""
    lowest, first, last = np.inf, -1.0, 0.0
    for k in range(len(weight)):
        if weight[k] == 0:
            continue
        seen = 0j
        for a in range(n_basis):
            seen += c[a] * basis[a, k]
        last = abs(seen)
        if first < 0:
            first = last
        lowest = min(lowest, last)
    return lowest / max((first + last) / 2, 1e-12)

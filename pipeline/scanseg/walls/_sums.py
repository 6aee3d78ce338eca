"""Kernels of the fit along walls: the model across them, and its normal equations.

The response along the normal of point i is modelled as

    c0 + c1 f(t - d) + c2 (1 - f(t - t0)) + c3 (1 + f(t - t1))

with ``f`` a step behind a Gaussian tip, ``f(t) = erf(sqrt(pi) t / (2 w))`` (slope 1 / w, as of
tanh(t / w)), and ``t0``, ``t1`` the next walls on both sides; a narrow lamella drawn as one line is
a strip, the difference of two steps. Ferroelastic walls are also dark lines: before the tip's blur
the response is multiplied by ``1 - rho exp(-t² / 2)``, and so for the next walls. Four complex
coefficients and the offset d are solved for at once, from the normal equations of all profiles near
i on its wall: sums that fall off as exp(-distance / scale).

N points, M samples of a profile, S stretches of walls. Columns of the sums: 0-9 basis by basis
(lower triangle), 10-17 basis by residual, 18-25, 26-33 and 34-41 basis by slope along d, log w and
rho, 42-47 slope by slope (dd, ww, rr, dw, dr, wr), 48-50 slope by residual, 51 squared residuals,
52 samples. Coefficients are complex: their two parts are columns beside each other.

All samples of a profile are written as rows first, then multiplied row by row: so the processor
takes four at a time, which is three times as fast as sample by sample.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import math

import numpy as np
from numba import njit

N_BASIS = 4
N_SUMS = 53
QUARTER_PI = math.pi / 4
HALF_ROOT_PI = math.sqrt(math.pi) / 2
TABLE_STEPS = 128
_TABLE_U = np.arange(6 * TABLE_STEPS + 1) / TABLE_STEPS
STEPS = np.array([math.erf(HALF_ROOT_PI * u) for u in _TABLE_U])
BELLS = np.exp(-QUARTER_PI * _TABLE_U**2)
LAST_STEP = len(_TABLE_U) - 1.001
# S.d. of the Gaussian whose error function has the slope of tanh(t / w), over w.
SIGMA_OF_HALF_WIDTH = math.sqrt(2 / math.pi)
# A ferroelastic wall's own line has a s.d. of about a pixel.
LINE_S2 = 1.0
# Rows of a profile: basis; parts of the residual, and of the slopes along d, log w and rho; work.
RESIDUAL, BY_D, BY_W, BY_RHO = 4, 6, 8, 10
STEP, SLOPE, WIDER, LINES, WEIGHT, WEIGHED, N_ROWS = 12, 13, 14, 15, 16, 17, 18
# Sums may be taken in any order.
REORDERED = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, nogil=True)
def step_and_bell(u):
    """erf(sqrt(pi) u / 2) and exp(-pi u² / 4), from tables: a tenth of the time, to 1e-5."""
    at = min(abs(u) * TABLE_STEPS, LAST_STEP)
    k = int(at)
    part = at - k
    step = STEPS[k] + part * (STEPS[k + 1] - STEPS[k])
    bell = BELLS[k] + part * (BELLS[k + 1] - BELLS[k])
    return math.copysign(step, u), bell


@njit(cache=True, nogil=True)
def step_or_strip(t, half, per_px):
    """A step, or a strip of half width ``half`` > 0, behind the tip; slopes along t and log w.

    ``per_px`` is 1 / w.
    """
    if half == 0.0:
        u = t * per_px
        step, bell = step_and_bell(u)
        return step, bell * per_px, -u * bell
    u, v = (t + half) * per_px, (t - half) * per_px
    step, bell = step_and_bell(u)
    other_step, other_bell = step_and_bell(v)
    return (
        0.5 * (step - other_step),
        0.5 * (bell - other_bell) * per_px,
        -0.5 * (u * bell - v * other_bell),
    )


@njit(cache=True, nogil=True, fastmath=REORDERED)
def dot(row, one, other, n):
    """Sum of products of two rows of n samples."""
    total = 0.0
    for k in range(n):
        total += row[one, k] * row[other, k]
    return total


@njit(cache=True, nogil=True, fastmath=REORDERED)
def weigh(row, which, n):
    """A row times the weights, as the row ``WEIGHED``."""
    for k in range(n):
        row[WEIGHED, k] = row[WEIGHT, k] * row[which, k]


@njit(cache=True, nogil=True, fastmath=REORDERED)
def fill_rows(i, position, first, n, centre, w, rho, half, beside, half_beside, c, row):
    """Basis and slopes of n samples of profile i, as rows; which next walls are within reach."""
    blur = w * SIGMA_OF_HALF_WIDTH
    line_s2 = LINE_S2 + blur * blur
    line_s = math.sqrt(line_s2)
    bell_of_t = 1.0 / (line_s * math.sqrt(math.pi / 2))
    turn = 1.0 / (math.sqrt(2.0) * blur * line_s)
    turn_of_t = turn / HALF_ROOT_PI
    per_px = 1.0 / w
    c0, c1, c2, c3 = c[i, 0], c[i, 1], c[i, 2], c[i, 3]
    near = (not math.isnan(beside[i, 0]), not math.isnan(beside[i, 1]))
    for k in range(n):
        t = position[first + k] - centre[i]
        row[STEP, k], row[SLOPE, k], row[WIDER, k] = step_or_strip(t, half[i], per_px)
    for k in range(n):
        row[0, k] = 1.0
        row[1, k] = row[STEP, k]
        row[BY_D, k] = -row[SLOPE, k] * c1.real
        row[BY_D + 1, k] = -row[SLOPE, k] * c1.imag
        row[BY_W, k] = row[WIDER, k] * c1.real
        row[BY_W + 1, k] = row[WIDER, k] * c1.imag
        row[LINES, k] = 0.0
    for side in range(2):
        if not near[side]:
            for k in range(n):
                row[2 + side, k] = 0.0
            continue
        sign = -1.0 if side == 0 else 1.0
        other, other_half = beside[i, side], half_beside[i, side]
        of_step = other_half == 0.0
        part = c[i, 2 + side] * (sign if of_step else 1.0)
        for k in range(n):
            t = position[first + k] - other
            step, _, wider = step_or_strip(t, other_half, per_px)
            row[2 + side, k] = 1.0 + sign * step if of_step else step
            row[BY_W, k] += part.real * wider
            row[BY_W + 1, k] += part.imag * wider
            if of_step and rho[i] != 0:
                row[LINES, k] += step_and_bell(t * bell_of_t)[1] / line_s
    if rho[i] == 0:
        return near
    for k in range(n):
        t = position[first + k] - centre[i]
        line = step_and_bell(t * bell_of_t)[1] / line_s
        step, bell = step_and_bell(t * turn_of_t)
        odd = line * step
        odd_slope = line * turn / HALF_ROOT_PI * bell - t / line_s2 * odd
        line_slope = t / line_s2 * line
        left = 1.0 - rho[i] * row[LINES, k]
        even = c0 + c2 * row[2, k] + c3 * row[3, k]
        taken = line * even + odd * c1
        seen = even + row[1, k] * c1 - rho[i] * taken
        by_d = rho[i] * (odd_slope * c1 - line_slope * even)
        by_rho = -taken * left - row[LINES, k] * seen
        row[BY_D, k] = left * (row[BY_D, k] + by_d.real)
        row[BY_D + 1, k] = left * (row[BY_D + 1, k] + by_d.imag)
        row[BY_W, k] *= left
        row[BY_W + 1, k] *= left
        row[BY_RHO, k], row[BY_RHO + 1, k] = by_rho.real, by_rho.imag
        darker = left * (1.0 - rho[i] * line)
        row[1, k] = left * (row[1, k] - rho[i] * odd)
        row[0, k] = darker
        row[2, k] *= darker
        row[3, k] *= darker
    return near


@njit(cache=True, nogil=True)
def model_profiles(usable, position, centre, width, rho, half, beside, half_beside, c, model):
    """The model where samples are usable, shape (N, M)."""
    n, m = usable.shape
    row = np.empty((N_ROWS, m))
    for i in range(n):
        fill_rows(i, position, 0, m, centre, width, rho, half, beside, half_beside, c, row)
        for k in range(m):
            seen = c[i, 0] * row[0, k] + c[i, 1] * row[1, k]
            model[i, k] = seen + c[i, 2] * row[2, k] + c[i, 3] * row[3, k]


@njit(cache=True, nogil=True, fastmath=REORDERED)
def leave_residual(i, profile, first, n, c, row):
    """What the model leaves of n samples of profile i, as rows."""
    for k in range(n):
        value = profile[i, first + k]
        row[RESIDUAL, k], row[RESIDUAL + 1, k] = value.real, value.imag
    for part in range(2):
        c0, c1, c2, c3 = c[i, 0].real, c[i, 1].real, c[i, 2].real, c[i, 3].real
        if part == 1:
            c0, c1, c2, c3 = c[i, 0].imag, c[i, 1].imag, c[i, 2].imag, c[i, 3].imag
        for k in range(n):
            row[RESIDUAL + part, k] -= c0 * row[0, k] + c1 * row[1, k]
            row[RESIDUAL + part, k] -= c2 * row[2, k] + c3 * row[3, k]


@njit(cache=True, nogil=True)
def sum_profiles(profile, weight, position, centre, width, rho, half, beside, half_beside, c, out):
    """Sums of each profile into ``out``, shape (N, N_SUMS)."""
    n_points, m = weight.shape
    row = np.empty((N_ROWS, m))
    for i in range(n_points):
        out[i] = 0.0
        first, last = 0, m
        while first < m and weight[i, first] == 0:
            first += 1
        if first == m:
            continue
        while weight[i, last - 1] == 0:
            last -= 1
        n = last - first
        near = fill_rows(
            i, position, first, n, centre, width[i], rho, half, beside, half_beside, c, row
        )
        leave_residual(i, profile, first, n, c, row)
        for k in range(n):
            row[WEIGHT, k] = weight[i, first + k]
            out[i, 52] += weight[i, first + k]
        with_rho = rho[i] != 0
        for a in range(N_BASIS):
            if a >= 2 and not near[a - 2]:  # no next wall within reach: half the time
                continue
            weigh(row, a, n)
            for b in range(a + 1):
                out[i, a * (a + 1) // 2 + b] = dot(row, WEIGHED, b, n)
            for block in range(4 if with_rho else 3):
                for part in range(2):
                    which = RESIDUAL + 2 * block + part
                    out[i, 10 + 8 * block + 2 * a + part] = dot(row, WEIGHED, which, n)
        for part in range(2):
            weigh(row, RESIDUAL + part, n)
            out[i, 51] += dot(row, WEIGHED, RESIDUAL + part, n)
            out[i, 48] += dot(row, WEIGHED, BY_D + part, n)
            out[i, 49] += dot(row, WEIGHED, BY_W + part, n)
            weigh(row, BY_W + part, n)
            out[i, 43] += dot(row, WEIGHED, BY_W + part, n)
            if with_rho:
                out[i, 47] += dot(row, WEIGHED, BY_RHO + part, n)
            weigh(row, BY_D + part, n)
            out[i, 42] += dot(row, WEIGHED, BY_D + part, n)
            out[i, 45] += dot(row, WEIGHED, BY_W + part, n)
            if with_rho:
                out[i, 46] += dot(row, WEIGHED, BY_RHO + part, n)
                weigh(row, BY_RHO + part, n)
                out[i, 44] += dot(row, WEIGHED, BY_RHO + part, n)
                out[i, 50] += dot(row, WEIGHED, RESIDUAL + part, n)


@njit(cache=True, nogil=True)
def tie_along(values, start, length, scale, out):
    """Sums over each stretch that fall off as exp(-distance / scale) from every point."""
    n_columns = values.shape[1]
    for n in range(len(start)):
        fall = math.exp(-1.0 / scale[n])
        total = np.zeros(n_columns)
        for i in range(start[n], start[n] + length[n]):
            for k in range(n_columns):
                total[k] = total[k] * fall + values[i, k]
                out[i, k] = total[k]
        total[:] = 0.0
        for i in range(start[n] + length[n] - 1, start[n] - 1, -1):
            for k in range(n_columns):
                total[k] *= fall
                out[i, k] += total[k]
                total[k] += values[i, k]


@njit(cache=True, nogil=True)
def solve_tied(
    tied, coefficient, middle, tie_middle, tie_next, sign_next, step, shift, variance, rest
):
    """Gauss-Newton steps from tied sums.

    Parameters
    ----------
    tied
        Sums, shape (N, N_SUMS).
    coefficient
        c, shape (N, 4).
    middle
        What c0 is expected to be, and ``tie_middle`` how firmly, shape (N,).
    tie_next
        How firmly the response is expected to alternate from wall to wall, shape (N, 2).
    sign_next
        Whether c2 and c3 are expected to equal c1 (1) or -c1 (-1), shape (N, 2).
    step
        Step of c, shape (N, 4), written.
    shift
        Step of d, shape (N,), written.
    variance
        Variance of d over that of the noise, c unknown, shape (N,), written.
    rest
        Information on log w and rho, and their gradients, all else unknown, shape (N, 4), written.

    Notes
    -----
    Both parts of c have the same normal matrix, of four rows: it is factorised once, and d, which
    both share, is solved for behind them.
    """
    low = np.empty((N_BASIS, N_BASIS))
    # Residual, and slopes along d, log w and rho, two parts each; the residual stays as it is.
    right = np.empty((N_BASIS, 8))
    towards = np.empty((N_BASIS, 2))
    for i in range(len(tied)):
        o = tied[i]
        unit = o[0] + 1e-12
        column = 0
        for p in range(N_BASIS):
            for q in range(p + 1):
                low[p, q] = o[column]
                column += 1
            low[p, p] += unit * (1e-6 if p < 2 else 1e-4)
            for k in range(8):
                right[p, k] = o[10 + 8 * (k // 2) + 2 * p + k % 2]
        firm = tie_middle[i] * unit
        low[0, 0] += firm
        off = middle - coefficient[i, 0]
        right[0, 0] += firm * off.real
        right[0, 1] += firm * off.imag
        for side in range(2):
            firm = tie_next[i, side] * unit
            if firm == 0:
                continue
            sign = sign_next[i, side]
            off = sign * coefficient[i, 1] - coefficient[i, 2 + side]
            low[1, 1] += firm
            low[2 + side, 2 + side] += firm
            low[2 + side, 1] -= sign * firm
            right[2 + side, 0] += firm * off.real
            right[2 + side, 1] += firm * off.imag
            right[1, 0] -= sign * firm * off.real
            right[1, 1] -= sign * firm * off.imag
        for p in range(N_BASIS):
            for q in range(p + 1):
                total = low[p, q]
                for r in range(q):
                    total -= low[p, r] * low[q, r]
                if p == q:
                    low[p, p] = math.sqrt(max(total, 1e-13 * unit))
                else:
                    low[p, q] = total / low[q, q]
            for k in range(8):
                total = right[p, k]
                for r in range(p):
                    total -= low[p, r] * right[r, k]
                right[p, k] = total / low[p, p]
        # What is left of the equations of d, log w and rho behind c.
        dd = 1.0001 * o[42] + 1e-9 * unit
        ww, rr, dw, dr = o[43], o[44], o[45], o[46]
        d_off, w_off, r_off = o[48], o[49], o[50]
        for p in range(N_BASIS):
            for part in range(2):
                off_p, d_p = right[p, part], right[p, 2 + part]
                w_p, r_p = right[p, 4 + part], right[p, 6 + part]
                dd -= d_p * d_p
                ww -= w_p * w_p
                rr -= r_p * r_p
                dw -= d_p * w_p
                dr -= d_p * r_p
                d_off -= d_p * off_p
                w_off -= w_p * off_p
                r_off -= r_p * off_p
        dd = max(dd, 1e-13 * unit)
        variance[i] = 1.0 / dd
        shift[i] = d_off / dd
        rest[i, 0] = ww - dw * dw / dd
        rest[i, 1] = rr - dr * dr / dd
        rest[i, 2] = w_off - dw * d_off / dd
        rest[i, 3] = r_off - dr * d_off / dd
        for p in range(N_BASIS - 1, -1, -1):
            for part in range(2):
                total = right[p, part] - right[p, 2 + part] * shift[i]
                for r in range(p + 1, N_BASIS):
                    total -= low[r, p] * towards[r, part]
                towards[p, part] = total / low[p, p]
            step[i, p] = complex(towards[p, 0], towards[p, 1])

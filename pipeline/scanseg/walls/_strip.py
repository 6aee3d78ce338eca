"""Kernels of the fit along walls: profiles across them, tied to their neighbours on the same wall.

The response along the normal of point i is modelled as

    c0 + c1 f(t - d) + c2 (1 - f(t - t0)) + c3 (1 + f(t - t1))

with ``f`` a step behind a Gaussian tip, ``f(t) = erf(sqrt(pi) t / (2 w))`` (slope 1 / w, as of
tanh(t / w)), and ``t0``, ``t1`` the next walls on both sides; a narrow lamella drawn as one line is
a strip, the difference of two steps. Ferroelastic walls are also dark lines: before the tip's blur
the response is multiplied by ``1 - rho exp(-t² / 2)``, and so for the next walls. Four complex coefficients and the offset d are solved for at once, from the normal equations
of all profiles near i on its wall: sums that fall off as exp(-distance / scale).

N points, M samples of a profile, S stretches of walls. Columns of the sums: 0-9 basis by basis
(lower triangle), 10-17 basis by residual, 18-25, 26-33 and 34-41 basis by slope along d, log w and
rho, 42-47 slope by slope (dd, ww, rr, dw, dr, wr), 48-50 slope by residual, 51 squared residuals,
52 samples. Coefficients are complex: their two parts are columns beside each other.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
# ruff: noqa: E501
from __future__ import annotations

import math

import numpy as np
from numba import njit

N_BASIS = 4
N_SUMS = 53
N_FREE = 2 * N_BASIS + 1
QUARTER_PI = math.pi / 4
HALF_ROOT_PI = math.sqrt(math.pi) / 2
TABLE_STEPS = 128
_TABLE_U = np.arange(6 * TABLE_STEPS + 1) / TABLE_STEPS
STEPS = np.array([math.erf(HALF_ROOT_PI * u) for u in _TABLE_U])
BELLS = np.exp(-QUARTER_PI * _TABLE_U**2)
# S.d. of the Gaussian whose error function has the slope of tanh(t / w), over w.
SIGMA_OF_HALF_WIDTH = math.sqrt(2 / math.pi)
# A ferroelastic wall's own line has a s.d. of about a pixel.
LINE_S2 = 1.0
# Walls that cross at more than 60 degrees are no steps along the normal: profiles end before them.
PARALLEL = 0.5


@njit(cache=True, nogil=True)
def sample_profiles(response, base, normal, position, profile, usable):
    """Bilinear samples along the normals, shape (N, M): 0, and not usable, where none is.

    Samples that are not usable beforehand are left out.
    """
    height, width = response.shape
    for i in range(len(base)):
        for k in range(len(position)):
            y = base[i, 0] + position[k] * normal[i, 0]
            x = base[i, 1] + position[k] * normal[i, 1]
            profile[i, k] = 0.0
            if usable[i, k] == 0:
                continue
            usable[i, k] = 0.0
            if y < -0.5 or x < -0.5 or y > height - 0.5 or x > width - 0.5:
                continue
            y = min(max(y, 0.0), height - 1 - 1e-6)
            x = min(max(x, 0.0), width - 1 - 1e-6)
            top, left = int(y), int(x)
            down, across = y - top, x - left
            upper = response[top, left] * (1 - across) + response[top, left + 1] * across
            lower = response[top + 1, left] * (1 - across) + response[top + 1, left + 1] * across
            value = upper * (1 - down) + lower * down
            if math.isfinite(value.real) and math.isfinite(value.imag):
                profile[i, k] = value
                usable[i, k] = 1.0


@njit(cache=True, nogil=True)
def draw_sides(nearest, at, normal, coefficient, rho, half, out):
    """The response before the tip's blur: each pixel as its side of the nearest point of a wall.

    ``nearest`` holds the numbers of points, shape (height, width), as ``out``, which is written.
    """
    height, width = nearest.shape
    for y in range(height):
        for x in range(width):
            i = nearest[y, x]
            t = (y - at[i, 0]) * normal[i, 0] + (x - at[i, 1]) * normal[i, 1]
            if half[i] > 0:
                side = min(max(half[i] - abs(t) + 0.5, 0.0), 1.0)
            else:
                side = min(max(2.0 * t, -1.0), 1.0)
            value = coefficient[i, 0] + coefficient[i, 1] * side
            if rho[i] != 0:
                value *= 1.0 - rho[i] * math.exp(-0.5 * t * t / LINE_S2)
            out[y, x] = value


@njit(cache=True, nogil=True)
def next_walls(at, normal, stretch, point_of_pixel, reach, farthest):
    """Where along the normals the next walls are, and how far the profile can be used.

    Returns
    -------
    t
        Distance to the next wall on the left (< 0) and right, NaN for none, shape (N, 2).
    cut
        Where the wall after that, or one across the profile, takes over, shape (N, 2).
    point
        Which point that wall is at, -1 for none, shape (N, 2).
    """
    n = len(at)
    height, width = point_of_pixel.shape
    t = np.full((n, 2), np.nan)
    cut = np.full((n, 2), reach)
    point = np.full((n, 2), -1, np.int64)
    for i in range(n):
        for side in range(2):
            sign = -1.0 if side == 0 else 1.0
            first = -1
            s = 2.0
            while s <= farthest:
                y = round(at[i, 0] + sign * s * normal[i, 0])
                x = round(at[i, 1] + sign * s * normal[i, 1])
                if y < 0 or x < 0 or y >= height or x >= width:
                    break
                j = point_of_pixel[y, x]
                s += 0.5
                if j < 0 or (stretch[j] == stretch[i] and abs(j - i) < 12 + s):
                    continue
                if first < 0:
                    dot = normal[i, 0] * normal[j, 0] + normal[i, 1] * normal[j, 1]
                    if abs(dot) < PARALLEL:
                        cut[i, side] = min(reach, max(s / 2, 2.0))
                        break
                    apart = (at[j, 0] - at[i, 0]) * normal[j, 0]
                    apart += (at[j, 1] - at[i, 1]) * normal[j, 1]
                    apart *= sign / dot
                    first = j
                    point[i, side] = j
                    t[i, side] = sign * (s if abs(apart - s) > 2.5 else apart)
                elif not (stretch[j] == stretch[first] and abs(j - first) < 12 + s):
                    cut[i, side] = min(reach, (abs(t[i, side]) + s) / 2)
                    break
            if first >= 0 and abs(t[i, side]) >= cut[i, side]:
                t[i, side] = np.nan
    return t, cut, point


@njit(cache=True, nogil=True)
def step_and_bell(u):
    """erf(sqrt(pi) u / 2) and exp(-pi u² / 4), from tables: a sixth of the time, to 1e-5."""
    at = abs(u) * TABLE_STEPS
    k = int(at)
    if k >= len(STEPS) - 1:
        return (1.0 if u > 0 else -1.0), 0.0
    part = at - k
    step = STEPS[k] + part * (STEPS[k + 1] - STEPS[k])
    bell = BELLS[k] + part * (BELLS[k + 1] - BELLS[k])
    return (step if u > 0 else -step), bell


@njit(cache=True, nogil=True)
def step_or_strip(t, half, w):
    """A step, or a strip of half width ``half`` > 0, behind the tip; slopes along t and log w."""
    if half == 0.0:
        u = t / w
        step, bell = step_and_bell(u)
        return step, bell / w, -u * bell
    u, v = (t + half) / w, (t - half) / w
    step, bell = step_and_bell(u)
    other_step, other_bell = step_and_bell(v)
    return (
        0.5 * (step - other_step),
        0.5 * (bell - other_bell) / w,
        -0.5 * (u * bell - v * other_bell),
    )


@njit(cache=True, nogil=True)
def sum_profiles(
    profile, weight, position, centre, width, rho, half, beside, half_beside, coefficient, model,
    sums, out,
):  # fmt: skip
    """The model, shape (N, M), and if ``sums`` those of each profile into ``out``, (N, N_SUMS)."""
    n, m = profile.shape
    phi = np.empty(N_BASIS)
    for i in range(n):
        o = out[i]
        if sums:
            o[:] = 0.0
        w = width[i]
        r = rho[i]
        blur = w * SIGMA_OF_HALF_WIDTH
        line_s2 = LINE_S2 + blur * blur
        line_s = math.sqrt(line_s2)
        turn = 1.0 / (math.sqrt(2.0) * blur * line_s)
        c0, c1, c2, c3 = coefficient[i, 0], coefficient[i, 1], coefficient[i, 2], coefficient[i, 3]
        for k in range(m):
            g = weight[i, k]
            if g == 0:
                continue
            t = position[k] - centre[i]
            phi[0] = 1.0
            phi[1], slope, own_by_w = step_or_strip(t, half[i], w)
            phi[2] = 0.0
            phi[3] = 0.0
            beside_lines = 0.0
            by_w = own_by_w * c1
            for side in range(2):
                if math.isnan(beside[i, side]):
                    continue
                sign = -1.0 if side == 0 else 1.0
                t_side = position[k] - beside[i, side]
                step, _, side_by_w = step_or_strip(t_side, half_beside[i, side], w)
                if half_beside[i, side] == 0.0:
                    phi[2 + side] = 1.0 + sign * step
                    side_by_w *= sign
                    if r != 0:
                        beside_lines += math.exp(-0.5 * t_side * t_side / line_s2) / line_s
                else:
                    phi[2 + side] = step
                by_w += (c2 if side == 0 else c3) * side_by_w
            jd = -slope * c1
            jr = 0j
            left = 1.0
            even = c0 + c2 * phi[2] + c3 * phi[3]
            if r != 0:
                left = 1.0 - r * beside_lines
                line = math.exp(-0.5 * t * t / line_s2) / line_s
                odd = line * math.erf(turn * t)
                odd_slope = -t / line_s2 * odd
                odd_slope += line * turn / HALF_ROOT_PI * math.exp(-turn * turn * t * t)
                jd += r * (-t / line_s2 * line * even + odd_slope * c1)
                jr = -(line * even + odd * c1) * left
                for a in (0, 2, 3):
                    phi[a] *= 1.0 - r * line
                phi[1] -= r * odd
                jd *= left
                by_w *= left
                jr -= beside_lines * (c0 * phi[0] + c1 * phi[1] + c2 * phi[2] + c3 * phi[3])
            seen = left * (c0 * phi[0] + c1 * phi[1] + c2 * phi[2] + c3 * phi[3])
            model[i, k] = seen
            if not sums:
                continue
            res = profile[i, k] - seen
            jw = by_w
            column = 0
            for a in range(N_BASIS):
                if phi[a] == 0.0:  # no next wall within reach: half the time
                    column += a + 1
                    continue
                phi[a] *= left
                for b in range(a + 1):
                    o[column] += g * phi[a] * phi[b]
                    column += 1
            for a in range(N_BASIS):
                if phi[a] == 0.0:
                    continue
                p = g * phi[a]
                o[10 + 2 * a] += p * res.real
                o[11 + 2 * a] += p * res.imag
                o[18 + 2 * a] += p * jd.real
                o[19 + 2 * a] += p * jd.imag
                o[26 + 2 * a] += p * jw.real
                o[27 + 2 * a] += p * jw.imag
                if r != 0:
                    o[34 + 2 * a] += p * jr.real
                    o[35 + 2 * a] += p * jr.imag
            o[42] += g * (jd.real * jd.real + jd.imag * jd.imag)
            o[43] += g * (jw.real * jw.real + jw.imag * jw.imag)
            o[44] += g * (jr.real * jr.real + jr.imag * jr.imag)
            o[45] += g * (jd.real * jw.real + jd.imag * jw.imag)
            o[46] += g * (jd.real * jr.real + jd.imag * jr.imag)
            o[47] += g * (jw.real * jr.real + jw.imag * jr.imag)
            o[48] += g * (jd.real * res.real + jd.imag * res.imag)
            o[49] += g * (jw.real * res.real + jw.imag * res.imag)
            o[50] += g * (jr.real * res.real + jr.imag * res.imag)
            o[51] += g * (res.real * res.real + res.imag * res.imag)
            o[52] += g


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
                            f = step_or_strip(t, halves[h], width[i])[0]
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
    """
    a = np.empty((N_FREE, N_FREE))
    low = np.empty((N_FREE, N_FREE))
    right = np.empty((N_FREE, 3))
    last = N_FREE - 1
    for i in range(len(tied)):
        o = tied[i]
        a[:] = 0.0
        unit = o[0] + 1e-12
        column = 0
        for p in range(N_BASIS):
            for q in range(p + 1):
                for part in range(2):
                    a[2 * p + part, 2 * q + part] = o[column]
                column += 1
        for p in range(2 * N_BASIS):
            a[p, p] += unit * (1e-6 if p < 4 else 1e-4)
            a[last, p] = o[18 + p]
            right[p, 0] = o[10 + p]
            right[p, 1] = o[26 + p]
            right[p, 2] = o[34 + p]
        a[last, last] = 1.0001 * o[42] + 1e-9 * unit
        right[last, 0] = o[48]
        right[last, 1] = o[45]
        right[last, 2] = o[46]
        firm = tie_middle[i] * unit
        a[0, 0] += firm
        a[1, 1] += firm
        off = middle - coefficient[i, 0]
        right[0, 0] += firm * off.real
        right[1, 0] += firm * off.imag
        for side in range(2):
            firm = tie_next[i, side] * unit
            if firm == 0:
                continue
            sign = sign_next[i, side]
            off = sign * coefficient[i, 1] - coefficient[i, 2 + side]
            for part in range(2):
                p, q = 2 + part, 4 + 2 * side + part
                a[p, p] += firm
                a[q, q] += firm
                a[q, p] -= sign * firm
                value = off.real if part == 0 else off.imag
                right[q, 0] += firm * value
                right[p, 0] -= sign * firm * value
        for p in range(N_FREE):
            for q in range(p + 1):
                total = a[p, q]
                for r in range(q):
                    total -= low[p, r] * low[q, r]
                if p == q:
                    low[p, p] = math.sqrt(max(total, 1e-13 * unit))
                else:
                    low[p, q] = total / low[q, q]
            for k in range(3):
                total = right[p, k]
                for r in range(p):
                    total -= low[p, r] * right[r, k]
                right[p, k] = total / low[p, p]
        rest[i, 0] = o[43]
        rest[i, 1] = o[44]
        rest[i, 2] = o[49]
        rest[i, 3] = o[50]
        for p in range(N_FREE):
            rest[i, 0] -= right[p, 1] * right[p, 1]
            rest[i, 1] -= right[p, 2] * right[p, 2]
            rest[i, 2] -= right[p, 1] * right[p, 0]
            rest[i, 3] -= right[p, 2] * right[p, 0]
        variance[i] = 1.0 / (low[last, last] * low[last, last])
        for p in range(last, -1, -1):
            total = right[p, 0]
            for r in range(p + 1, N_FREE):
                total -= low[r, p] * right[r, 0]
            right[p, 0] = total / low[p, p]
        for p in range(N_BASIS):
            step[i, p] = complex(right[2 * p, 0], right[2 * p + 1, 0])
        shift[i] = right[last, 0]

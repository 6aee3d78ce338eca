"""Error bars: the inverse information of a column with its neighbours unknown as well."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator,assignment"
from __future__ import annotations

import math

import numpy as np

from scanseg.atoms._joint_fit import RIDGE, block_means, invert_blocks
from scanseg.atoms._windows import compiled, room_for_tables, tabulate


@compiled
def neighbours(y, x, reach, index, distance2):
    """The nearest columns within reach, at most index.shape[1]; -1 fills the rest."""
    count, most = index.shape
    index[:] = -1
    low_y, low_x = y.min(), x.min()
    down = int((y.max() - low_y) / reach) + 1
    across = int((x.max() - low_x) / reach) + 1
    head = np.full(down * across, -1, np.int64)
    chain = np.empty(count, np.int64)
    for n in range(count):
        cell = int((y[n] - low_y) / reach) * across + int((x[n] - low_x) / reach)
        chain[n] = head[cell]
        head[cell] = n
    for n in range(count):
        a = int((y[n] - low_y) / reach)
        b = int((x[n] - low_x) / reach)
        have = 0
        for i in range(max(a - 1, 0), min(a + 2, down)):
            for j in range(max(b - 1, 0), min(b + 2, across)):
                m = head[i * across + j]
                while m >= 0:
                    d2 = (y[m] - y[n]) ** 2 + (x[m] - x[n]) ** 2
                    if m != n and d2 < reach * reach:
                        have = min(have + 1, most)
                        k = have - 1
                        if index[n, k] >= 0 and distance2[n, k] <= d2:
                            k = -1
                        while k > 0 and distance2[n, k - 1] > d2:
                            index[n, k] = index[n, k - 1]
                            distance2[n, k] = distance2[n, k - 1]
                            k -= 1
                        if k >= 0:
                            index[n, k] = m
                            distance2[n, k] = d2
                    m = chain[m]


@compiled
def _pair_block(weight, a, b, amplitude, top, left, gy, ty, gx, tx, out):
    """Information shared by the (A, y, x) of two columns, row-major 3×3."""
    rows, cols = gy.shape[1], gx.shape[1]
    out[:] = 0.0
    first, last = max(top[a], top[b]), min(top[a], top[b]) + rows
    begin, end = max(left[a], left[b]), min(left[a], left[b]) + cols
    if last <= first or end <= begin:
        return
    ga = gx[a, begin - left[a] : end - left[a]]
    ta = tx[a, begin - left[a] : end - left[a]]
    gb = gx[b, begin - left[b] : end - left[b]]
    tb = tx[b, begin - left[b] : end - left[b]]
    for i in range(first, last):
        line = weight[i, begin:end]
        gg = np.float32(0.0)
        gt = np.float32(0.0)
        tg = np.float32(0.0)
        tt = np.float32(0.0)
        for j in range(len(line)):
            gg += line[j] * ga[j] * gb[j]
            gt += line[j] * ga[j] * tb[j]
            tg += line[j] * ta[j] * gb[j]
            tt += line[j] * ta[j] * tb[j]
        pa, qa = gy[a, i - top[a]], ty[a, i - top[a]]
        pb, qb = gy[b, i - top[b]], ty[b, i - top[b]]
        out[0] += pa * pb * gg
        out[1] += pa * qb * gg
        out[2] += pa * pb * gt
        out[3] += qa * pb * gg
        out[4] += qa * qb * gg
        out[5] += qa * pb * gt
        out[6] += pa * pb * tg
        out[7] += pa * qb * tg
        out[8] += pa * pb * tt
    for i in range(3):
        for j in range(3):
            out[3 * i + j] *= (amplitude[a] if i else 1.0) * (amplitude[b] if j else 1.0)


@compiled
def covariances(weight, y, x, amplitude, kind, sigma, block, reach, most, rows, cols, out):
    """Variances of A, y, x of every column, its neighbours within reach unknown as well.

    The information of a column and its neighbours is assembled and inverted; what lies farther
    away is taken as known. `out` has shape (N, 3).
    """
    count = len(y)
    top, left, gy, ty, gx, tx = room_for_tables(count, rows, cols)
    tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx)
    index = np.empty((count, most), np.int64)
    distance2 = np.empty((count, most))
    neighbours(y, x, reach, index, distance2)
    shared = np.zeros((count, most, 9))
    for n in range(count):
        for k in range(most):
            m = index[n, k]
            if m > n:
                _pair_block(weight, n, m, amplitude, top, left, gy, ty, gx, tx, shared[n, k])
    for n in range(count):
        for k in range(most):
            m = index[n, k]
            if 0 <= m < n:
                back = -1
                for i in range(most):
                    if index[m, i] == n:
                        back = i
                if back < 0:
                    _pair_block(weight, n, m, amplitude, top, left, gy, ty, gx, tx, shared[n, k])
                else:
                    for i in range(3):
                        for j in range(3):
                            shared[n, k, 3 * i + j] = shared[m, back, 3 * j + i]
    matrix = np.empty((3 * most + 3, 3 * most + 3))
    member = np.empty(most + 1, np.int64)
    for n in range(count):
        # own column last, so that its 3×3 corner of the Cholesky factor holds the answer
        size = 0
        for k in range(most):
            if index[n, k] >= 0:
                member[size] = index[n, k]
                size += 1
        member[size] = n
        size += 1
        matrix[: 3 * size, : 3 * size] = 0.0
        for p in range(size):
            a = member[p]
            _put_symmetric(matrix, 3 * p, block[a])
            for k in range(most):
                for q in range(p):
                    if index[a, k] == member[q]:
                        for i in range(3):
                            for j in range(3):
                                matrix[3 * p + i, 3 * q + j] = shared[a, k, 3 * i + j]
        _corner_variance(matrix, 3 * size, out[n])


@compiled
def _put_symmetric(matrix, at, entries):
    matrix[at, at] = entries[0]
    matrix[at + 1, at] = entries[1]
    matrix[at + 2, at] = entries[2]
    matrix[at + 1, at + 1] = entries[3]
    matrix[at + 2, at + 1] = entries[4]
    matrix[at + 2, at + 2] = entries[5]


@compiled
def _corner_variance(matrix, size, out):
    """Diagonal of the last 3×3 block of the inverse, by Cholesky in place; NaN if singular."""
    for i in range(size):
        whole = matrix[i, i]
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not rest > 1e-7 * whole:
                    out[:] = np.nan
                    return
                matrix[i, i] = math.sqrt(rest)
            else:
                matrix[i, j] = rest / matrix[j, j]
    # the inverse of the corner's factor L: variances are the column sums of squares of L^-1
    s = size - 3
    a, b, c = matrix[s, s], matrix[s + 1, s], matrix[s + 2, s]
    d, e, f = matrix[s + 1, s + 1], matrix[s + 2, s + 1], matrix[s + 2, s + 2]
    ia, id_, if_ = 1 / a, 1 / d, 1 / f
    ib = -b * ia * id_
    ie = -e * id_ * if_
    ic = -(c * ia + e * ib) * if_
    out[0] = ia * ia + ib * ib + ic * ic
    out[1] = id_ * id_ + ie * ie
    out[2] = if_ * if_


@compiled
def leverages(weight, y, x, amplitude, kind, sigma, block, rows, cols, out):
    """Share of each pixel's noise that the fit of its columns has swallowed, added to an image."""
    count = len(y)
    top, left, gy, ty, gx, tx = room_for_tables(count, rows, cols)
    tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx)
    inverse = np.empty((count, 6))
    ridge_a, ridge_p = block_means(block)
    invert_blocks(block, RIDGE * ridge_a + 1e-30, RIDGE * ridge_p + 1e-30, inverse)
    for n in range(count):
        a = amplitude[n]
        g, t = gx[n], tx[n]
        for i in range(rows):
            p, q = gy[n, i], ty[n, i] * a
            even = np.float32(
                inverse[n, 0] * p * p + 2 * inverse[n, 1] * p * q + inverse[n, 3] * q * q
            )
            mixed = np.float32(2 * a * p * (inverse[n, 2] * p + inverse[n, 4] * q))
            odd = np.float32(inverse[n, 5] * a * a * p * p)
            w = weight[top[n] + i, left[n] : left[n] + cols]
            line = out[top[n] + i, left[n] : left[n] + cols]
            for j in range(cols):
                line[j] += w[j] * (even * g[j] * g[j] + mixed * g[j] * t[j] + odd * t[j] * t[j])

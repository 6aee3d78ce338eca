"""Kernels of the joint fit: Fisher scoring for all columns of one tile at once.

A tile of the image is modelled as

    mu = background(nodes) + sum_n A_n exp(-((y - y_n)² + (x - x_n)²) / (2 sigma_c²)),

with the background bilinear between nodes a few column spacings apart. Every step solves the joint
normal equations of all positions, amplitudes, background nodes and (if asked for) widths by
conjugate gradients, preconditioned with the 3×3 block of each column. The matrix is never formed:
its product with a vector is one pass that draws the vector as an image and one that gathers it.
Gaussians are separable, so both cost two multiplications a pixel (about 0.1 µs each for a 16×16
window); that is why everything below speaks of rows (`gy`, `ty`) and columns (`gx`, `tx`).

N columns, K rows and L pixels a row of a window, B background nodes, C classes. `t` is the
derivative of `g` with respect to the position. Images are float32: the sums run over a few hundred
pixels, and the data arrive with offset and scale removed.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator,assignment"
from __future__ import annotations

import math

import numpy as np
from numba import njit

_compiled = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nsz"})

# A pixel this many standard deviations above or below its model belongs to a hot or dead pixel, not
# to the noise: one in 5e8 if it were normal. The same number of counts is added (see _weigh).
OUTLIER_Z = 6.0
# A column with this share of the mean information is slowed to half: one whose height is 1 % of the
# others', or that stands outside of the pixels. It changes the way, not the goal.
RIDGE = 1e-4


@_compiled
def tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx):
    """Window corners, Gaussians and their derivatives along both axes, for every column."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(y)):
        top[n] = math.floor(y[n]) - rows // 2 + 1
        left[n] = math.floor(x[n]) - cols // 2 + 1
        precision = 1.0 / sigma[kind[n]] ** 2
        for i in range(rows):
            distance = top[n] + i - y[n]
            gy[n, i] = math.exp(-0.5 * precision * distance * distance)
            ty[n, i] = gy[n, i] * distance * precision
        for j in range(cols):
            distance = left[n] + j - x[n]
            gx[n, j] = math.exp(-0.5 * precision * distance * distance)
            tx[n, j] = gx[n, j] * distance * precision


@_compiled
def draw(image, amplitude, step, top, left, gy, ty, gx, tx):
    """Add sum_n step_n · d mu / d (A, y, x)_n to an image."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(top)):
        a = np.float32(step[n, 0])
        b = np.float32(step[n, 1] * amplitude[n])
        c = np.float32(step[n, 2] * amplitude[n])
        g, t = gx[n], tx[n]
        for i in range(rows):
            line = image[top[n] + i, left[n] : left[n] + cols]
            even = a * gy[n, i] + b * ty[n, i]
            odd = c * gy[n, i]
            for j in range(cols):
                line[j] += even * g[j] + odd * t[j]


@_compiled
def draw_columns(image, amplitude, top, left, gy, gx):
    """Add the columns themselves to an image."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(top)):
        a = np.float32(amplitude[n])
        g = gx[n]
        for i in range(rows):
            line = image[top[n] + i, left[n] : left[n] + cols]
            even = a * gy[n, i]
            for j in range(cols):
                line[j] += even * g[j]


@_compiled
def gather(image, amplitude, top, left, gy, ty, gx, tx, out):
    """Sum image · d mu / d (A, y, x)_n over the window of every column: the transpose of draw."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(top)):
        a = np.float32(0.0)
        b = np.float32(0.0)
        c = np.float32(0.0)
        g, t = gx[n], tx[n]
        for i in range(rows):
            line = image[top[n] + i, left[n] : left[n] + cols]
            even = np.float32(0.0)
            odd = np.float32(0.0)
            for j in range(cols):
                even += line[j] * g[j]
                odd += line[j] * t[j]
            a += even * gy[n, i]
            b += even * ty[n, i]
            c += odd * gy[n, i]
        out[n, 0] = a
        out[n, 1] = b * amplitude[n]
        out[n, 2] = c * amplitude[n]


@_compiled
def gather_blocks(weight, amplitude, top, left, gy, ty, gx, tx, out):
    """Fisher information of each column's (A, y, x): entries AA, Ay, Ax, yy, yx, xx."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(top)):
        aa = np.float32(0.0)
        ay = np.float32(0.0)
        ax = np.float32(0.0)
        yy = np.float32(0.0)
        yx = np.float32(0.0)
        xx = np.float32(0.0)
        g, t = gx[n], tx[n]
        for i in range(rows):
            line = weight[top[n] + i, left[n] : left[n] + cols]
            gg = np.float32(0.0)
            gt = np.float32(0.0)
            tt = np.float32(0.0)
            for j in range(cols):
                gg += line[j] * g[j] * g[j]
                gt += line[j] * g[j] * t[j]
                tt += line[j] * t[j] * t[j]
            p, q = gy[n, i], ty[n, i]
            aa += gg * p * p
            ay += gg * p * q
            yy += gg * q * q
            ax += gt * p * p
            yx += gt * p * q
            xx += tt * p * p
        a = amplitude[n]
        out[n, 0] = aa
        out[n, 1] = ay * a
        out[n, 2] = ax * a
        out[n, 3] = yy * a * a
        out[n, 4] = yx * a * a
        out[n, 5] = xx * a * a


@_compiled
def draw_widths(image, kind, which, sigma, y, x, amplitude, top, left, gy, gx):
    """Add d mu / d ln(sigma) of one class to an image."""
    rows, cols = gy.shape[1], gx.shape[1]
    precision = np.float32(1.0 / sigma[which] ** 2)
    for n in range(len(top)):
        if kind[n] != which:
            continue
        a = np.float32(amplitude[n]) * precision
        along_x = np.float32(left[n] - x[n])
        g = gx[n]
        for i in range(rows):
            line = image[top[n] + i, left[n] : left[n] + cols]
            along_y = np.float32(top[n] + i - y[n])
            scaled = a * gy[n, i]
            for j in range(cols):
                distance = along_x + np.float32(j)
                line[j] += scaled * g[j] * (along_y * along_y + distance * distance)


@_compiled
def draw_background(image, nodes, pitch):
    """Add the bilinear background; node (a, b) sits on pixel (a · pitch, b · pitch)."""
    height, width = image.shape
    across = nodes.shape[1] - 1
    for i in range(height):
        a = i // pitch
        u = np.float32((i - a * pitch) / pitch)
        line = image[i]
        for b in range(across):
            first = (1 - u) * nodes[a, b] + u * nodes[a + 1, b]
            last = (1 - u) * nodes[a, b + 1] + u * nodes[a + 1, b + 1]
            begin = b * pitch
            slope = np.float32((last - first) / pitch)
            level = np.float32(first)
            part = line[begin : min(begin + pitch, width)]
            for j in range(len(part)):
                part[j] += level + slope * np.float32(j)


@_compiled
def gather_background(image, pitch, out):
    """Sum image · d mu / d node: the transpose of draw_background."""
    height, width = image.shape
    across = out.shape[1] - 1
    out[:] = 0.0
    for i in range(height):
        a = i // pitch
        u = (i - a * pitch) / pitch
        line = image[i]
        for b in range(across):
            begin = b * pitch
            part = line[begin : min(begin + pitch, width)]
            total = np.float32(0.0)
            slope = np.float32(0.0)
            for j in range(len(part)):
                total += part[j]
                slope += part[j] * np.float32(j)
            right = slope / pitch
            here = total - right
            out[a, b] += (1 - u) * here
            out[a + 1, b] += u * here
            out[a, b + 1] += (1 - u) * right
            out[a + 1, b + 1] += u * right


@_compiled
def share_amplitudes(nodes, share, y, x, pitch, out):
    """Let the amplitudes make room for a stepping background: out_A -= share · background(n)."""
    for n in range(len(y)):
        a, b = int(y[n] / pitch), int(x[n] / pitch)
        u, v = y[n] / pitch - a, x[n] / pitch - b
        first = (1 - v) * nodes[a, b] + v * nodes[a, b + 1]
        last = (1 - v) * nodes[a + 1, b] + v * nodes[a + 1, b + 1]
        out[n, 0] -= share[n] * ((1 - u) * first + u * last)


@_compiled
def share_gradient(gradient, share, y, x, pitch, out):
    """Transpose of share_amplitudes."""
    for n in range(len(y)):
        a, b = int(y[n] / pitch), int(x[n] / pitch)
        u, v = y[n] / pitch - a, x[n] / pitch - b
        down = gradient[n, 0] * share[n]
        out[a, b] -= down * (1 - u) * (1 - v)
        out[a, b + 1] -= down * (1 - u) * v
        out[a + 1, b] -= down * u * (1 - v)
        out[a + 1, b + 1] -= down * u * v


@_compiled
def gather_level(weight, top, left, gy, gx, out):
    """Sum weight · g over the window of every column."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(top)):
        total = np.float32(0.0)
        g = gx[n]
        for i in range(rows):
            line = weight[top[n] + i, left[n] : left[n] + cols]
            even = np.float32(0.0)
            for j in range(cols):
                even += line[j] * g[j]
            total += even * gy[n, i]
        out[n] = total


@_compiled
def node_band(weight, pitch, y, x, level, share, band):
    """Information of the background nodes once the amplitudes have made room, as a lower band.

    band[i, k] couples node i with node i - k, nodes numbered row by row. What the amplitudes take
    is spread over the cell a column stands in, which keeps the matrix positive definite; it is a
    preconditioner and need not be exact.
    """
    height, width = weight.shape
    across = band.shape[1] - 2  # the band reaches to the node above and to the left
    taken = np.zeros((height // pitch + 1, width // pitch + 1))
    for n in range(len(y)):
        taken[int(y[n] / pitch), int(x[n] / pitch)] += level[n] * share[n]
    band[:] = 0.0
    moment = np.zeros((3, 3))
    for a in range((height + pitch - 1) // pitch):
        for b in range((width + pitch - 1) // pitch):
            moment[:] = 0.0
            for i in range(a * pitch, min((a + 1) * pitch, height)):
                part = weight[i, b * pitch : min((b + 1) * pitch, width)]
                m0 = np.float32(0.0)
                m1 = np.float32(0.0)
                m2 = np.float32(0.0)
                for j in range(len(part)):
                    m0 += part[j]
                    m1 += part[j] * np.float32(j)
                    m2 += part[j] * np.float32(j) * np.float32(j)
                u = (i - a * pitch) / pitch
                for k in range(3):
                    moment[k, 0] += m0 * u**k
                    moment[k, 1] += m1 / pitch * u**k
                    moment[k, 2] += m2 / (pitch * pitch) * u**k
            if moment[0, 0] > 0:
                moment *= min(max(1.0 - taken[a, b] / moment[0, 0], 0.05), 1.0)
                _add_cell(band, across, a, b, moment)


@_compiled
def _add_cell(band, across, a, b, m):
    """Add the products of the four corner functions of a cell, given moments of u^i v^j."""
    along = np.empty((2, 2, 3))  # products of (1 - u, u) as polynomials
    along[0, 0, 0], along[0, 0, 1], along[0, 0, 2] = 1.0, -2.0, 1.0
    along[0, 1, 0], along[0, 1, 1], along[0, 1, 2] = 0.0, 1.0, -1.0
    along[1, 0, 0], along[1, 0, 1], along[1, 0, 2] = 0.0, 1.0, -1.0
    along[1, 1, 0], along[1, 1, 1], along[1, 1, 2] = 0.0, 0.0, 1.0
    for p in range(4):
        for q in range(p + 1):
            total = 0.0
            for i in range(3):
                for j in range(3):
                    total += along[p // 2, q // 2, i] * along[p % 2, q % 2, j] * m[i, j]
            row = (a + p // 2) * across + b + p % 2
            other = (a + q // 2) * across + b + q % 2
            band[row, row - other] += total


@_compiled
def factor_band(band):
    """Cholesky factor of a banded matrix, in place; nodes without data keep a tiny pivot."""
    size, reach = band.shape
    largest = 0.0
    for i in range(size):
        largest = max(largest, band[i, 0])
    for i in range(size):
        diagonal = band[i, 0]
        for k in range(min(reach - 1, i), 0, -1):  # column j = i - k
            j = i - k
            rest = band[i, k]
            for m in range(max(0, i - reach + 1, j - reach + 1), j):
                rest -= band[i, i - m] * band[j, j - m]
            band[i, k] = rest / band[j, 0]
            diagonal -= band[i, k] ** 2
        band[i, 0] = math.sqrt(max(diagonal, 1e-5 * largest + 1e-30))


@_compiled
def solve_band(band, b, out):
    """Solve with the factor; `b` and `out` are matrices of nodes."""
    size, reach = band.shape
    right, z = b.ravel(), out.ravel()
    for i in range(size):
        rest = right[i]
        for k in range(1, min(reach - 1, i) + 1):
            rest -= band[i, k] * z[i - k]
        z[i] = rest / band[i, 0]
    for i in range(size - 1, -1, -1):
        z[i] /= band[i, 0]
        for k in range(1, min(reach - 1, i) + 1):
            z[i - k] -= band[i, k] * z[i]


@_compiled
def cover(mask, y, x, reach):
    """Mark the pixels within `reach` of a column, on a square; the rest is nobody's business."""
    height, width = mask.shape
    for n in range(len(y)):
        first = max(0, math.floor(y[n]) - reach + 1)
        begin = max(0, math.floor(x[n]) - reach + 1)
        for i in range(first, min(height, math.floor(y[n]) + reach + 1)):
            part = mask[i, begin : min(width, math.floor(x[n]) + reach + 1)]
            for j in range(len(part)):
                part[j] = 1


@_compiled
def _weigh(data, used, model, noise, weight, weighted, reject):
    """Weights 1 / v(mu) and weighted residuals; returns the weighted sum of squares.

    v = alpha + beta mu, not below the floor. The outlier limit is OUTLIER_Z sqrt(v) plus OUTLIER_Z
    counts (beta is the size of one), because few counts are skewed: at a mean of 0.5 the limit
    is 10 counts, one pixel in 1e11.
    """
    alpha, beta, floor = np.float32(noise[0]), np.float32(noise[1]), np.float32(noise[2])
    z2 = np.float32(OUTLIER_Z**2)
    extra = np.float32(OUTLIER_Z) * beta
    zero = np.float32(0.0)
    one = np.float32(1.0)
    total = 0.0
    height, width = data.shape
    for i in range(height):
        d, u, m, w, r = data[i], used[i], model[i], weight[i], weighted[i]
        part = zero
        for j in range(width):
            variance = max(alpha + beta * m[j], floor)
            residual = d[j] - m[j]
            beyond = max(abs(residual) - extra, zero)
            keep = one if (not reject or beyond * beyond <= z2 * variance) else zero
            w[j] = u[j] * keep / variance
            r[j] = w[j] * residual
            part += r[j] * residual
        total += part
    return total


@_compiled
def _invert_blocks(block, ridge_a, ridge_p, inverse):
    """Invert the symmetric 3×3 blocks by cofactors, the diagonal raised by the ridge."""
    for n in range(len(block)):
        a = block[n, 0] + ridge_a
        b = block[n, 1]
        c = block[n, 2]
        d = block[n, 3] + ridge_p
        e = block[n, 4]
        f = block[n, 5] + ridge_p
        p = d * f - e * e
        q = c * e - b * f
        r = b * e - c * d
        s = 1.0 / (a * p + b * q + c * r)
        inverse[n, 0] = p * s
        inverse[n, 1] = q * s
        inverse[n, 2] = r * s
        inverse[n, 3] = (a * f - c * c) * s
        inverse[n, 4] = (b * c - a * e) * s
        inverse[n, 5] = (a * d - b * b) * s


@_compiled
def _precondition(inverse, band, width_scale, rc, rb, rw, zc, zb, zw):
    for n in range(len(rc)):
        a, b, c = rc[n, 0], rc[n, 1], rc[n, 2]
        zc[n, 0] = inverse[n, 0] * a + inverse[n, 1] * b + inverse[n, 2] * c
        zc[n, 1] = inverse[n, 1] * a + inverse[n, 3] * b + inverse[n, 4] * c
        zc[n, 2] = inverse[n, 2] * a + inverse[n, 4] * b + inverse[n, 5] * c
    solve_band(band, rb, zb)
    for c in range(len(rw)):
        zw[c, 0] = rw[c, 0] * width_scale[c]
    return _product(rc, zc) + _product(rb, zb) + _product(rw, zw)


@_compiled
def _times_weight(image, weight):
    for i in range(image.shape[0]):
        a, b = image[i], weight[i]
        for j in range(len(a)):
            a[j] *= b[j]


@_compiled
def _dot_images(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        p, q = a[i], b[i]
        part = np.float32(0.0)
        for j in range(len(p)):
            part += p[j] * q[j]
        total += part
    return total


@_compiled
def _add_scaled(image, other, factor):
    f = np.float32(factor)
    for i in range(image.shape[0]):
        a, b = image[i], other[i]
        for j in range(len(a)):
            a[j] += f * b[j]


# Vectors are matrices of one type, and these are functions: every array expression costs up to a
# second of compilation, twenty of them would double what a fresh installation waits for.
@_compiled
def _product(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[i, j]
    return total


@_compiled
def _add(a, factor, b):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] += factor * b[i, j]


@_compiled
def _turn(a, factor, b):
    """Replace a by b + factor · a."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = b[i, j] + factor * a[i, j]


@_compiled
def _clear(a):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = 0


@_compiled
def _means(block):
    """Mean information on amplitudes and on positions."""
    a, p = 0.0, 0.0
    for n in range(len(block)):
        a += block[n, 0]
        p += 0.5 * (block[n, 3] + block[n, 5])
    return a / len(block), p / len(block)


@_compiled
def fit_tile(
    data,  # (h, w) float32
    used,  # (h, w) float32: 1 where a pixel counts, 0 elsewhere
    start_y,  # (N,) float64
    start_x,
    y,  # (N,) float64, changed in place
    x,
    amplitude,
    kind,  # (N,) int64
    core,  # (N,) bool: the columns that must have settled
    sigma,  # (C,) float64, changed in place if the widths are free
    nodes,  # (a, b) float64, changed in place
    pitch,
    noise,  # alpha, beta, floor
    rows,
    cols,
    max_shift,
    width_prior,  # information on ln(sigma) that the start value carries; 0: widths are fixed
    reject,
    least_steps,
    max_steps,
    tolerance,
    max_inner,
):
    """Fit all columns of a tile together.

    Returns
    -------
    model, weight, block, shift, width_information, steps
        Fitted image; weights 1/v; information of each column, (N, 6); the last step of each column
        in units of its error; information on ln(sigma) of each class; number of steps.
    """
    count = len(y)
    start_sigma = sigma.copy()
    n_widths = len(sigma) if width_prior > 0 else 0
    model = np.empty_like(data)
    weight = np.empty_like(data)
    residual = np.empty_like(data)
    scratch = np.empty_like(data)
    slopes = np.zeros((n_widths, data.shape[0], data.shape[1]), np.float32)
    top = np.empty(count, np.int64)
    left = np.empty(count, np.int64)
    gy = np.empty((count, rows), np.float32)
    ty = np.empty((count, rows), np.float32)
    gx = np.empty((count, cols), np.float32)
    tx = np.empty((count, cols), np.float32)
    block = np.zeros((count, 6))
    inverse = np.zeros((count, 6))
    shift = np.zeros(count)
    # residual, direction, preconditioned residual, product, solution of the inner iteration; for
    # columns (c), background nodes (b) and widths (w)
    per_column = np.zeros((5, count, 3))
    per_node = np.zeros((5, nodes.shape[0], nodes.shape[1]))
    per_width = np.zeros((5, n_widths, 1))
    rc, pc, zc, qc, sc = per_column[0], per_column[1], per_column[2], per_column[3], per_column[4]
    rb, pb, zb, qb, sb = per_node[0], per_node[1], per_node[2], per_node[3], per_node[4]
    rw, pw, zw, qw, sw = per_width[0], per_width[1], per_width[2], per_width[3], per_width[4]
    width_information = np.zeros(len(sigma))
    band = np.zeros((nodes.size, nodes.shape[1] + 2))
    level, share, ones = np.zeros(count), np.zeros(count), np.ones(count)
    turned = np.zeros((count, 3))
    width_scale = np.zeros(n_widths)
    steps = 0
    width_step = 0.0
    for step in range(max_steps + 1):
        tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx)
        _clear(model)
        draw_background(model, nodes, pitch)
        draw_columns(model, amplitude, top, left, gy, gx)
        _weigh(data, used, model, noise, weight, residual, reject and step + 3 > least_steps)
        gather_blocks(weight, amplitude, top, left, gy, ty, gx, tx, block)
        still = width_step < 0.01 and _settled(shift, core, tolerance)
        if step == max_steps or (step >= least_steps and still):
            break
        steps += 1

        # right-hand side: the score
        gather(residual, amplitude, top, left, gy, ty, gx, tx, rc)
        gather_background(residual, pitch, rb)
        for c in range(n_widths):
            _clear(slopes[c])
            draw_widths(slopes[c], kind, c, sigma, y, x, amplitude, top, left, gy, gx)
            rw[c, 0] = _dot_images(residual, slopes[c])
            rw[c, 0] -= width_prior * math.log(sigma[c] / start_sigma[c])

        # preconditioner; the ridge only stops what has no information from moving
        ridge_a, ridge_p = _means(block)
        ridge_a, ridge_p = RIDGE * ridge_a + 1e-30, RIDGE * ridge_p + 1e-30
        _invert_blocks(block, ridge_a, ridge_p, inverse)
        _clear(scratch)
        draw_columns(scratch, ones, top, left, gy, gx)
        _times_weight(scratch, weight)
        gather_level(scratch, top, left, gy, gx, share)
        gather_level(weight, top, left, gy, gx, level)
        for n in range(count):
            share[n] = level[n] / share[n] if share[n] > 0 else 0.0
        node_band(weight, pitch, y, x, level, share, band)
        factor_band(band)
        share_gradient(rc, share, y, x, pitch, rb)
        for c in range(n_widths):
            _clear(scratch)
            _add_scaled(scratch, slopes[c], 1.0)
            _times_weight(scratch, weight)
            width_information[c] = _dot_images(scratch, slopes[c])
            width_scale[c] = 1.0 / (width_information[c] + width_prior)

        # conjugate gradients on the joint normal equations
        _clear(sc)
        _clear(sb)
        _clear(sw)
        rho = _precondition(inverse, band, width_scale, rc, rb, rw, zc, zb, zw)
        goal = 1e-3 * rho  # 3 % of a step that is itself 5 % of an error in the end
        _turn(pc, 0.0, zc)
        _turn(pb, 0.0, zb)
        _turn(pw, 0.0, zw)
        for _inner in range(max_inner):
            if rho <= goal:
                break
            _clear(scratch)
            _turn(turned, 0.0, pc)
            share_amplitudes(pb, share, y, x, pitch, turned)
            draw(scratch, amplitude, turned, top, left, gy, ty, gx, tx)
            draw_background(scratch, pb, pitch)
            for c in range(n_widths):
                _add_scaled(scratch, slopes[c], pw[c, 0])
            _times_weight(scratch, weight)
            gather(scratch, amplitude, top, left, gy, ty, gx, tx, qc)
            gather_background(scratch, pitch, qb)
            share_gradient(qc, share, y, x, pitch, qb)
            for c in range(n_widths):
                qw[c, 0] = _dot_images(scratch, slopes[c]) + width_prior * pw[c, 0]
            for n in range(count):
                qc[n, 0] += ridge_a * pc[n, 0]
                qc[n, 1] += ridge_p * pc[n, 1]
                qc[n, 2] += ridge_p * pc[n, 2]
            length = rho / (_product(pc, qc) + _product(pb, qb) + _product(pw, qw))
            _add(sc, length, pc)
            _add(sb, length, pb)
            _add(sw, length, pw)
            _add(rc, -length, qc)
            _add(rb, -length, qb)
            _add(rw, -length, qw)
            new = _precondition(inverse, band, width_scale, rc, rb, rw, zc, zb, zw)
            turn = new / rho
            rho = new
            _turn(pc, turn, zc)
            _turn(pb, turn, zb)
            _turn(pw, turn, zw)

        # the step, bounded: half a width at a time, max_shift from the start altogether
        share_amplitudes(sb, share, y, x, pitch, sc)
        _add(nodes, 1.0, sb)
        width_step = 0.0
        for c in range(n_widths):
            sigma[c] *= math.exp(min(max(sw[c, 0], -0.4), 0.4))
            width_step = max(width_step, abs(sw[c, 0]))
        for n in range(count):
            amplitude[n] += sc[n, 0]
            dy, dx = sc[n, 1], sc[n, 2]
            far = math.sqrt(dy * dy + dx * dx) / (0.5 * sigma[kind[n]])
            if far > 1:
                dy /= far
                dx /= far
            shift[n] = math.sqrt(max(dy * dy * block[n, 3], dx * dx * block[n, 5]))
            y[n] = min(max(y[n] + dy, start_y[n] - max_shift), start_y[n] + max_shift)
            x[n] = min(max(x[n] + dx, start_x[n] - max_shift), start_x[n] + max_shift)
    return model, weight, block, shift, width_information, steps


@_compiled
def _settled(shift, core, tolerance):
    """Whether the last step moved fewer than one column in 500 by more than the tolerance."""
    moving, count = 0, 0
    for n in range(len(shift)):
        count += core[n]
        moving += core[n] and shift[n] > tolerance
    return moving * 500 < count + 250


@_compiled
def judge(
    data, model, weight, y, x, amplitude, kind, sigma, start_y, start_x, rows, cols, chi2, better
):
    """Misfit of every column's window, and whether moving it from its start helped.

    `chi2` becomes the weighted mean square of the residuals; `better` the fall of the weighted sum
    of squares against the column at its start with the best amplitude there, the others as fitted.
    """
    count = len(y)
    top = np.empty(count, np.int64)
    left = np.empty(count, np.int64)
    gy = np.empty((count, rows), np.float32)
    ty = np.empty((count, rows), np.float32)
    gx = np.empty((count, cols), np.float32)
    tx = np.empty((count, cols), np.float32)
    tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx)
    for n in range(count):
        precision = 1.0 / sigma[kind[n]] ** 2
        a = np.float32(amplitude[n])
        g = gx[n]
        for j in range(cols):  # the Gaussian of the start, in the window of the fit
            distance = left[n] + j - start_x[n]
            tx[n, j] = math.exp(-0.5 * precision * distance * distance)
        t = tx[n]
        now = np.float32(0.0)
        bare = np.float32(0.0)
        overlap = np.float32(0.0)
        norm = np.float32(0.0)
        used = np.float32(0.0)
        for i in range(rows):
            distance = top[n] + i - start_y[n]
            h = np.float32(math.exp(-0.5 * precision * distance * distance))
            own = a * gy[n, i]
            d = data[top[n] + i, left[n] : left[n] + cols]
            m = model[top[n] + i, left[n] : left[n] + cols]
            w = weight[top[n] + i, left[n] : left[n] + cols]
            for j in range(cols):
                r = d[j] - m[j]
                without = r + own * g[j]
                s = h * t[j]
                now += w[j] * r * r
                bare += w[j] * without * without
                overlap += w[j] * without * s
                norm += w[j] * s * s
                used += np.float32(1.0) if w[j] > 0 else np.float32(0.0)
        chi2[n] = now / used if used > 0 else np.nan
        better[n] = (bare - overlap * overlap / norm - now) if norm > 0 else 0.0


@_compiled
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


@_compiled
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


@_compiled
def covariances(weight, y, x, amplitude, kind, sigma, block, reach, most, rows, cols, out):
    """Variances of A, y, x of every column, its neighbours within reach unknown as well.

    The information of a column and its neighbours is assembled and inverted; what lies farther
    away is taken as known. `out` has shape (N, 3).
    """
    count = len(y)
    top = np.empty(count, np.int64)
    left = np.empty(count, np.int64)
    gy = np.empty((count, rows), np.float32)
    ty = np.empty((count, rows), np.float32)
    gx = np.empty((count, cols), np.float32)
    tx = np.empty((count, cols), np.float32)
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


@_compiled
def _put_symmetric(matrix, at, entries):
    matrix[at, at] = entries[0]
    matrix[at + 1, at] = entries[1]
    matrix[at + 2, at] = entries[2]
    matrix[at + 1, at + 1] = entries[3]
    matrix[at + 2, at + 1] = entries[4]
    matrix[at + 2, at + 2] = entries[5]


@_compiled
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


@_compiled
def leverages(weight, y, x, amplitude, kind, sigma, block, rows, cols, out):
    """Share of each pixel's noise that the fit of its columns has swallowed, added to an image."""
    count = len(y)
    top = np.empty(count, np.int64)
    left = np.empty(count, np.int64)
    gy = np.empty((count, rows), np.float32)
    ty = np.empty((count, rows), np.float32)
    gx = np.empty((count, cols), np.float32)
    tx = np.empty((count, cols), np.float32)
    tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx)
    inverse = np.empty((count, 6))
    ridge_a, ridge_p = _means(block)
    _invert_blocks(block, RIDGE * ridge_a + 1e-30, RIDGE * ridge_p + 1e-30, inverse)
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


@_compiled
def noise_bins(data, model, weight, leverage, low, high, limit, count, level, square, freedom):
    """Squared residuals, binned by the model: pixels, sum of mu, of r² and of 1 - leverage."""
    bins = len(count)
    scale = bins / (high - low)
    height, width = data.shape
    for i in range(height):
        for j in range(width):
            if weight[i, j] > 0:
                m = model[i, j]
                k = min(max(int((m - low) * scale), 0), bins - 1)
                r = data[i, j] - m
                if r * r <= limit[k]:
                    count[k] += 1
                    level[k] += m
                    square[k] += r * r
                    freedom[k] += 1 - min(leverage[i, j], np.float32(0.9))


@_compiled
def autocorrelation(data, model, weight, lags, out):
    """Sums of z(p) z(p + lag) and the number of pairs, z the standardised residual."""
    height, width = data.shape
    z = np.empty_like(data)
    for i in range(height):
        for j in range(width):
            z[i, j] = (data[i, j] - model[i, j]) * math.sqrt(weight[i, j])
    for k in range(len(lags)):
        dy, dx = lags[k, 0], lags[k, 1]  # dy >= 0
        first, last = max(0, -dx), width - max(0, dx)
        for i in range(height - dy):
            a = z[i, first:last]
            b = z[i + dy, first + dx : last + dx]
            u = weight[i, first:last]
            v = weight[i + dy, first + dx : last + dx]
            total = np.float32(0.0)
            pairs = 0
            for j in range(len(a)):
                total += a[j] * b[j]
                pairs += (u[j] > 0) and (v[j] > 0)
            out[k, 0] += total
            out[k, 1] += pairs

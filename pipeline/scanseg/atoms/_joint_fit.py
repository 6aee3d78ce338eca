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

from scanseg.atoms._band import factor_band, node_band, pull_level, solve_band, stiffen_band
from scanseg.atoms._windows import (
    compiled,
    draw,
    draw_background,
    draw_columns,
    draw_widths,
    gather,
    gather_background,
    gather_blocks,
    gather_level,
    profile,
    room_for_tables,
    share_amplitudes,
    share_gradient,
    tabulate,
)

# A pixel this many standard deviations above or below its model belongs to a hot or dead pixel, not
# to the noise: one in 5e8 if it were normal. The same number of counts is added (see _weigh).
OUTLIER_Z = 6.0
# A column with this share of the mean information is slowed to half: one whose height is 1 % of the
# others', or that stands outside of the pixels. It changes the way, not the goal.
RIDGE = 1e-4
# A step is solved for until this part of its energy is left, a sixth of its length: the next step
# does the rest. Solving to 0.001 takes twice as long and saves no step.
UNSOLVED = 0.03


@compiled
def _weigh(data, used, model, noise, weight, weighted, reject):
    """Weights 1 / v(mu) and weighted residuals; returns the weighted sum of squares.

    v = alpha + beta mu, not below the floor. The outlier limit is OUTLIER_Z sqrt(v) plus OUTLIER_Z
    counts (beta is the size of one), because few counts are skewed: at a mean of 0.5 the limit
    is 10 counts, one pixel in 1e11.
    """
    alpha, beta, floor = np.float32(noise[0]), np.float32(noise[1]), np.float32(noise[2])
    z2 = np.float32(OUTLIER_Z**2 if reject else np.inf)
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
            keep = one if beyond * beyond <= z2 * variance else zero
            w[j] = u[j] * keep / variance
            r[j] = w[j] * residual
            part += r[j] * residual
        total += part
    return total


@compiled
def invert_blocks(block, ridge_a, ridge_p, inverse):
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


@compiled
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


@compiled
def _times_weight(image, weight):
    for i in range(image.shape[0]):
        a, b = image[i], weight[i]
        for j in range(len(a)):
            a[j] *= b[j]


@compiled
def _dot_images(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        p, q = a[i], b[i]
        part = np.float32(0.0)
        for j in range(len(p)):
            part += p[j] * q[j]
        total += part
    return total


@compiled
def _add_scaled(image, other, factor):
    f = np.float32(factor)
    for i in range(image.shape[0]):
        a, b = image[i], other[i]
        for j in range(len(a)):
            a[j] += f * b[j]


# Vectors are matrices of one type, and these are functions: every array expression costs up to a
# second of compilation, twenty of them would double what a fresh installation waits for.
@compiled
def _product(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[i, j]
    return total


@compiled
def _add(a, factor, b):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] += factor * b[i, j]


@compiled
def _turn(a, factor, b):
    """Replace a by b + factor · a."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = b[i, j] + factor * a[i, j]


@compiled
def _clear(a):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = 0


@compiled
def block_means(block):
    """Mean information on amplitudes and on positions."""
    a, p = 0.0, 0.0
    for n in range(len(block)):
        a += block[n, 0]
        p += 0.5 * (block[n, 3] + block[n, 5])
    return a / len(block), p / len(block)


@compiled
def fit_tile(
    data,  # (h, w) float32
    used,  # (h, w) float32: 1 where a pixel counts, 0 elsewhere
    room,  # (4, h, w) float32 to work in; model and weight stay there
    lowest,  # (N, 2) float64: columns stay between these positions (y, x)
    highest,
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
    width_prior,  # information on ln(sigma) that the start value carries; 0: widths are fixed
    usual,  # amplitude that most columns have about,
    hold,  # information that any other has it too,
    stiffness,  # and that neighbouring nodes of the background are alike
    reject,
    least_steps,
    max_steps,
    tolerance,
    max_inner,
):
    """Fit all columns of a tile together.

    Returns
    -------
    block, shift, width_information, steps
        Information of each column, (N, 6); the last step of each column in units of its error;
        information on ln(sigma) of each class; number of steps. The fitted image is room[0], the
        weights 1/v are room[1].
    """
    count = len(y)
    start_sigma = sigma.copy()
    n_widths = len(sigma) if width_prior > 0 else 0
    model, weight, residual, scratch = room[0], room[1], room[2], room[3]
    slopes = np.zeros((n_widths, data.shape[0], data.shape[1]), np.float32)
    top, left, gy, ty, gx, tx = room_for_tables(count, rows, cols)
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
        pull_level(nodes, stiffness, rb)
        for c in range(n_widths):
            _clear(slopes[c])
            draw_widths(slopes[c], kind, c, sigma, y, x, amplitude, top, left, gy, gx)
            rw[c, 0] = _dot_images(residual, slopes[c])
            rw[c, 0] -= width_prior * math.log(sigma[c] / start_sigma[c])
        for n in range(count):
            level[n] = usual - amplitude[n]
        _hold_amplitudes(level, hold, amplitude, kind, rc, rw)

        # preconditioner; the ridge only stops what has no information from moving
        ridge_a, ridge_p = block_means(block)
        ridge_a, ridge_p = RIDGE * ridge_a + 1e-30, RIDGE * ridge_p + 1e-30
        invert_blocks(block, ridge_a + hold, ridge_p, inverse)
        if step < 2:  # a change of variables, and a preconditioner: they may be a little old
            _clear(scratch)
            draw_columns(scratch, ones, top, left, gy, gx)
            _times_weight(scratch, weight)
            gather_level(scratch, top, left, gy, gx, share)
            gather_level(weight, top, left, gy, gx, level)
            for n in range(count):
                share[n] = level[n] / share[n] if share[n] > 0 else 0.0
            node_band(weight, pitch, y, x, level, share, band)
            stiffen_band(stiffness, nodes.shape[1], band)
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
        goal = UNSOLVED * rho
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
            pull_level(pb, -stiffness, qb)
            for c in range(n_widths):
                qw[c, 0] = _dot_images(scratch, slopes[c]) + width_prior * pw[c, 0]
            for n in range(count):
                level[n] = turned[n, 0]
                if n_widths:  # see draw_widths
                    level[n] -= amplitude[n] * pw[kind[n], 0]
            _hold_amplitudes(level, hold, amplitude, kind, qc, qw)
            share_gradient(qc, share, y, x, pitch, qb)
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

        # the step, bounded: half a width at a time
        share_amplitudes(sb, share, y, x, pitch, sc)
        _add(nodes, 1.0, sb)
        width_step = 0.0
        for c in range(n_widths):
            width_step = max(width_step, abs(sw[c, 0]))
            sw[c, 0] = min(max(sw[c, 0], -0.4), 0.4)
            sigma[c] *= math.exp(sw[c, 0])
        for n in range(count):
            amplitude[n] += sc[n, 0]
            if n_widths:  # see draw_widths
                amplitude[n] -= amplitude[n] * sw[kind[n], 0]
            dy, dx = sc[n, 1], sc[n, 2]
            far = math.sqrt(dy * dy + dx * dx) / (0.5 * sigma[kind[n]])
            if far > 1:
                dy /= far
                dx /= far
            shift[n] = math.sqrt(max(dy * dy * block[n, 3], dx * dx * block[n, 5]))
            y[n] = min(max(y[n] + dy, lowest[n, 0]), highest[n, 0])
            x[n] = min(max(x[n] + dx, lowest[n, 1]), highest[n, 1])
    return block, shift, width_information, steps


@compiled
def _hold_amplitudes(change, hold, amplitude, kind, out_c, out_w):
    """Add hold times a change of the amplitudes, which widths change too (see draw_widths)."""
    for n in range(len(change)):
        out_c[n, 0] += hold * change[n]
        if len(out_w):
            out_w[kind[n], 0] -= hold * change[n] * amplitude[n]


@compiled
def _settled(shift, core, tolerance):
    """Whether the last step moved few columns: 1 in 100 by the tolerance, 1 in 1000 by an error."""
    moving, lost, count = 0, 0, 0
    for n in range(len(shift)):
        count += core[n]
        moving += core[n] and shift[n] > tolerance
        lost += core[n] and shift[n] > 1
    return moving * 100 < count + 50 and lost * 1000 < count + 500


@compiled
def judge(
    data, model, weight, y, x, amplitude, kind, sigma, start_y, start_x, rows, cols, chi2, better
):
    """Misfit of every column's window, and whether moving it from its start helped.

    `chi2` becomes the weighted mean square of the residuals; `better` the fall of the weighted sum
    of squares against the column at its start with the best amplitude there, the others as fitted.
    """
    count = len(y)
    top, left, gy, ty, gx, tx = room_for_tables(count, rows, cols)
    tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx)
    hy, hx = np.empty(rows, np.float32), np.empty(cols, np.float32)
    for n in range(count):
        # the Gaussian of the start, in the window of the fit
        precision = 1.0 / sigma[kind[n]] ** 2
        profile(top[n] - start_y[n], precision, hy, ty[n])
        profile(left[n] - start_x[n], precision, hx, tx[n])
        a = np.float32(amplitude[n])
        g = gx[n]
        now = np.float32(0.0)
        bare = np.float32(0.0)
        overlap = np.float32(0.0)
        norm = np.float32(0.0)
        used = np.float32(0.0)
        for i in range(rows):
            own = a * gy[n, i]
            d = data[top[n] + i, left[n] : left[n] + cols]
            m = model[top[n] + i, left[n] : left[n] + cols]
            w = weight[top[n] + i, left[n] : left[n] + cols]
            for j in range(cols):
                r = d[j] - m[j]
                without = r + own * g[j]
                s = hy[i] * hx[j]
                now += w[j] * r * r
                bare += w[j] * without * without
                overlap += w[j] * without * s
                norm += w[j] * s * s
                used += np.float32(1.0) if w[j] > 0 else np.float32(0.0)
        chi2[n] = now / used if used > 0 else np.nan
        better[n] = (bare - overlap * overlap / norm - now) if norm > 0 else 0.0

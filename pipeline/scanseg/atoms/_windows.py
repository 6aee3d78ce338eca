"""The model of a tile as an image: what draws columns and background, and what gathers them back.

Gaussians are separable: `gy` and `gx` run along the rows and columns of a window, `ty` and `tx` are
their derivatives with respect to the position.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator,assignment"
from __future__ import annotations

import math

import numpy as np
from numba import njit

# Divisions that check for zero would not be vectorised: numpy's rules, which give inf.
compiled = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"}
)


@compiled
def room_for_tables(count, rows, cols):
    """What `tabulate` fills: corners, then Gaussians and derivatives along y and along x."""
    return (
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty((count, rows), np.float32),
        np.empty((count, rows), np.float32),
        np.empty((count, cols), np.float32),
        np.empty((count, cols), np.float32),
    )


@compiled
def tabulate(y, x, sigma, kind, top, left, gy, ty, gx, tx):
    """Window corners, Gaussians and their derivatives along both axes, for every column."""
    rows, cols = gy.shape[1], gx.shape[1]
    for n in range(len(y)):
        top[n] = math.floor(y[n]) - rows // 2 + 1
        left[n] = math.floor(x[n]) - cols // 2 + 1
        precision = 1.0 / sigma[kind[n]] ** 2
        profile(top[n] - y[n], precision, gy[n], ty[n])
        profile(left[n] - x[n], precision, gx[n], tx[n])


@compiled
def profile(distance, precision, g, t):
    """Gaussian and derivative at distance, distance + 1, …: from the middle outwards, without exp.

    g(d + 1) / g(d) falls by exp(-precision) a pixel; rounding grows to 1e-13 over 30 pixels.
    """
    middle = min(max(int(-distance), 0), len(g) - 1)
    here = distance + middle
    fall = math.exp(-precision)
    value = math.exp(-0.5 * precision * here * here)
    ratio = math.exp(-precision * (here + 0.5))
    for i in range(middle, len(g)):
        g[i] = value
        t[i] = value * (distance + i) * precision
        value *= ratio
        ratio *= fall
    value = g[middle]
    ratio = math.exp(precision * (here - 0.5))
    for i in range(middle - 1, -1, -1):
        value *= ratio
        ratio *= fall
        g[i] = value
        t[i] = value * (distance + i) * precision


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
def draw_widths(image, kind, which, sigma, y, x, amplitude, top, left, gy, gx):
    """Add d mu / d ln(sigma) of one class to an image, its amplitudes falling as 1 / sigma.

    They do when a fit makes columns wider; without it widths and amplitudes would pull at each
    other.
    """
    rows, cols = gy.shape[1], gx.shape[1]
    precision = np.float32(1.0 / sigma[which] ** 2)
    one = np.float32(1.0)
    for n in range(len(top)):
        if kind[n] != which:
            continue
        along_x = np.float32(left[n] - x[n])
        g = gx[n]
        for i in range(rows):
            line = image[top[n] + i, left[n] : left[n] + cols]
            along_y = np.float32(top[n] + i - y[n])
            level = precision * along_y * along_y - one
            scaled = np.float32(amplitude[n]) * gy[n, i]
            for j in range(cols):
                distance = along_x + np.float32(j)
                line[j] += scaled * g[j] * (level + precision * distance * distance)


@compiled
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


@compiled
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


@compiled
def share_amplitudes(nodes, share, y, x, pitch, out):
    """Let the amplitudes make room for a stepping background: out_A -= share · background(n)."""
    for n in range(len(y)):
        a, b = int(y[n] / pitch), int(x[n] / pitch)
        u, v = y[n] / pitch - a, x[n] / pitch - b
        first = (1 - v) * nodes[a, b] + v * nodes[a, b + 1]
        last = (1 - v) * nodes[a + 1, b] + v * nodes[a + 1, b + 1]
        out[n, 0] -= share[n] * ((1 - u) * first + u * last)


@compiled
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


@compiled
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


@compiled
def standardise(values, contrast, data, used):
    """Divide by the contrast; pixels that are lost or far out of its range count no more.

    A pixel three times as far from the range as the range itself would pull the first step off;
    later steps judge pixels by their noise.
    """
    for i in range(values.shape[0]):
        v, d, u = values[i], data[i], used[i]
        for j in range(len(v)):
            value = v[j] / np.float32(contrast)
            good = abs(value - np.float32(0.5)) <= np.float32(3.0)
            d[j] = value if good else np.float32(0.0)
            u[j] *= np.float32(1.0) if good else np.float32(0.0)


@compiled
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

"""Kernels of a scan drawn from its walls, and blurred as the tip blurs it."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import math

import numpy as np
from numba import njit

from scanseg.walls._sums import LINE_S2


@njit(cache=True, nogil=True)
def draw_sides(nearest, at, normal, coefficient, rho, half, out):
    """The response before the tip's blur: each pixel as its side of the nearest point of a wall.

    ``nearest`` holds the numbers of points, shape (height, width). ``out`` has the real and the
    imaginary part, shape (2, height, width).
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
            out[0, y, x] = value.real
            out[1, y, x] = value.imag


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def blur_planes(planes, sigma, out):
    """Images (P, height, width) behind a Gaussian, cut off at 3 s.d.; borders are continued.

    A third of the time of scipy's, whose filters take one row at a time in double precision.
    """
    n_planes, height, width = planes.shape
    reach = int(3.0 * sigma + 0.5)
    weight = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2).astype(np.float32)
    weight /= weight[0] + 2 * weight[1:].sum()
    row = np.empty(width + 2 * reach, np.float32)
    for p in range(n_planes):
        for y in range(height):
            for x in range(width):
                row[reach + x] = weight[0] * planes[p, y, x]
            for r in range(1, reach + 1):
                above, below = max(y - r, 0), min(y + r, height - 1)
                for x in range(width):
                    row[reach + x] += weight[r] * (planes[p, above, x] + planes[p, below, x])
            for x in range(reach):
                row[x] = row[reach]
                row[reach + width + x] = row[reach + width - 1]
            for x in range(width):
                out[p, y, x] = weight[0] * row[reach + x]
            for r in range(1, reach + 1):
                for x in range(width):
                    out[p, y, x] += weight[r] * (row[reach + x - r] + row[reach + x + r])


@njit(cache=True, nogil=True)
def sample_planes(planes, base, normal, position, usable, profile):
    """Bilinear samples of both parts along the normals, shape (N, M), where they are usable."""
    _, height, width = planes.shape
    for i in range(len(base)):
        for k in range(len(position)):
            profile[i, k] = 0.0
            if usable[i, k] == 0:
                continue
            y = base[i, 0] + position[k] * normal[i, 0]
            x = base[i, 1] + position[k] * normal[i, 1]
            y = min(max(y, 0.0), height - 1 - 1e-6)
            x = min(max(x, 0.0), width - 1 - 1e-6)
            top, left = int(y), int(x)
            down, across = y - top, x - left
            upper = planes[0, top, left] * (1 - across) + planes[0, top, left + 1] * across
            lower = planes[0, top + 1, left] * (1 - across) + planes[0, top + 1, left + 1] * across
            real = upper * (1 - down) + lower * down
            upper = planes[1, top, left] * (1 - across) + planes[1, top, left + 1] * across
            lower = planes[1, top + 1, left] * (1 - across) + planes[1, top + 1, left + 1] * across
            profile[i, k] = complex(real, upper * (1 - down) + lower * down)

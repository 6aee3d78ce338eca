"""Kernels of profiles across walls: N points, M samples each, and the walls next to them."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import math

import numpy as np
from numba import njit

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
def places_beside(blurred, normal, t_next, next_point, out):
    """Where along the normals the next walls are, those moved that have moved, shape (N, 2)."""
    for i in range(len(blurred)):
        for side in range(2):
            out[i, side] = t_next[i, side]
            j = next_point[i, side]
            if j < 0:
                continue
            dot = normal[i, 0] * normal[j, 0] + normal[i, 1] * normal[j, 1]
            if dot != 0:
                out[i, side] += blurred[j] * math.copysign(1.0 / max(abs(dot), 0.5), dot)

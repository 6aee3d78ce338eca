"""Kernels along lines, all lines of a scan in one call.

A scan has 100 lines of 20 points: a call of numpy for each would cost ten times the sums. There are
N points in S lines, (y, x), shape (N, 2), and line s begins at point ``start[s]`` and has
``length[s]`` of them. A closed line has its first point again at its end.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def half_gaussian(sigma, reach):
    """Weights of a Gaussian from its middle to ``reach``, of sum 1 with those of the other half."""
    weight = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weight /= weight[0] + 2 * weight[1:].sum()
    return weight


@njit(cache=True, nogil=True)
def blur_lines(points, closed, start, length, sigma, fewest, cut, out):
    """Lines behind a Gaussian along them, s.d. ``sigma`` in points, (S,); written to ``out``.

    Open lines are reflected through their ends, which stay. Lines with less than ``fewest`` points
    to reflect are left as they are; where ``cut``, the Gaussian of short ones ends as they do.
    """
    for s in range(len(start)):
        first, n = start[s], length[s]
        beyond = min(n - 1, int(4 * sigma[s]) + 1)
        if beyond < fewest:
            out[first : first + n] = points[first : first + n]
            continue
        reach = int(4 * sigma[s] + 0.5)
        if cut:
            reach = min(reach, beyond)
        weight = half_gaussian(sigma[s], reach)
        m = n - 1 if closed[s] else n + 2 * beyond
        longer = np.empty(m + 2 * reach)
        for axis in range(2):
            for j in range(m + 2 * reach):
                at = j - reach
                if closed[s]:
                    longer[j] = points[first + at % m, axis]
                    continue
                while at < 0 or at >= m:  # lines shorter than the blur: turned back once more
                    at = -at - 1 if at < 0 else 2 * m - 1 - at
                at -= beyond
                if at < 0:
                    longer[j] = 2 * points[first, axis] - points[first - at, axis]
                elif at >= n:
                    end = first + n - 1
                    longer[j] = 2 * points[end, axis] - points[2 * end - first - at, axis]
                else:
                    longer[j] = points[first + at, axis]
            for i in range(n):
                centre = (i % m if closed[s] else i + beyond) + reach
                twice = 2 * longer[centre]
                change = 0.0  # exactly 0 on straight lines
                for r in range(1, reach + 1):
                    change += weight[r] * (longer[centre - r] + longer[centre + r] - twice)
                out[first + i, axis] = longer[centre] + change


@njit(cache=True, nogil=True)
def smooth_values(values, closed, start, length, sigma, out):
    """Values (N, V) behind a Gaussian along their lines; beyond open ends the last one goes on."""
    weight = half_gaussian(sigma, int(4 * sigma + 0.5))
    n_columns = values.shape[1]
    for s in range(len(start)):
        n = length[s]
        for i in range(n):
            for c in range(n_columns):
                total = weight[0] * values[start[s] + i, c]
                for r in range(1, len(weight)):
                    behind, ahead = i - r, i + r
                    if closed[s]:
                        behind, ahead = behind % n, ahead % n
                    else:
                        behind, ahead = max(behind, 0), min(ahead, n - 1)
                    total += weight[r] * (
                        values[start[s] + behind, c] + values[start[s] + ahead, c]
                    )
                out[start[s] + i, c] = total


@njit(cache=True, nogil=True)
def lengths_of(points, start, length, out):
    """Length of each line over its points, shape (S,)."""
    for s in range(len(start)):
        out[s] = 0.0
        for i in range(start[s] + 1, start[s] + length[s]):
            out[s] += math.hypot(points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1])


@njit(cache=True, nogil=True)
def space_evenly(points, start, length, way, new_start, new_length, out):
    """``new_length`` points at equal distances along each line of length ``way``."""
    for s in range(len(start)):
        if length[s] < 2:
            out[new_start[s] : new_start[s] + new_length[s]] = points[start[s]]
            continue
        at, last = start[s], start[s] + length[s] - 2
        behind = 0.0
        step = math.hypot(points[at + 1, 0] - points[at, 0], points[at + 1, 1] - points[at, 1])
        apart = way[s] / (new_length[s] - 1)
        for k in range(new_length[s]):
            goal = k * apart
            while behind + step <= goal and at < last:
                behind += step
                at += 1
                step = math.hypot(
                    points[at + 1, 0] - points[at, 0], points[at + 1, 1] - points[at, 1]
                )
            part = min((goal - behind) / step, 1.0) if step > 0 else 0.0
            for axis in range(2):
                out[new_start[s] + k, axis] = points[at, axis] + part * (
                    points[at + 1, axis] - points[at, axis]
                )


@njit(cache=True, nogil=True)
def normals_along(points, closed, start, length, span, out):
    """Unit normals from points ``span`` to both sides, to the right with y downward, (N, 2)."""
    for s in range(len(start)):
        first, n = start[s], length[s]
        period = max(n - 1, 1)
        for i in range(n):
            if closed[s]:
                ahead, behind = (i + span) % period, (i - span) % period
            else:
                ahead, behind = min(i + span, n - 1), max(i - span, 0)
            dy = points[first + ahead, 0] - points[first + behind, 0]
            dx = points[first + ahead, 1] - points[first + behind, 1]
            size = max(math.hypot(dy, dx), 1e-9)
            out[first + i, 0] = dx / size
            out[first + i, 1] = -dy / size


@njit(cache=True, nogil=True)
def sum_sides(image, skeleton, at, normal, distances, other_px, out):
    """Sums (columns 0, 1) and numbers (2, 3) of the pixels on both sides of each point.

    Pixels ``distances`` away along the normals count where they were measured (finite) and no pixel
    of the skeleton is within their distance less ``other_px``: their own wall is the nearest one.
    """
    height, width = image.shape
    out[:] = 0.0
    for i in range(len(at)):
        for side in range(2):
            sign = -1.0 if side == 0 else 1.0
            for distance in distances:
                y = round(at[i, 0] + sign * distance * normal[i, 0])
                x = round(at[i, 1] + sign * distance * normal[i, 1])
                if y < 0 or x < 0 or y >= height or x >= width or not math.isfinite(image[y, x]):
                    continue
                free = distance - other_px
                reach = int(free)
                alone = True
                for v in range(max(y - reach, 0), min(y + reach + 1, height)):
                    for u in range(max(x - reach, 0), min(x + reach + 1, width)):
                        if skeleton[v, u] and (v - y) ** 2 + (u - x) ** 2 <= free * free:
                            alone = False
                if alone:
                    out[i, side] += image[y, x]
                    out[i, side + 2] += 1.0


@njit(cache=True, nogil=True)
def fit_parabola(points, degree, out):
    """Polynomial of degree 1 or 2 through points at equal steps; rms and largest distance."""
    n = len(points)
    mean2 = 0.0
    for i in range(n):
        t = 2.0 * i / (n - 1) - 1.0
        mean2 += t * t / n
    spread2 = 0.0
    for i in range(n):
        t = 2.0 * i / (n - 1) - 1.0
        spread2 += (t * t - mean2) ** 2
    for axis in range(2):
        mean, slope, bend = 0.0, 0.0, 0.0
        for i in range(n):
            t = 2.0 * i / (n - 1) - 1.0
            mean += points[i, axis] / n
            slope += t * points[i, axis] / (mean2 * n)
            if degree == 2:
                bend += (t * t - mean2) * points[i, axis] / spread2
        for i in range(n):
            t = 2.0 * i / (n - 1) - 1.0
            out[i, axis] = mean + slope * t + bend * (t * t - mean2)
    total2, most2 = 0.0, 0.0
    for i in range(n):
        off2 = (out[i, 0] - points[i, 0]) ** 2 + (out[i, 1] - points[i, 1]) ** 2
        total2 += off2
        most2 = max(most2, off2)
    return math.sqrt(total2 / n), math.sqrt(most2)


@njit(cache=True, nogil=True)
def straight_line(points):
    """The straight line through points, from the first to the last, and what is off it.

    Returns
    -------
    y, x, dy, dx
        Mean, and unit vector along the line.
    squares, largest
        Sum of squared distances, and the largest distance.
    """
    n = len(points)
    y, x = 0.0, 0.0
    for i in range(n):
        y += points[i, 0]
        x += points[i, 1]
    y, x = y / n, x / n
    yy, yx, xx = 0.0, 0.0, 0.0
    for i in range(n):
        gap_y, gap_x = points[i, 0] - y, points[i, 1] - x
        yy += gap_y * gap_y
        yx += gap_y * gap_x
        xx += gap_x * gap_x
    angle = 0.5 * math.atan2(2 * yx, xx - yy)
    dy, dx = math.sin(angle), math.cos(angle)
    if dy * (points[n - 1, 0] - points[0, 0]) + dx * (points[n - 1, 1] - points[0, 1]) < 0:
        dy, dx = -dy, -dx
    squares, largest = 0.0, 0.0
    for i in range(n):
        off = abs((points[i, 0] - y) * dx - (points[i, 1] - x) * dy)
        squares += off * off
        largest = max(largest, off)
    return y, x, dy, dx, squares, largest


@njit(cache=True, nogil=True)
def length_of(line, pixel_y, pixel_x):
    """Length of one line."""
    total = 0.0
    for i in range(1, len(line)):
        dy, dx = line[i, 0] - line[i - 1, 0], line[i, 1] - line[i - 1, 1]
        total += math.hypot(dy * pixel_y, dx * pixel_x)
    return total


@njit(cache=True, nogil=True)
def mean_turn(line, closed, span, half):
    """Mean absolute curvature of one line.

    The slope of a straight line through ``2 * half + 1`` directions of chords between points
    ``span`` apart, over the way. A closed line is followed beyond its seam.
    """
    n = len(line) - 1 if closed else len(line)
    n_chords = n + 2 * half if closed else n - span
    direction = np.empty(n_chords)
    way = np.empty(n_chords)
    for i in range(n_chords):
        dy = line[(i + span) % n, 0] - line[i % n, 0]
        dx = line[(i + span) % n, 1] - line[i % n, 1]
        direction[i] = math.atan2(dy, dx)
        way[i] = math.hypot(dy, dx) / span
        if i:
            way[i] += way[i - 1]
            turn = direction[i] - direction[i - 1]
            direction[i] -= 2 * math.pi * math.floor(turn / (2 * math.pi) + 0.5)
    total = 0.0
    for i in range(n_chords - 2 * half):
        turned, went = 0.0, 0.0
        for j in range(2 * half + 1):
            turned += (j - half) * direction[i + j]
            went += (j - half) * way[i + j]
        total += abs(turned) / max(went, 1e-9)
    return total / (n_chords - 2 * half)


@njit(cache=True, nogil=True)
def chord_means(line, span, scale_y, scale_x):
    """Scale across one line, mean over its chords, and the sum of their doubled directions."""
    across, doubled = 0.0, 0.0j
    for i in range(len(line) - span):
        dy = line[i + span, 0] - line[i, 0]
        dx = line[i + span, 1] - line[i, 1]
        across += math.hypot(dy * scale_x, dx * scale_y) / max(math.hypot(dy, dx), 1e-9)
        dy, dx = dy * scale_y, dx * scale_x
        doubled += complex(dx, dy) ** 2 / max(math.hypot(dy, dx), 1e-9)
    return across / (len(line) - span), doubled


@njit(cache=True, nogil=True)
def break_line(points, cost, breaks):
    """Where straight sections best meet: squares across them and ``cost`` a section are least.

    Returns
    -------
    n_breaks
        How many there are, the last one first in ``breaks``. Sections have four points at least,
        and 300 at most.
    """
    n = len(points)
    sums = np.zeros((n + 1, 5))
    for i in range(n):
        y, x = points[i, 0] - points[0, 0], points[i, 1] - points[0, 1]
        sums[i + 1, 0] = sums[i, 0] + y
        sums[i + 1, 1] = sums[i, 1] + x
        sums[i + 1, 2] = sums[i, 2] + y * y
        sums[i + 1, 3] = sums[i, 3] + x * x
        sums[i + 1, 4] = sums[i, 4] + y * x
    least = np.full(n, np.inf)
    least[0] = 0.0
    before = np.zeros(n, np.int64)
    for j in range(1, n):
        for i in range(max(0, j - 300), j):
            if least[i] == np.inf or (j - i < 4 and not (i == 0 and j == n - 1)):
                continue
            m = j - i + 1
            y = (sums[j + 1, 0] - sums[i, 0]) / m
            x = (sums[j + 1, 1] - sums[i, 1]) / m
            yy = sums[j + 1, 2] - sums[i, 2] - m * y * y
            xx = sums[j + 1, 3] - sums[i, 3] - m * x * x
            yx = sums[j + 1, 4] - sums[i, 4] - m * y * x
            across = 0.5 * (yy + xx - math.sqrt((yy - xx) ** 2 + 4 * yx * yx))
            total = least[i] + max(across, 0.0) + cost
            if total < least[j]:
                least[j] = total
                before[j] = i
    count = 0
    at = before[n - 1]
    while at > 0:
        breaks[count] = at
        count += 1
        at = before[at]
    return count


@njit(cache=True, nogil=True)
def lead_to_corners(corner, start, length, normal, offset, farthest, position):
    """Move points along straight stretches, (N, 2), so that these meet again in their corners.

    ``corner`` holds the numbers of stretches that end in one. Stretches whose lines now meet
    ``farthest`` away, or hardly turn, are left.
    """
    for k in corner:
        last, first = start[k] + length[k] - 1, start[k + 1]
        one_y, one_x = normal[last, 0], normal[last, 1]
        other_y, other_x = normal[first, 0], normal[first, 1]
        across = one_y * other_x - one_x * other_y
        if abs(across) < 0.2:
            continue
        y = (offset[last] * other_x - offset[first] * one_x) / across
        x = (offset[first] * one_y - offset[last] * other_y) / across
        if math.hypot(y, x) > farthest:
            continue
        for side in range(2):
            n = length[k + side]
            ny, nx = (one_y, one_x) if side == 0 else (other_y, other_x)
            moved = y * ny + x * nx
            for i in range(n):
                grows = i / n if side == 0 else 1.0 - i / n
                position[start[k + side] + i, 0] += grows * (y - moved * ny)
                position[start[k + side] + i, 1] += grows * (x - moved * nx)

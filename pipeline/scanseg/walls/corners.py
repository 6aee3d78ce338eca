"""Ferroelastic walls as straight sections between corners.

A smoothed line goes round a corner inside of it, by half a pixel and more; two straight lines meet
where the crystal has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Section", "corner_sections", "turned_ring"]

FloatArray = NDArray[np.float64]

# A network's line is off by so much; a corner must explain more than what wavering explains:
# lines that waver by a pixel over 16 leave squares of 32 a section.
WAVER_PX, CORNER_COST = 0.5, 40.0
# Gentler turns are bends.
SMALLEST_TURN_DEG = 30.0
# Sections are led on to their common corner at most so far.
LED_ON_PX = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A part of a wall between two corners or ends, N points.

    Parameters
    ----------
    points
        As they were given, shape (N, 2).
    base
        The straight line through them, as far as the corners, shape (N, 2); None where the part is
        bent.
    corner
        Whether it meets the next section in a corner, which is that one's first base point.
    """

    points: FloatArray
    base: FloatArray | None
    corner: bool


def corner_sections(points: FloatArray) -> list[Section]:
    """Sections of an open line whose points are about a pixel apart."""
    bounds = _bounds(points)
    fits = [
        _straight(points[first : last + 1], inner=(first > 0, last < len(points) - 1))
        for first, last in pairwise(bounds)
    ]
    corners = [
        _meeting(one, other, points[at])
        for one, other, at in zip(fits[:-1], fits[1:], bounds[1:-1], strict=True)
    ]
    sections = []
    for k, fit in enumerate(fits):
        last_one = k == len(fits) - 1
        part = points[bounds[k] : bounds[k + 1] + (1 if last_one else 0)]
        begin = corners[k - 1] if k else None
        end = None if last_one else corners[k]
        base = None
        if fit is not None:
            start = _on(fit, part[0]) if begin is None else begin
            if end is None:
                base = np.linspace(start, _on(fit, part[-1]), len(part))
            else:
                base = np.linspace(start, end, len(part) + 1)[:-1]
        sections.append(Section(part, base, end is not None))
    return sections


def turned_ring(ring: FloatArray) -> FloatArray:
    """A closed line (first point again at its end) that begins at its sharpest corner."""
    points = ring[:-1]
    if len(points) < 12:
        return ring
    ahead, behind = np.roll(points, -4, 0) - points, points - np.roll(points, 4, 0)
    along = (ahead * behind).sum(1) / np.maximum(np.hypot(*ahead.T) * np.hypot(*behind.T), 1e-9)
    points = np.roll(points, -int(along.argmin()), 0)
    return np.concatenate([points, points[:1]])


def _bounds(points: FloatArray) -> list[int]:
    """Numbers of the first point, of those at corners, and of the last one."""
    from scanseg.walls._along import break_line

    breaks = np.empty(len(points), np.int64)
    n_breaks = break_line(points, CORNER_COST * WAVER_PX**2, breaks)
    bounds = [0, *breaks[:n_breaks][::-1].tolist(), len(points) - 1]
    while len(bounds) > 2:
        directions = [_direction(points[first : last + 1]) for first, last in pairwise(bounds)]
        cosine = [float(one @ other) for one, other in pairwise(directions)]
        straightest = int(np.argmax(cosine))
        if cosine[straightest] < np.cos(np.deg2rad(SMALLEST_TURN_DEG)):
            break
        del bounds[straightest + 1]
    return [0, *(at for at in bounds[1:-1] if not _bends(points, bounds, at)), bounds[-1]]


def _bends(points: FloatArray, bounds: list[int], at: int) -> bool:
    """Whether a parabola goes through two sections better than two straight lines."""
    from scanseg.walls._along import fit_parabola

    k = bounds.index(at)
    first, last = bounds[k - 1], bounds[k + 1]
    fit = np.empty((last + 1 - first, 2))
    parabola, _ = fit_parabola(points[first : last + 1], 2, fit)
    squares = [_across(points[first : at + 1]), _across(points[at : last + 1])]
    return bool(parabola < np.sqrt(sum(squares) / len(fit)))


def _across(points: FloatArray) -> float:
    """Sum of squared distances from the straight line through points."""
    from scanseg.walls._along import straight_line

    return float(straight_line(points)[4])


def _direction(points: FloatArray) -> FloatArray:
    """Unit vector along the straight line through points, from the first to the last."""
    from scanseg.walls._along import straight_line

    return np.array(straight_line(points)[2:4])


def _straight(
    points: FloatArray, *, inner: tuple[bool, bool]
) -> tuple[FloatArray, FloatArray] | None:
    """Middle and direction of a straight line, without the points that a corner has rounded."""
    from scanseg.walls._along import straight_line

    first = 1 if inner[0] and len(points) > 5 else 0
    last = -1 if inner[1] and len(points) > 5 else None
    points = points[first:last]
    y, x, dy, dx, squares, largest = straight_line(points)
    if squares > 0.7**2 * len(points) or largest > 1.9:
        return None
    return np.array([y, x]), np.array([dy, dx])


def _meeting(
    one: tuple[FloatArray, FloatArray] | None, other: tuple[FloatArray, FloatArray] | None,
    near: FloatArray,
) -> FloatArray | None:  # fmt: skip
    """Where two straight lines meet, unless that is far from where the line turns."""
    if one is None or other is None:
        return None
    across = one[1][0] * other[1][1] - one[1][1] * other[1][0]
    if abs(across) < 0.2:
        return None
    gap = other[0] - one[0]
    meeting = one[0] + one[1] * (gap[0] * other[1][1] - gap[1] * other[1][0]) / across
    return meeting if float(np.hypot(*(meeting - near))) <= LED_ON_PX else None


def _on(fit: tuple[FloatArray, FloatArray], point: FloatArray) -> FloatArray:
    """The point's foot on a straight line."""
    return np.asarray(fit[0] + ((point - fit[0]) @ fit[1]) * fit[1])

"""Walls cut into stretches with a smooth base line, from which their offsets are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.walls.corners import LED_ON_PX, Section, corner_sections
from scanseg.walls.lines import SPAN, WallLine

__all__ = ["Stretches", "cut_lines"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Ferroelastic walls are cut into pieces that a parabola fits to so much (rms, largest).
STRAIGHT_PX = (0.7, 1.9)
SHORTEST_PIECE_PX = 16


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """P stretches of N points in all, one stretch after the other, walls in their order.

    Parameters
    ----------
    wall
        Number of the wall, shape (P,), as are those that follow.
    start, length
        First point, and how many there are.
    closed
        Whether the stretch ends where it begins.
    straight
        Whether its base is a straight line or a parabola.
    corner
        Whether it meets the next stretch in a corner.
    of
        Number of the stretch of each point, shape (N,), as are those that follow.
    base, normal
        (y, x) of the base line and its unit normals, shape (N, 2).
    expected
        Offsets of the line that the network drew.
    ferroelastic
        Whether the wall is one.
    to_corner
        Points along the stretch to the nearest corner, inf without one.
    """

    wall: IntArray
    start: IntArray
    length: IntArray
    closed: BoolArray
    straight: BoolArray
    corner: BoolArray
    of: IntArray
    base: FloatArray
    normal: FloatArray
    expected: FloatArray
    ferroelastic: BoolArray
    to_corner: FloatArray

    def means(self, values: FloatArray) -> FloatArray:
        """Mean over the points of each stretch, shape (P,)."""
        return np.asarray(np.bincount(self.of, values) / self.length)

    def positions(self, offset: FloatArray) -> FloatArray:
        """(y, x) of points with offsets of shape (N,) from the base; corners meet again."""
        from scanseg.walls._along import lead_to_corners

        at = self.base + offset[:, None] * self.normal
        if self.corner.any():
            lead_to_corners(
                np.flatnonzero(self.corner), self.start, self.length, self.normal, offset,
                LED_ON_PX, at,
            )  # fmt: skip
        return at


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """One stretch: its base line, and the network's line."""

    wall: int
    base: FloatArray
    expected: FloatArray
    closed: bool
    straight: bool
    ferroelastic: bool
    corner: bool = False


def cut_lines(lines: Sequence[WallLine]) -> Stretches:
    """Stretches of walls: straight pieces of ferroelastic ones, 180° walls whole."""
    from scanseg.walls._along import normals_along

    pieces = [piece for k, line in enumerate(lines) for piece in _pieces(k, line)]
    length = np.array([len(piece.base) for piece in pieces])
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    of = np.repeat(np.arange(len(pieces)), length)
    closed = np.array([piece.closed for piece in pieces])
    corner = np.array([piece.corner for piece in pieces])
    base = np.concatenate([piece.base for piece in pieces])
    normal = np.empty_like(base)
    normals_along(base, closed, start, length, SPAN, normal)
    expected = np.concatenate([piece.expected for piece in pieces])
    along = np.arange(len(base)) - start[of]
    before = np.concatenate([[False], corner[:-1]])
    return Stretches(
        wall=np.array([piece.wall for piece in pieces]),
        start=start,
        length=length,
        closed=closed,
        straight=np.array([piece.straight for piece in pieces]),
        corner=corner,
        of=of,
        base=base,
        normal=normal,
        expected=((expected - base) * normal).sum(1),
        ferroelastic=np.array([piece.ferroelastic for piece in pieces])[of],
        to_corner=np.minimum(
            np.where(before[of], along, np.inf), np.where(corner[of], length[of] - along, np.inf)
        ),
    )


def _pieces(wall: int, line: WallLine) -> list[_Piece]:
    points = line.position_px
    if bool(np.bincount(line.class_index).argmax() > 1):
        return [piece for part in corner_sections(points) for piece in _bent_pieces(wall, part)]
    straight = None if line.closed else _parabola(points)
    base = points if straight is None else straight
    return [_Piece(wall, base, points, line.closed, straight is not None, False)]


def _bent_pieces(wall: int, section: Section) -> list[_Piece]:
    """A section whole where it is straight, else cut until a parabola fits."""
    if section.base is not None:
        return [_Piece(wall, section.base, section.points, False, True, True, section.corner)]
    pieces: list[_Piece] = []
    waiting = [section.points]
    while waiting:
        part = waiting.pop()
        straight = _parabola(part)
        if straight is None and len(part) >= SHORTEST_PIECE_PX:
            corner = 5 + int(_off_chord(part)[5:-5].argmax())
            waiting += [part[corner:], part[:corner]]
            continue
        base = part if straight is None else straight
        pieces.append(_Piece(wall, base, part, False, straight is not None, True))
    return pieces


def _parabola(points: FloatArray) -> FloatArray | None:
    """The straight line or parabola through points, if it fits."""
    from scanseg.walls._along import fit_parabola

    for degree in (1, 2):
        if len(points) < 6 * degree:
            return None
        fit = np.empty_like(points)
        rms, largest = fit_parabola(points, degree, fit)
        if rms < STRAIGHT_PX[0] and largest < STRAIGHT_PX[1]:
            return fit
    return None


def _off_chord(points: FloatArray) -> FloatArray:
    """Distance of points from the line through the first and last one."""
    chord = points[-1] - points[0]
    length = float(np.hypot(*chord))
    if length < 2.0:
        return np.asarray(np.hypot(*(points - points[0]).T))
    return np.asarray(np.abs((points - points[0]) @ np.array([chord[1], -chord[0]])) / length)

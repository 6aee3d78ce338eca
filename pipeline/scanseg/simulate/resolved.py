"""Walls as a tip can tell them apart: the two sides of a narrow lamella are one line to it.

A person who labels a scan draws one line along a lamella that is narrower than the tip. A network
that is asked for both of its walls would have to guess the width of what it cannot see.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.simulate.wall_lines import Visible, Wall, contrast_at

__all__ = ["resolved_walls"]

# Closer lines, three pixels wide each, would be one in a class map.
CLOSEST_PX = 4.5
# Blurred by tanh(x / w), the two sides of a strip of width w show 1.6 w apart at least.
CLOSEST_HALF_WIDTHS = 1.0
# A wall with others on both sides belongs to the nearer one if that is nearer by so much.
CLEARLY_NEARER = 1.4
# Two points are a pair when each is the other's nearest, but for the steps between points.
MUTUAL_PX = 2.0
PARALLEL = 0.8
ACROSS = 0.5


def resolved_walls(walls: Sequence[Wall], seen: Visible) -> tuple[Wall, ...]:
    """Walls with narrow pairs drawn together.

    Parameters
    ----------
    walls
        All walls of a scan.
    seen
        What of the response can be seen, without noise.

    Returns
    -------
    resolved
        In the same order. Points of ferroelastic walls that face another one closer than w lie
        half way between the two, with the contrast of the line that both are. Where it cannot be
        said which two belong together (three lines or more side by side), and where ferroelectric
        walls are as close, whose phase does not flip any more, walls stay with a contrast of 0.
    """
    if not walls:
        return ()
    closest_px = max(CLOSEST_PX, CLOSEST_HALF_WIDTHS * seen.half_width_px)
    position = np.concatenate([wall.position_px for wall in walls])
    tangent = np.concatenate([_tangents(wall.position_px) for wall in walls])
    count = [len(wall.position_px) for wall in walls]
    ferroelastic = np.repeat([wall.kind == "ferroelastic" for wall in walls], count)
    paired, clear, partner = _pairs(position, tangent, ferroelastic, closest_px)
    together = paired & clear & ferroelastic
    unclear = paired & ~together
    moved = position.copy()
    moved[together] = (position[together] + position[partner[together]]) / 2
    starts = np.cumsum([0, *count])
    resolved = []
    for wall, start, stop in zip(walls, starts[:-1], starts[1:], strict=True):
        part = slice(start, stop)
        contrast = wall.contrast
        if together[part].any():
            again = contrast_at(moved[part], wall.kind, seen)
            contrast = np.where(together[part], again, contrast)
        contrast = np.where(unclear[part], 0.0, contrast)
        resolved.append(Wall(moved[part], wall.kind, contrast))
    return tuple(resolved)


def _tangents(line: NDArray[np.float64]) -> NDArray[np.float64]:
    n = np.arange(len(line))
    along = line[np.minimum(n + 3, len(line) - 1)] - line[np.maximum(n - 3, 0)]
    return np.asarray(along / np.maximum(np.hypot(*along.T), 1e-9)[:, None])


def _pairs(
    position: NDArray[np.float64], tangent: NDArray[np.float64], kind: NDArray[np.bool_],
    closest_px: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Whether a point faces another one, whether it is clear which, and which: (N,) each."""
    nearest, partners = _facing(position, tangent, kind, closest_px)
    every = np.arange(len(position))
    side = nearest.argmin(0)
    near, far, partner = nearest[side, every], nearest[1 - side, every], partners[side, every]
    paired = np.isfinite(near)
    back = np.hypot(*(position[partner[partner]] - position).T)
    clear = paired & (far >= CLEARLY_NEARER * near) & (back <= MUTUAL_PX)
    return paired, clear & clear[partner], partner


def _facing(
    position: NDArray[np.float64], tangent: NDArray[np.float64], kind: NDArray[np.bool_],
    closest_px: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:  # fmt: skip
    """Distance to the nearest point of a parallel wall on either side, and which: (2, N) each."""
    nearest = np.full((2, len(position)), np.inf)
    partner = np.zeros((2, len(position)), np.int64)
    pairs = cKDTree(position).query_pairs(closest_px, output_type="ndarray")
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    apart = position[other] - position[one]
    distance = np.hypot(*apart.T)
    parallel = np.abs((tangent[one] * tangent[other]).sum(1)) > PARALLEL
    across = np.abs((apart * tangent[one]).sum(1)) < ACROSS * distance
    faces = (kind[one] == kind[other]) & parallel & across & (distance > 1.0)
    one, other, apart, distance = one[faces], other[faces], apart[faces], distance[faces]
    side = (tangent[one, 0] * apart[:, 1] > tangent[one, 1] * apart[:, 0]).astype(int)
    # The nearest is written last.
    order = np.argsort(-distance, kind="stable")
    at = side[order], one[order]
    nearest[at] = distance[order]
    partner[at] = other[order]
    return nearest, partner

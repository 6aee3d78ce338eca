"""Where to measure on walls, and in which order: points for spectroscopy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ScansegError
from scanseg.walls.lengths import steadied
from scanseg.walls.trace import TracedWall

if TYPE_CHECKING:
    from pandas import DataFrame

    from scanseg.walls.result import Walls

__all__ = ["measurement_points", "short_route"]

Points = NDArray[np.float64]  # (y, x), shape (N, 2)
Ends = NDArray[np.float64]  # first and last point of each wall, shape (B, 2, 2)

# Tangents are taken from points so many pixels apart on both sides.
REACH_PX = 3
# Rounds of improvement a wall; three times what 300 random walls took.
ROUNDS_A_WALL = 10


def measurement_points(
    walls: Walls,
    *,
    pixel_size_nm: tuple[float, float] | None,
    every_nm: float | None = None,
    every_px: float | None = None,
    classes: Sequence[str] | None = None,
    edge_px: float = 3.0,
) -> DataFrame:
    """Points on walls in the order of a short way through all of them.

    Parameters
    ----------
    walls
        From :func:`scanseg.trace_walls`.
    pixel_size_nm
        (y, x); None leaves what is in nm empty.
    every_nm, every_px
        Distance of points along a wall, one of the two. A wall shorter than it gets one point, in
        its middle.
    classes
        Names of the classes to measure on; all of them by default.
    edge_px
        Points nearer to the border of the scan are left out.

    Returns
    -------
    points
        In the order to visit: ``y_px``, ``x_px``, ``y_nm``, ``x_nm``, ``branch``, ``class``,
        ``tangent_deg`` (direction of the wall from x towards y, which is downward, 0 to 180, in nm
        where these are known), ``probability``. Walls are followed from end to end.

    Raises
    ------
    ScansegError
        Without a distance or with two, or with one in nm for a scan without calibration; for
        classes that do not exist.
    """
    from pandas import DataFrame

    every, scale = _spacing(every_nm, every_px, pixel_size_nm)
    names = walls.branches["class"].to_list()
    unknown = set(classes or ()) - set(names)
    if unknown and names:
        raise ScansegError(
            f"The scan has no walls of class {', '.join(sorted(unknown))}.",
            hint=f"Its walls are of class {', '.join(sorted(set(names)))}.",
        )
    chosen = [n for n, name in enumerate(names) if classes is None or name in classes]
    real_nm = np.array(pixel_size_nm or (1.0, 1.0))
    lines = [walls.lines[n].position_px for n in chosen]
    order, turned = short_route([line * real_nm for line in lines])
    parts = [
        _points(walls.lines[chosen[n]], every, scale, real_nm, reverse=bool(back))
        for n, back in zip(order, turned, strict=True)
    ]
    count = [len(part) for part in parts]
    position, tangent_deg, probability = np.split(
        np.concatenate([np.empty((0, 4)), *parts]), (2, 3), axis=1
    )
    nm = np.array(pixel_size_nm or (np.nan, np.nan))
    branch = np.repeat(np.array([chosen[n] for n in order], int), count)
    table = DataFrame(
        {
            "y_px": position[:, 0],
            "x_px": position[:, 1],
            "y_nm": position[:, 0] * nm[0],
            "x_nm": position[:, 1] * nm[1],
            "branch": branch,
            "class": np.array(names, object)[branch],
            "tangent_deg": tangent_deg[:, 0],
            "probability": probability[:, 0],
        }
    )
    last = np.array(walls.domain_map.shape) - 1
    kept = ((position >= edge_px) & (position <= last - edge_px)).all(1)
    return table.iloc[np.flatnonzero(kept)].reset_index(drop=True)


def short_route(lines: Sequence[Points]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Order of lines, and which to follow backwards, so that the ways between them are short.

    Parameters
    ----------
    lines
        B lines of any unit, shape (N, 2) each.

    Notes
    -----
    Always on to the nearest end; then parts of the route are turned round as long as that shortens
    it (2-opt: Croes, Operations Research 6, 791, 1958).
    """
    if not lines:
        return np.empty(0, np.int64), np.empty(0, bool)
    ends = np.array([line[[0, -1]] for line in lines])
    order, turned = _nearest_next(ends)
    return _untangled(ends, order, turned)


def _spacing(
    every_nm: float | None, every_px: float | None, pixel_size_nm: tuple[float, float] | None
) -> tuple[float, NDArray[np.float64]]:
    """Distance of points, and the unit of its axes in pixels."""
    if (every_nm is None) == (every_px is None):
        raise ScansegError("Points need a distance: either every_nm or every_px.")
    every = every_nm if every_nm is not None else every_px
    assert every is not None
    if not every > 0:
        raise ScansegError(f"Points cannot be {every:g} apart: the distance is above zero.")
    if every_px is not None:
        return every, np.ones(2)
    if pixel_size_nm is None:
        raise ScansegError(
            "The scan has no pixel size, so points cannot be placed by a distance in nm.",
            hint="Give every_px, or the pixel size.",
        )
    return every, np.array(pixel_size_nm)


def _points(
    wall: TracedWall, every: float, scale: NDArray[np.float64], real_nm: NDArray[np.float64],
    *, reverse: bool,
) -> NDArray[np.float64]:  # fmt: skip
    """Position, tangent and probability of the points on a wall, shape (N, 4)."""
    line, probability = wall.position_px, wall.probability
    if reverse:
        line, probability = line[::-1], probability[::-1]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*(np.diff(steadied(line), axis=0) * scale).T))])
    n_steps = int(way[-1] / every)
    at = (way[-1] - n_steps * every) / 2 + every * np.arange(n_steps + 1)
    if wall.start < 0 and n_steps:  # the last point of a ring would be its first
        at = every * np.arange(n_steps)
    n, last = np.arange(len(line)), len(line) - 1
    chord = (line[np.minimum(n + REACH_PX, last)] - line[np.maximum(n - REACH_PX, 0)]) * real_nm
    nearest = np.rint(np.interp(at, way, n)).astype(int)
    tangent_deg = np.rad2deg(np.arctan2(chord[nearest, 0], chord[nearest, 1])) % 180.0
    return np.stack(
        [
            np.interp(at, way, line[:, 0]),
            np.interp(at, way, line[:, 1]),
            tangent_deg,
            probability[nearest],
        ],
        axis=1,
    )


def _nearest_next(ends: Ends) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    order: list[int] = []
    turned: list[bool] = []
    free = np.ones(len(ends), bool)
    here = np.zeros(2)  # scans begin at the origin
    while free.any():
        away = np.hypot(*np.moveaxis(ends - here, 2, 0))
        away[~free] = np.inf
        line, end = np.unravel_index(int(away.argmin()), away.shape)
        order.append(int(line))
        turned.append(bool(end))
        free[line] = False
        here = ends[line, 1 - end]
    return np.array(order), np.array(turned)


def _untangled(
    ends: Ends, order: NDArray[np.int64], turned: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    for _ in range(ROUNDS_A_WALL * len(order)):
        walked = np.where(turned[:, None, None], ends[order][:, ::-1], ends[order])
        first, last = walked[:, 0], walked[:, 1]
        # Turning i to j replaces the ways before i and after j; both ends of the route are free.
        before = np.concatenate([[0.0], np.hypot(*(first[1:] - last[:-1]).T)])
        after = np.append(before[1:], 0.0)
        new_before = _distance(np.roll(last, 1, axis=0), last)
        new_before[0] = 0.0
        new_after = _distance(first, np.roll(first, -1, axis=0))
        new_after[:, -1] = 0.0
        gain = before[:, None] + after[None] - new_before - new_after
        gain[np.tril_indices(len(order), -1)] = 0.0
        i, j = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[i, j] <= 1e-9:
            break
        order[i : j + 1] = order[i : j + 1][::-1]
        turned[i : j + 1] = ~turned[i : j + 1][::-1]
    return order, turned


def _distance(one: Points, other: Points) -> NDArray[np.float64]:
    return np.asarray(np.hypot(*np.moveaxis(one[:, None] - other[None], 2, 0)))

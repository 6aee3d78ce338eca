"""Twins: how far parallel walls are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

    from scanseg.walls.result import Walls

__all__ = ["LamellaPeriod", "lamella_period", "lamella_table"]

Points = NDArray[np.float64]  # (y, x), shape (N, 2)
EMPTY: Points = np.empty((0, 2))

# Directions are taken from points so many pixels to both sides: 0.2 px turn them by 3 degrees.
REACH_PX = 3
# Distances are measured from one point in so many; neighbours have nearly the same.
EVERY = 2
# Nearer points are the wall's own, on another branch or where it bends.
CLOSEST_PX = 2.0
LAMELLA_COLUMNS = (
    "branch", "class", "length_px", "share", "period_px", "period_nm", "duty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LamellaPeriod:
    """Period of the lamellae of a scan, weighted by the length of the walls.

    Parameters
    ----------
    period_px, period_nm
        Median distance over two walls on, of one variant and the other together; NaN where no wall
        has parallel ones on both sides, or without a calibration.
    lower_nm, upper_nm
        Quartiles of the period.
    duty
        Median width of the narrower of the two over the period, 0 to 0.5.
    length_px
        Length of the walls with parallel ones on both sides.
    """

    period_px: float
    period_nm: float
    lower_nm: float
    upper_nm: float
    duty: float
    length_px: float


def lamella_table(
    walls: Walls,
    *,
    pixel_size_nm: tuple[float, float] | None,
    class_name: str = "ferroelastic",
    tolerance_deg: float = 15.0,
    farthest_px: float = 100.0,
) -> DataFrame:
    """Distances of parallel walls, one row a wall that has parallel ones on both sides.

    Parameters
    ----------
    walls
        From :func:`scanseg.trace_walls`.
    pixel_size_nm
        (y, x); None leaves what is in nm empty.
    class_name
        Which walls.
    tolerance_deg
        Walls are parallel that differ in direction by no more.
    farthest_px
        How far apart parallel walls belong together, in (y-) pixels.

    Returns
    -------
    table
        ``branch``, ``class``, ``length_px``, ``share`` (part of the wall with parallel walls on
        both sides), and the medians over that part of ``period_*``, the distance from the
        neighbour on one side to that on the other, and of ``duty``, the smaller of the distances to
        the two over the period.

    Notes
    -----
    Distances are measured along the normals. Next to each other lie an a and a c domain: the period
    of the twins is that of every second wall.
    """
    from pandas import DataFrame

    scale = np.array(pixel_size_nm or (1.0, 1.0))
    chosen = [n for n, name in enumerate(walls.branches["class"]) if name == class_name]
    lines = [walls.lines[n].position_px * scale for n in chosen]
    tangents = [_tangents(line) for line in lines]
    every_line, every_tangent = (
        np.concatenate(lines or [EMPTY]),
        np.concatenate(tangents or [EMPTY]),
    )
    owner = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    rows = []
    for number, n in enumerate(chosen):
        at, along = lines[number][::EVERY], tangents[number][::EVERY]
        others = owner != number
        one, other = _neighbours(
            at, along, every_line[others], every_tangent[others],
            pixel=float(scale.max()), tolerance_deg=tolerance_deg,
            farthest=farthest_px * float(scale[0]),
        )  # fmt: skip
        between = np.isfinite(one) & np.isfinite(other)
        if not between.any():
            continue
        period = one[between] + other[between]
        duty = np.minimum(one, other)[between] / period
        normal = along[between][:, ::-1] / scale  # but for signs
        rows.append(
            {
                "branch": n,
                "class": class_name,
                "length_px": walls.lines[n].length_px,
                "share": float(between.mean()),
                "period_px": float(np.median(period * np.hypot(*normal.T))),
                "period_nm": np.nan if pixel_size_nm is None else float(np.median(period)),
                "duty": float(np.median(duty)),
            }
        )
    return DataFrame(rows, columns=list(LAMELLA_COLUMNS))


def lamella_period(table: DataFrame) -> LamellaPeriod:
    """Summary of a scan.

    Parameters
    ----------
    table
        From :func:`lamella_table`.
    """
    weight = (table["length_px"] * table["share"]).to_numpy(float)

    def quantile(name: str, part: float) -> float:
        return _weighted_quantile(table[name].to_numpy(float), weight, part)

    return LamellaPeriod(
        period_px=quantile("period_px", 0.5),
        period_nm=quantile("period_nm", 0.5),
        lower_nm=quantile("period_nm", 0.25),
        upper_nm=quantile("period_nm", 0.75),
        duty=quantile("duty", 0.5),
        length_px=float(weight.sum()),
    )


def _weighted_quantile(
    values: NDArray[np.float64], weight: NDArray[np.float64], part: float
) -> float:
    if not len(values):
        return float("nan")
    order = np.argsort(values)
    below = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return float(np.interp(part, below, values[order]))


def _tangents(line: Points) -> Points:
    """Unit vectors along a line, shape (N, 2)."""
    n, last = np.arange(len(line)), len(line) - 1
    chord = line[np.minimum(n + REACH_PX, last)] - line[np.maximum(n - REACH_PX, 0)]
    return np.asarray(chord / np.maximum(np.hypot(*chord.T), 1e-9)[:, None])


def _neighbours(
    at: Points, along: Points, others: Points, others_along: Points,
    *, pixel: float, tolerance_deg: float, farthest: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Distance to the nearest parallel wall on either side of N points, inf for none."""
    near = ((others >= at.min(0) - farthest) & (others <= at.max(0) + farthest)).all(1)
    others, others_along = others[near], others_along[near]
    gap = others[None] - at[:, None]
    # Points of a line are up to a pixel apart: a strip of one catches one of them.
    beside = np.abs((gap * along[:, None]).sum(2)) <= 0.6 * pixel
    beside &= np.abs(along @ others_along.T) >= np.cos(np.deg2rad(tolerance_deg))
    across = gap[..., 0] * along[:, None, 1] - gap[..., 1] * along[:, None, 0]
    distance = []
    for side in (across, -across):
        allowed = beside & (side >= CLOSEST_PX * pixel) & (side <= farthest)
        distance.append(np.where(allowed, side, np.inf).min(1, initial=np.inf))
    return distance[0], distance[1]

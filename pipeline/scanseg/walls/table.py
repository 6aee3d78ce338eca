"""Walls as tables: one row a branch, one row a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.walls.lengths import line_length
from scanseg.walls.trace import TracedWall

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["wall_points_table", "walls_table"]

# Curvature and direction are taken from points so many pixels apart: errors of 0.2 px then turn a
# chord by 4 degrees, not by 16.
SPAN = 4
# Directions to each side of a point that tell its curvature.
TURN = 8
# Thinning shortens walls that leave the scan by half of their thickness.
EDGE_PX = 2.5
WALL_COLUMNS = (
    "branch", "class", "length_px", "length_nm", "tortuosity", "curvature_per_nm",
    "orientation_deg", "width_nm", "width_err_nm", "start", "end", "touches_edge", "width_px",
    "width_err_px", "dip", "dip_err", "probability",
)  # fmt: skip


def walls_table(
    walls: Sequence[TracedWall],
    *,
    class_names: Sequence[str],
    shape: tuple[int, int],
    pixel_size_nm: tuple[float, float] | None,
) -> pd.DataFrame:
    """Measures of every wall.

    Parameters
    ----------
    walls
        From :func:`scanseg.walls.trace_lines`.
    class_names
        Names by class index, background first.
    shape
        (height, width) of the scan.
    pixel_size_nm
        (y, x); None leaves what is in nm empty.

    Returns
    -------
    table
        ``length_*`` along the wall, see :func:`scanseg.walls.line_length`; ``tortuosity`` is that
        over the distance of the ends (inf for a closed wall); ``curvature_per_nm`` is the mean of
        its absolute value; ``orientation_deg`` is the mean direction from x towards y (downward), 0
        to 180; ``width_*`` is 2 w of the profile tanh(x / w) or sech²(x / w); ``start`` and ``end``
        are nodes of the graph, -1 for a closed wall; ``dip`` is the smallest amplitude on the wall
        over that beside it; ``probability`` is the mean over its points, each of its own class.
    """
    import pandas as pd

    scale = np.array(pixel_size_nm if pixel_size_nm is not None else (np.nan, np.nan))
    rows = []
    for branch, wall in enumerate(walls):
        line = wall.position_px
        line_nm = line * scale
        length_px, length_nm = wall.length_px, float("nan")
        if pixel_size_nm is not None:
            length_nm = line_length(line, pixel_size=pixel_size_nm)
        apart = float(np.hypot(*((line[-1] - line[0]) * (pixel_size_nm or (1.0, 1.0)))))
        length = length_px if pixel_size_nm is None else length_nm
        to_edge = min(float(line.min()), float((np.array(shape) - 1 - line).min()))
        across_nm, orientation_deg = _across_and_along(line, pixel_size_nm)
        rows.append(
            {
                "branch": branch,
                "class": class_names[wall.main_class],
                "length_px": length_px,
                "length_nm": length_nm,
                "tortuosity": length / apart if apart > 1e-9 else float("inf"),
                "curvature_per_nm": _mean_curvature(line_nm),
                "orientation_deg": orientation_deg,
                "width_nm": 2.0 * wall.half_width_px * across_nm,
                "width_err_nm": 2.0 * wall.half_width_err_px * across_nm,
                "start": wall.start,
                "end": wall.end,
                "touches_edge": to_edge < EDGE_PX,
                "width_px": 2.0 * wall.half_width_px,
                "width_err_px": 2.0 * wall.half_width_err_px,
                "dip": wall.dip,
                "dip_err": wall.dip_err,
                "probability": float(wall.probability.mean()),
            }
        )
    return pd.DataFrame(rows, columns=list(WALL_COLUMNS))


def wall_points_table(
    walls: Sequence[TracedWall],
    *,
    class_names: Sequence[str],
    pixel_size_nm: tuple[float, float] | None,
) -> pd.DataFrame:
    """Every point of every wall, in order along it; parameters as for ``walls_table``.

    ``position_err_px`` is the standard deviation across the wall, empty where only the network
    tells the position.
    """
    import pandas as pd

    scale = np.array(pixel_size_nm if pixel_size_nm is not None else (np.nan, np.nan))
    count = [len(wall.position_px) for wall in walls]
    position = np.concatenate([np.empty((0, 2)), *(wall.position_px for wall in walls)])
    names = np.array(class_names, object)
    classes = np.concatenate([np.empty(0, int), *(wall.class_index for wall in walls)])
    return pd.DataFrame(
        {
            "branch": np.repeat(np.arange(len(walls)), count),
            "point": np.concatenate([np.empty(0, int), *(np.arange(n) for n in count)]),
            "y_px": position[:, 0],
            "x_px": position[:, 1],
            "y_nm": position[:, 0] * scale[0],
            "x_nm": position[:, 1] * scale[1],
            "class": names[classes],
            "probability": np.concatenate([np.empty(0), *(wall.probability for wall in walls)]),
            "position_err_px": np.concatenate(
                [np.empty(0), *(wall.position_err_px for wall in walls)]
            ),
        }
    )


def _mean_curvature(line: NDArray[np.float64]) -> float:
    """Mean absolute curvature: how fast the direction turns with the way.

    The slope of a straight line through ``2 * TURN + 1`` directions, which is exact on circles.
    Errors of 0.2 px leave 0.002 / px on a straight wall, where single turns gave 0.03.
    """
    from scanseg.walls._along import mean_turn

    if len(line) <= 2 * SPAN:
        return float("nan")
    half = min(TURN, (len(line) - SPAN - 1) // 2)
    closed = bool(np.abs(line[-1] - line[0]).max() <= 1e-8 + 1e-5 * np.abs(line[-1]).max())
    return float(mean_turn(line, closed, SPAN, half))


def _across_and_along(
    line: NDArray[np.float64], pixel_size_nm: tuple[float, float] | None
) -> tuple[float, float]:
    """Nanometres a pixel across the wall, the mean over its normals; mean direction in degrees.

    Lines have no sense: angles are doubled before they are averaged.
    """
    from scanseg.walls._along import chord_means

    across, doubled = chord_means(
        line, min(SPAN, len(line) - 1), *map(float, pixel_size_nm or (1.0, 1.0))
    )
    if pixel_size_nm is None:
        across = float("nan")
    return float(across), float(np.rad2deg(np.angle(doubled)) / 2 % 180.0)

"""Walls for programs that draw maps: GeoJSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scanseg.walls.result import Walls

__all__ = ["walls_geojson"]

# Thousandths of a nanometre or of a pixel are below every error bar.
DIGITS = 3


def walls_geojson(walls: Walls, *, pixel_size_nm: tuple[float, float] | None) -> dict[str, Any]:
    """Walls as lines, and their junctions as points.

    Parameters
    ----------
    walls
        From :func:`scanseg.trace_walls`.
    pixel_size_nm
        (y, x); None gives pixels.

    Returns
    -------
    collection
        A GeoJSON FeatureCollection that ``json.dump`` takes. Coordinates are [x, y] with y downward
        and the origin at the centre of pixel (0, 0), in the ``unit`` that the collection and every
        feature state. Lines have ``branch``, ``class``, ``length``, ``width`` and ``width_err``
        (null where it could not be measured); points have ``node`` and ``n_walls``.
    """
    unit = "px" if pixel_size_nm is None else "nm"
    scale = np.array(pixel_size_nm or (1.0, 1.0))
    lines = [
        _feature(
            "LineString",
            _xy(line.position_px * scale),
            {
                "kind": "wall",
                "branch": branch,
                "class": row["class"],
                "length": _number(row[f"length_{unit}"]),
                "width": _number(row[f"width_{unit}"]),
                "width_err": _number(row[f"width_err_{unit}"]),
                "unit": unit,
            },
        )
        for branch, (line, row) in enumerate(
            zip(walls.lines, walls.branches.to_dict("records"), strict=True)
        )
    ]
    junctions = [
        _feature(
            "Point",
            _xy(walls.graph.node_px[node] * scale),
            {
                "kind": "junction",
                "node": int(node),
                "n_walls": int(walls.graph.degree[node]),
                "unit": unit,
            },
        )
        for node in np.flatnonzero(walls.graph.degree > 2)
    ]
    return {
        "type": "FeatureCollection",
        "unit": unit,
        "axes": "x to the right, y downward",
        "features": [*lines, *junctions],
    }


def _feature(kind: str, coordinates: list[Any], properties: dict[str, Any]) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _xy(position: NDArray[np.float64]) -> list[Any]:
    return list(np.round(position[..., ::-1], DIGITS).tolist())


def _number(value: float) -> float | None:
    """A number, or null: JSON knows neither NaN nor infinity."""
    return round(float(value), DIGITS) if math.isfinite(value) else None

"""Digits of the tables of walls, their points and the domains between them."""

from __future__ import annotations

from scanseg.report.tables import TableFormat

__all__ = ["WALL_TABLES"]

# A point of a wall is good to 1e-1 px, a length of many points to 1e-2 px; a pixel has some nm.
_PLACES = {"y_px": 3, "x_px": 3, "y_nm": 2, "x_nm": 2, "probability": 4}
_MEASURES = {
    "length_px": 2,
    "length_nm": 2,
    "tortuosity": 4,
    "orientation_deg": 2,
    "width_px": 3,
    "width_err_px": 3,
    "width_nm": 3,
    "width_err_nm": 3,
    "dip": 4,
    "dip_err": 4,
}
_SIZES = {"area_px": 1, "area_nm2": 1, "perimeter_px": 2, "perimeter_nm": 2}
WALL_TABLES = {
    "walls.csv": TableFormat(_MEASURES),
    "wall_points.csv": TableFormat(_PLACES),
    "domains.csv": TableFormat(_SIZES),
}

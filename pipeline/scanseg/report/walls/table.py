"""Digits of the tables of walls, of the domains between them, and of how walls move."""

from __future__ import annotations

from scanseg.report.tables import TableFormat

__all__ = ["MOTION_TABLES", "WALL_TABLES"]

# A point of a wall is good to 1e-1 px, a length of many points to 1e-2 px; a pixel has some nm.
_PLACES = {
    "y_px": 3,
    "x_px": 3,
    "y_nm": 2,
    "x_nm": 2,
    "probability": 4,
    "position_err_px": 3,
}
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
    "probability": 4,
}
_SIZES = {"area_px": 1, "area_nm2": 1, "perimeter_px": 2, "perimeter_nm": 2}
WALL_TABLES = {
    "walls.csv": TableFormat(_MEASURES),
    "wall_points.csv": TableFormat(_PLACES),
    "domains.csv": TableFormat(_SIZES),
}

_STEPS = {
    "y_px": 3,
    "x_px": 3,
    "normal_y": 4,
    "normal_x": 4,
    "displacement_px": 3,
    "displacement_nm": 2,
    "displacement_err_px": 3,
    "length_px": 2,
    "length_nm": 2,
    "area_nm2": 1,
    "drift_y_px": 3,
    "drift_x_px": 3,
    "drift_err_px": 3,
    "displacement_mean_px": 3,
    "displacement_rms_px": 3,
    "displacement_mean_nm": 2,
    "moved_fraction": 4,
    "pinned_fraction": 4,
    "switched_fraction": 4,
}
MOTION_TABLES = {
    "wall_motion.csv": TableFormat(_STEPS),
    "wall_events.csv": TableFormat(_STEPS),
    "frames.csv": TableFormat(_STEPS),
    "pinned_segments.csv": TableFormat(_STEPS),
}

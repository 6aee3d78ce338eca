"""What a run leaves behind for people and programs: overlays, class maps, tables, a report.

Importing this package loads neither numba nor PIL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.report.atoms.overlay import draw_atoms
    from scanseg.report.atoms.table import ATOM_TABLES
    from scanseg.report.page import images_by_doubt, render_report
    from scanseg.report.png import write_png
    from scanseg.report.review import Review, read_review
    from scanseg.report.tables import (
        TableFormat,
        append_table,
        join_tables,
        write_rows,
        write_table,
    )
    from scanseg.report.walls.lengths import class_lengths
    from scanseg.report.walls.motion import draw_motion
    from scanseg.report.walls.overlay import draw_walls
    from scanseg.report.walls.table import MOTION_TABLES, WALL_TABLES

__all__ = [
    "ATOM_TABLES",
    "MOTION_TABLES",
    "WALL_TABLES",
    "Review",
    "TableFormat",
    "append_table",
    "class_lengths",
    "draw_atoms",
    "draw_motion",
    "draw_walls",
    "images_by_doubt",
    "join_tables",
    "read_review",
    "render_report",
    "write_png",
    "write_rows",
    "write_table",
]

_HOMES = {
    "ATOM_TABLES": "atoms.table",
    "MOTION_TABLES": "walls.table",
    "WALL_TABLES": "walls.table",
    "Review": "review",
    "TableFormat": "tables",
    "append_table": "tables",
    "class_lengths": "walls.lengths",
    "draw_atoms": "atoms.overlay",
    "draw_motion": "walls.motion",
    "draw_walls": "walls.overlay",
    "images_by_doubt": "page",
    "join_tables": "tables",
    "read_review": "review",
    "render_report": "page",
    "write_png": "png",
    "write_rows": "tables",
    "write_table": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.report' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.report.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

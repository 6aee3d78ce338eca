"""What a run leaves behind for people and programs: overlays, class maps, tables, a report."""

from __future__ import annotations

from scanseg.report.atoms import ATOM_TABLES, draw_atoms
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
from scanseg.report.walls import (
    MOTION_TABLES,
    WALL_TABLES,
    class_lengths,
    draw_motion,
    draw_walls,
)

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

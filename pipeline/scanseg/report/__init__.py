"""What a run leaves behind for people and programs: overlays, class maps, tables, a report."""

from __future__ import annotations

from scanseg.report.overlay import draw_overlay
from scanseg.report.page import render_report
from scanseg.report.png import write_png
from scanseg.report.review import Review, read_review
from scanseg.report.tables import ATOM_COLUMNS, append_atoms, join_tables, write_rows

__all__ = [
    "ATOM_COLUMNS",
    "Review",
    "append_atoms",
    "draw_overlay",
    "join_tables",
    "read_review",
    "render_report",
    "write_png",
    "write_rows",
]

"""What a run leaves behind for people and programs: overlays, class maps, tables."""

from __future__ import annotations

from scanseg.report.overlay import draw_overlay
from scanseg.report.png import write_png
from scanseg.report.tables import ATOM_COLUMNS, append_atoms, join_tables, write_rows

__all__ = [
    "ATOM_COLUMNS",
    "append_atoms",
    "draw_overlay",
    "join_tables",
    "write_png",
    "write_rows",
]

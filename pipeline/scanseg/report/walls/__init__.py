"""What is drawn, tabulated and told of domain walls."""

from __future__ import annotations

from scanseg.report.walls.lengths import class_lengths, length_text
from scanseg.report.walls.motion import draw_motion
from scanseg.report.walls.overlay import draw_walls
from scanseg.report.walls.table import MOTION_TABLES, WALL_TABLES

__all__ = [
    "MOTION_TABLES",
    "WALL_TABLES",
    "class_lengths",
    "draw_motion",
    "draw_walls",
    "length_text",
]

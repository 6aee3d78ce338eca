"""Domain walls: skeleton, graph, and sub-pixel lines measured on the signal itself."""

from __future__ import annotations

from scanseg.walls.graph import Branch, WallGraph, prune, trace_skeleton
from scanseg.walls.profile import ProfileFit, fit_profiles
from scanseg.walls.table import wall_points_table, walls_table
from scanseg.walls.trace import TracedWall, WallTracing, trace_walls

__all__ = [
    "Branch",
    "ProfileFit",
    "TracedWall",
    "WallGraph",
    "WallTracing",
    "fit_profiles",
    "prune",
    "trace_skeleton",
    "trace_walls",
    "wall_points_table",
    "walls_table",
]

"""Domain walls: skeleton, graph, and sub-pixel lines measured on the signal itself.

Importing this package loads neither pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.walls.classes import split_by_class
    from scanseg.walls.domains import domains_table
    from scanseg.walls.graph import Branch, WallGraph, prune, trace_skeleton
    from scanseg.walls.profile import ProfileFit, fit_profiles
    from scanseg.walls.result import Walls, trace_walls
    from scanseg.walls.table import wall_points_table, walls_table
    from scanseg.walls.trace import TracedWall, WallTracing, trace_lines

__all__ = [
    "Branch",
    "ProfileFit",
    "TracedWall",
    "WallGraph",
    "WallTracing",
    "Walls",
    "domains_table",
    "fit_profiles",
    "prune",
    "split_by_class",
    "trace_lines",
    "trace_skeleton",
    "trace_walls",
    "wall_points_table",
    "walls_table",
]

_HOMES = {
    "Branch": "graph",
    "ProfileFit": "profile",
    "TracedWall": "trace",
    "WallGraph": "graph",
    "WallTracing": "trace",
    "Walls": "result",
    "domains_table": "domains",
    "fit_profiles": "profile",
    "prune": "graph",
    "split_by_class": "classes",
    "trace_lines": "trace",
    "trace_skeleton": "graph",
    "trace_walls": "result",
    "wall_points_table": "table",
    "walls_table": "table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.walls' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.walls.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

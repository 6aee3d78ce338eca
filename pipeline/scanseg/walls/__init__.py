"""Domain walls: skeleton, graph, and sub-pixel lines measured on the signal itself.

Importing this package loads neither pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.walls.classes import split_by_class
    from scanseg.walls.domains import DomainMap, domains_table, map_domains, polarity_fractions
    from scanseg.walls.graph import Branch, WallGraph, prune, trace_skeleton
    from scanseg.walls.perimeter import perimeters
    from scanseg.walls.polarity import phase_axis_deg, signed_response
    from scanseg.walls.profile import ProfileFit, fit_profiles
    from scanseg.walls.result import Walls, trace_walls
    from scanseg.walls.settings import DomainMapping, WallTracing
    from scanseg.walls.table import wall_points_table, walls_table
    from scanseg.walls.trace import TracedWall, trace_lines

__all__ = [
    "Branch",
    "DomainMap",
    "DomainMapping",
    "ProfileFit",
    "TracedWall",
    "WallGraph",
    "WallTracing",
    "Walls",
    "domains_table",
    "fit_profiles",
    "map_domains",
    "perimeters",
    "phase_axis_deg",
    "polarity_fractions",
    "prune",
    "signed_response",
    "split_by_class",
    "trace_lines",
    "trace_skeleton",
    "trace_walls",
    "wall_points_table",
    "walls_table",
]

_HOMES = {
    "Branch": "graph",
    "DomainMap": "domains",
    "DomainMapping": "settings",
    "ProfileFit": "profile",
    "TracedWall": "trace",
    "WallGraph": "graph",
    "WallTracing": "settings",
    "Walls": "result",
    "domains_table": "domains",
    "fit_profiles": "profile",
    "map_domains": "domains",
    "perimeters": "perimeter",
    "phase_axis_deg": "polarity",
    "polarity_fractions": "domains",
    "prune": "graph",
    "signed_response": "polarity",
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

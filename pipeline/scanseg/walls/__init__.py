"""Domain walls: skeleton, graph, and sub-pixel lines measured on the signal itself.

Importing this package loads neither pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.walls.classes import split_by_class
    from scanseg.walls.directions import orientation_rose, wall_lengths
    from scanseg.walls.domains import DomainMap, domains_table, map_domains, polarity_fractions
    from scanseg.walls.geojson import walls_geojson
    from scanseg.walls.graph import Branch, WallGraph, prune, trace_skeleton
    from scanseg.walls.lamellae import LamellaPeriod, lamella_period, lamella_table
    from scanseg.walls.lengths import line_length, steadied
    from scanseg.walls.perimeter import perimeters
    from scanseg.walls.polarity import phase_axis_deg, signed_response
    from scanseg.walls.profile import ProfileFit, fit_profiles
    from scanseg.walls.result import Walls, trace_walls
    from scanseg.walls.roughness import Roughness, wall_roughness
    from scanseg.walls.route import measurement_points, short_route
    from scanseg.walls.settings import DomainMapping, WallTracing
    from scanseg.walls.table import wall_points_table, walls_table
    from scanseg.walls.trace import TracedWall, trace_lines

__all__ = [
    "Branch",
    "DomainMap",
    "DomainMapping",
    "LamellaPeriod",
    "ProfileFit",
    "Roughness",
    "TracedWall",
    "WallGraph",
    "WallTracing",
    "Walls",
    "domains_table",
    "fit_profiles",
    "lamella_period",
    "lamella_table",
    "line_length",
    "map_domains",
    "measurement_points",
    "orientation_rose",
    "perimeters",
    "phase_axis_deg",
    "polarity_fractions",
    "prune",
    "short_route",
    "signed_response",
    "split_by_class",
    "steadied",
    "trace_lines",
    "trace_skeleton",
    "trace_walls",
    "wall_lengths",
    "wall_points_table",
    "wall_roughness",
    "walls_geojson",
    "walls_table",
]

_HOMES = {
    "Branch": "graph",
    "DomainMap": "domains",
    "DomainMapping": "settings",
    "LamellaPeriod": "lamellae",
    "ProfileFit": "profile",
    "Roughness": "roughness",
    "TracedWall": "trace",
    "WallGraph": "graph",
    "WallTracing": "settings",
    "Walls": "result",
    "domains_table": "domains",
    "fit_profiles": "profile",
    "lamella_period": "lamellae",
    "lamella_table": "lamellae",
    "line_length": "lengths",
    "map_domains": "domains",
    "measurement_points": "route",
    "orientation_rose": "directions",
    "perimeters": "perimeter",
    "phase_axis_deg": "polarity",
    "polarity_fractions": "domains",
    "prune": "graph",
    "short_route": "route",
    "signed_response": "polarity",
    "split_by_class": "classes",
    "steadied": "lengths",
    "trace_lines": "trace",
    "trace_skeleton": "graph",
    "trace_walls": "result",
    "wall_lengths": "directions",
    "wall_points_table": "table",
    "wall_roughness": "roughness",
    "walls_geojson": "geojson",
    "walls_table": "table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.walls' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.walls.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

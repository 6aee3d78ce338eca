"""Lattices of atom columns: indices, strain, displacements, defects, rings and pair distributions.

Everything here takes the table of :func:`scanseg.find_atoms` and returns tables; only the geometric
phase, which checks the strain independently, takes an image. Importing this package loads neither
pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.lattice.boundaries import Boundaries, find_boundaries
    from scanseg.lattice.cages import measure_dumbbells, measure_polarisation
    from scanseg.lattice.classes import class_by_intensity, count_agreeing
    from scanseg.lattice.index import Indexing, index_atoms
    from scanseg.lattice.intensity import IntensityGroups, group_by_intensity
    from scanseg.lattice.model import IndexedAtoms, Lattice, lattices_table
    from scanseg.lattice.neighbours import NeighbourGraph, link_neighbours
    from scanseg.lattice.pairs import pair_distribution
    from scanseg.lattice.phase import StrainMaps, geometric_phase
    from scanseg.lattice.rings import Rings, find_rings
    from scanseg.lattice.sites import find_extra_atoms, find_missing_sites
    from scanseg.lattice.strain import measure_strain
    from scanseg.lattice.structure import Labels, label_sites

_HOMES = {
    "Boundaries": "boundaries",
    "IndexedAtoms": "model",
    "Indexing": "index",
    "IntensityGroups": "intensity",
    "Labels": "structure",
    "Lattice": "model",
    "NeighbourGraph": "neighbours",
    "Rings": "rings",
    "StrainMaps": "phase",
    "class_by_intensity": "classes",
    "count_agreeing": "classes",
    "find_boundaries": "boundaries",
    "find_extra_atoms": "sites",
    "find_missing_sites": "sites",
    "find_rings": "rings",
    "geometric_phase": "phase",
    "group_by_intensity": "intensity",
    "index_atoms": "index",
    "label_sites": "structure",
    "lattices_table": "model",
    "link_neighbours": "neighbours",
    "measure_dumbbells": "cages",
    "measure_polarisation": "cages",
    "measure_strain": "strain",
    "pair_distribution": "pairs",
}

__all__ = [
    "Boundaries",
    "IndexedAtoms",
    "Indexing",
    "IntensityGroups",
    "Labels",
    "Lattice",
    "NeighbourGraph",
    "Rings",
    "StrainMaps",
    "class_by_intensity",
    "count_agreeing",
    "find_boundaries",
    "find_extra_atoms",
    "find_missing_sites",
    "find_rings",
    "geometric_phase",
    "group_by_intensity",
    "index_atoms",
    "label_sites",
    "lattices_table",
    "link_neighbours",
    "measure_dumbbells",
    "measure_polarisation",
    "measure_strain",
    "pair_distribution",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.lattice' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.lattice.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Atom columns: found where the network sees them, refined where the detector counted them.

Importing this package loads neither pandas nor numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.atoms.find import Candidates, find_columns
    from scanseg.atoms.refine import RefinedColumns, refine_columns
    from scanseg.atoms.settings import AtomConfig, Detection, Refinement
    from scanseg.atoms.table import find_atom_strips, find_atoms

__all__ = [
    "AtomConfig",
    "Candidates",
    "Detection",
    "RefinedColumns",
    "Refinement",
    "find_atom_strips",
    "find_atoms",
    "find_columns",
    "refine_columns",
]

_HOMES = {
    "AtomConfig": "settings",
    "Candidates": "find",
    "Detection": "settings",
    "RefinedColumns": "refine",
    "Refinement": "settings",
    "find_atom_strips": "table",
    "find_atoms": "table",
    "find_columns": "find",
    "refine_columns": "refine",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.atoms' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.atoms.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

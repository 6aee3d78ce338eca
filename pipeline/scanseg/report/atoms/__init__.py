"""What is drawn, tabulated and told of atoms."""

from __future__ import annotations

from scanseg.report.atoms.overlay import draw_atoms
from scanseg.report.atoms.table import ATOM_TABLES

__all__ = ["ATOM_TABLES", "draw_atoms"]

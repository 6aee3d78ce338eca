"""The columns of one grain, beside the lattice that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scanseg.lattice._cell import Cell
from scanseg.lattice._columns import FloatArray, IntArray, place_columns
from scanseg.lattice.model import IndexedAtoms, Lattice

__all__ = ["GrainView", "SiteLookup", "view_grains"]


@dataclass(frozen=True, slots=True, eq=False)
class GrainView:
    """One grain, M columns; lengths in square pixels.

    Parameters
    ----------
    lattice
        As fitted.
    cell
        The same in square pixels, its origin at the first site of the cell (0, 0).
    rows
        Of the table, shape (M,).
    place
        Measured, shape (M, 2).
    error
        One standard deviation, shape (M, 2); nan where unknown.
    index
        h, k and site, shape (M, 3).
    """

    lattice: Lattice
    cell: Cell
    rows: IntArray
    place: FloatArray
    error: FloatArray
    index: IntArray

    def ideal(self, reference: Lattice | None = None) -> FloatArray:
        """Places relative to the origin, in the own lattice or in another one, shape (M, 2)."""
        return (self.cell if reference is None else square_cell(reference)).at(self.index)


class SiteLookup:
    """Which column is on a site, for sites that lie anywhere.

    Parameters
    ----------
    index
        h, k and site of M columns, shape (M, 3).
    """

    def __init__(self, index: IntArray) -> None:
        self.low = index.min(0)
        self.grid = np.full(index.max(0) - self.low + 1, -1, np.int64)
        self.grid[tuple((index - self.low).T)] = np.arange(len(index))

    def row(self, index: IntArray) -> IntArray:
        """Number among the M columns, -1 for an empty site; index has shape (..., 3)."""
        shifted = index - self.low
        inside = ((shifted >= 0) & (shifted < self.grid.shape)).all(-1)
        found = self.grid[tuple(np.moveaxis(np.where(inside[..., None], shifted, 0), -1, 0))]
        return np.where(inside, found, -1)


def square_cell(lattice: Lattice) -> Cell:
    """Cell of a lattice in square pixels."""
    stretch = lattice.stretch
    return Cell(
        lattice.vectors_px * stretch, lattice.site_px * stretch, lattice.origin_px * stretch
    )


def view_grains(indexed: IndexedAtoms) -> list[GrainView]:
    """All grains of a table of indexed atoms."""
    columns = place_columns(indexed.atoms)
    table = indexed.atoms
    grain = table["grain"].to_numpy(np.int64)
    index = np.stack(
        [
            table["h"].to_numpy(np.int64, na_value=0),
            table["k"].to_numpy(np.int64, na_value=0),
            table["sublattice"].cat.codes.to_numpy(np.int64),
        ],
        axis=1,
    )  # fmt: skip
    views = []
    for lattice in indexed.lattices:
        rows = np.flatnonzero(grain == lattice.grain)
        views.append(
            GrainView(lattice, square_cell(lattice), rows, columns.place[rows],
                      columns.error[rows], index[rows])
        )  # fmt: skip
    return views

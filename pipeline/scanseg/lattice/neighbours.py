"""The graph of neighbouring atoms: bonds, coordination numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from scanseg.lattice._columns import FloatArray, IntArray, PlacedColumns, place_columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["NeighbourGraph", "link_neighbours"]

# The first gap between shells is looked for here, in distances of nearest atoms. Second neighbours
# are at 1.41 in a square lattice, 1.73 in triangular ones and honeycombs.
GAP = (1.12, 1.62)


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourGraph:
    """Which of N atoms are neighbours, E bonds that do not cross.

    Parameters
    ----------
    pairs
        Rows of the two atoms of each bond, shape (E, 2).
    length_px
        In square pixels, shape (E,).
    longest_px
        Atoms farther apart are no neighbours.
    place
        (y, x) of the atoms in square pixels, shape (N, 2).
    stretch
        Square pixels a pixel along (y, x), shape (2,).
    """

    pairs: IntArray
    length_px: FloatArray
    longest_px: float
    place: FloatArray
    stretch: FloatArray

    def coordination(self) -> IntArray:
        """Number of neighbours of each atom, shape (N,)."""
        return np.bincount(self.pairs.ravel(), minlength=len(self.place))

    def table(self, atoms: DataFrame) -> DataFrame:
        """The atoms with ``coordination`` and ``bond_px``, the mean length of their bonds."""
        count = self.coordination()
        total = np.bincount(
            self.pairs.ravel(), np.repeat(self.length_px, 2), minlength=len(self.place)
        )
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return atoms.assign(coordination=count, bond_px=mean)


def link_neighbours(atoms: DataFrame, *, longest_px: float | None = None) -> NeighbourGraph:
    """Link atoms that are neighbours.

    Parameters
    ----------
    atoms
        Of one image.
    longest_px
        Longest bond in square pixels. By default the emptiest place between the first and the
        second shell of distances.

    Notes
    -----
    Bonds are edges of the Delaunay triangulation, so that none cross and rings can be told.
    """
    columns = place_columns(atoms)
    pairs = _delaunay_pairs(columns)
    apart = columns.place[pairs[:, 0]] - columns.place[pairs[:, 1]]
    length = np.hypot(*apart.T)
    limit = longest_px if longest_px is not None else _first_gap(columns)
    kept = length <= limit
    return NeighbourGraph(pairs[kept], length[kept], float(limit), columns.place, columns.stretch)


def _delaunay_pairs(columns: PlacedColumns) -> IntArray:
    """Edges of the triangulation, each once; without a triangle, all pairs."""
    if len(columns) < 2:
        return np.zeros((0, 2), np.int64)
    try:
        corners = Delaunay(columns.place).simplices
    except (QhullError, ValueError):  # fewer than three atoms, or all on one line
        order = np.lexsort(columns.place.T)
        return np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1).astype(np.int64)
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), 1)
    return np.unique(edges.astype(np.int64), axis=0)


def _first_gap(columns: PlacedColumns) -> float:
    """Distance between the first and the second shell."""
    if len(columns) < 2:
        return 0.0
    tree = cKDTree(columns.place)
    nearest = float(np.median(tree.query(columns.place, k=2)[0][:, 1]))
    some = columns.place[:: max(1, len(columns) // 5000)]
    distance = tree.query(some, k=min(13, len(columns)))[0][:, 1:].ravel() / nearest
    edges = np.arange(GAP[0] - 0.1, GAP[1] + 0.1, 0.01)
    middle = 0.5 * (edges[1:] + edges[:-1])
    density = np.histogram(distance, edges)[0] / middle
    # Smoothed over 0.05, by less than any shell is wide.
    kernel = np.exp(-0.5 * (np.arange(-10, 11) / 4.0) ** 2)
    smooth = np.convolve(density, kernel / kernel.sum(), mode="same")
    searched = (middle > GAP[0]) & (middle < GAP[1])
    lowest = smooth[searched].min()
    # Of a wide gap the middle.
    empty = middle[searched][smooth[searched] <= lowest + 0.02 * smooth.max()]
    return float(nearest * np.median(empty))

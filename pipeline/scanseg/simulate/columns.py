"""Atom columns as a scene knows them: where, of what, and how strongly they scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["Columns", "join", "nearest_distance"]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns of a scene, N of them.

    Parameters
    ----------
    position_nm
        Shape (N, 2), (y, x); the origin is the corner of the field of view.
    strength
        Scattering strength, shape (N,): a cross-section in Å2 for dark-field signals.
    species
        Chemical symbols, shape (N,); a column of several elements is named by its strongest.
    """

    position_nm: NDArray[np.float64]
    strength: NDArray[np.float64]
    species: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.position_nm)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Columns:
        """Columns picked by a mask or by indices."""
        return Columns(self.position_nm[which], self.strength[which], self.species[which])

    def moved(self, position_nm: NDArray[np.float64]) -> Columns:
        """The same columns elsewhere."""
        return Columns(position_nm, self.strength, self.species)

    def scaled(self, factor: NDArray[np.float64] | float) -> Columns:
        """The same columns, stronger or weaker."""
        return Columns(self.position_nm, self.strength * factor, self.species)

    @classmethod
    def none(cls) -> Columns:
        """No column at all."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0, "<U4"))


def join(*groups: Columns) -> Columns:
    """All columns of several groups."""
    return Columns(
        np.concatenate([group.position_nm for group in groups]),
        np.concatenate([group.strength for group in groups]),
        np.concatenate([group.species for group in groups]),
    )


def nearest_distance(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each position to its nearest neighbour, shape (N,); inf for a lone one."""
    if len(position) < 2:
        return np.full(len(position), np.inf)
    distance, _ = cKDTree(position).query(position, k=2)
    return np.asarray(distance[:, 1], float)

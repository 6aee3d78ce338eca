"""Atom columns as a scene knows them: where, of what, and how strongly they scatter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["VACANCY", "Columns", "join", "nearest_distance"]

# Species of a site without an atom: it scatters nothing, and is a column to nobody.
VACANCY = "vacancy"


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
        Chemical symbols, shape (N,); a column of several elements is named by its strongest, an
        empty site ``VACANCY``.
    nominal
        Strength in a whole and even crystal, shape (N,): what makes a column heavy or light.
    """

    position_nm: NDArray[np.float64]
    strength: NDArray[np.float64]
    species: NDArray[np.str_]
    nominal: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.position_nm)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Columns:
        """Columns picked by a mask or by indices."""
        return Columns(
            self.position_nm[which], self.strength[which], self.species[which],
            self.nominal[which],
        )  # fmt: skip

    def moved(self, position_nm: NDArray[np.float64]) -> Columns:
        """The same columns elsewhere."""
        return replace(self, position_nm=position_nm)

    def scaled(self, factor: NDArray[np.float64] | float) -> Columns:
        """The same columns, stronger or weaker."""
        return replace(self, strength=self.strength * factor)

    def settled(self) -> Columns:
        """The same columns, whose strengths now are the nominal ones; what scales them is not."""
        return replace(self, nominal=self.strength)

    @classmethod
    def none(cls) -> Columns:
        """No column at all."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0, "<U4"), np.empty(0))


def join(*groups: Columns) -> Columns:
    """All columns of several groups."""
    return Columns(
        np.concatenate([group.position_nm for group in groups]),
        np.concatenate([group.strength for group in groups]),
        np.concatenate([group.species for group in groups]),
        np.concatenate([group.nominal for group in groups]),
    )


def nearest_distance(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each position to its nearest neighbour, shape (N,); inf for a lone one."""
    if len(position) < 2:
        return np.full(len(position), np.inf)
    distance, _ = cKDTree(position).query(position, k=2)
    return np.asarray(distance[:, 1], float)

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
    sublattice
        ``heavy`` or ``light`` beside the other columns of the crystal, shape (N,); empty for a
        column that lies between the two. See :meth:`divided`.
    """

    position_nm: NDArray[np.float64]
    strength: NDArray[np.float64]
    species: NDArray[np.str_]
    sublattice: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.position_nm)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Columns:
        """Columns picked by a mask or by indices."""
        return Columns(
            self.position_nm[which], self.strength[which], self.species[which],
            self.sublattice[which],
        )  # fmt: skip

    def moved(self, position_nm: NDArray[np.float64]) -> Columns:
        """The same columns elsewhere."""
        return replace(self, position_nm=position_nm)

    def scaled(self, factor: NDArray[np.float64] | float) -> Columns:
        """The same columns, stronger or weaker."""
        return replace(self, strength=self.strength * factor)

    def divided(self, border: float) -> Columns:
        """The same columns: heavy above a strength, light below, neither within 10 % of it.

        So a substituted column, or one that lacks atoms, belongs where its strength is.
        """
        between = np.abs(np.log(np.maximum(self.strength, 1e-12) / border)) < np.log(1.1)
        side = np.where(self.strength > border, "heavy", "light")
        return replace(self, sublattice=np.where(between, "", side))

    @classmethod
    def none(cls) -> Columns:
        """No column at all."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0, "<U4"), np.empty(0, "<U5"))


def join(*groups: Columns) -> Columns:
    """All columns of several groups."""
    return Columns(
        np.concatenate([group.position_nm for group in groups]),
        np.concatenate([group.strength for group in groups]),
        np.concatenate([group.species for group in groups]),
        np.concatenate([group.sublattice for group in groups]),
    )


def nearest_distance(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each position to its nearest neighbour, shape (N,); inf for a lone one."""
    if len(position) < 2:
        return np.full(len(position), np.inf)
    distance, _ = cKDTree(position).query(position, k=2)
    return np.asarray(distance[:, 1], float)

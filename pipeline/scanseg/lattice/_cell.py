"""A unit cell while it is being found: vectors, sites, and the bonds between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice._columns import FloatArray, IntArray

__all__ = ["Bonds", "Cell", "reduced", "standard_basis"]


@dataclass(frozen=True, slots=True, eq=False)
class Bonds:
    """Where the neighbours of a site are; S sites with up to B bonds each.

    Parameters
    ----------
    step
        Cells along (a1, a2) and the neighbour's site, shape (S, B, 3).
    vector
        (y, x), shape (S, B, 2); zero where a site has fewer bonds.
    real
        Which of them are bonds, shape (S, B).
    shortest, reach
        Length of the shortest bond, and how far bonds were looked for.
    """

    step: IntArray
    vector: FloatArray
    real: NDArray[np.bool_]
    shortest: float
    reach: float


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A unit cell in square pixels, S sites.

    Parameters
    ----------
    vectors
        a1 and a2 as rows, each (y, x), shape (2, 2).
    site
        Offsets of the sites from the cell's corner, shape (S, 2).
    origin
        Corner of the cell with indices (0, 0), shape (2,).
    """

    vectors: FloatArray
    site: FloatArray
    origin: FloatArray

    @property
    def area(self) -> float:
        """Area of the cell."""
        return float(abs(np.linalg.det(self.vectors)))

    def at(self, index: IntArray) -> FloatArray:
        """Places of (h, k, site), shape (..., 3), relative to the origin."""
        return np.asarray(index[..., :2] @ self.vectors + self.site[index[..., 2]])

    def bonds(self) -> Bonds:
        """Bonds of every site to the sites near it: 8 in a square lattice, 6 in a triangle's."""
        lengths = np.linalg.norm(self.vectors, axis=1)
        reach = float(max(1.1 * lengths.max(), 1.5 * lengths.min()))
        n_sites, span = len(self.site), 3
        grid = np.arange(-span, span + 1)
        steps = np.stack(np.meshgrid(grid, grid, np.arange(n_sites), indexing="ij"), -1)
        steps = steps.reshape(-1, 3)
        vector = self.at(steps)[None] - self.site[:, None]
        length = np.hypot(vector[..., 0], vector[..., 1])
        length[length < 1e-9] = np.inf  # the site itself
        most = int((length <= reach).sum(1).max())
        order = np.argsort(length, axis=1)[:, :most]
        length = np.take_along_axis(length, order, 1)
        real = length <= reach
        chosen = np.take_along_axis(vector, order[..., None], 1) * real[..., None]
        return Bonds(steps[order], chosen, real, float(length.min()), reach)


def reduced(vectors: FloatArray) -> FloatArray:
    """Two shortest vectors of the same lattice (Lagrange and Gauss), shape (2, 2)."""
    first, second = vectors
    for _ in range(100):
        if first @ first > second @ second:
            first, second = second, first
        turns = np.round(first @ second / (first @ first))
        if turns == 0:
            break
        second = second - turns * first
    return np.stack([first, second])


def standard_basis(vectors: FloatArray, *, tolerance: float = 0.02) -> IntArray:
    """How to write the usual basis of a lattice in a given one.

    Of the reduced bases: a2 anticlockwise of a1 as an image is seen, their angle from 90 to 120
    degrees where it can be (else from 60), and a1, where several vectors are equally short, the one
    nearest to the x axis.

    Parameters
    ----------
    vectors
        Any basis, shape (2, 2).
    tolerance
        Lengths that differ by less than this part are equal.

    Returns
    -------
    turn
        Integers, shape (2, 2), determinant 1 or -1: ``turn @ vectors`` is the basis.
    """
    short = reduced(vectors)
    steps = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)])
    options = steps @ short
    length = np.hypot(*options.T)
    first = options[length < (1 + tolerance) * length.min()]
    # y points down, so anticlockwise on the screen is from +x towards -y.
    area = first[:, None, 0] * options[None, :, 1] - first[:, None, 1] * options[None, :, 0]
    cosine = first @ options.T / (np.linalg.norm(first, axis=1)[:, None] * length)
    valid = (area > 0.5 * abs(np.linalg.det(short))) & (np.abs(cosine) <= 0.5 + 2 * tolerance)
    second = np.where(valid, length, np.inf)
    valid &= second < (1 + tolerance) * second.min()
    # Obtuse before acute, then a1 along +x.
    rank = 10.0 * (cosine <= tolerance) + (first[:, 1] / np.linalg.norm(first, axis=1))[:, None]
    a1, a2 = np.unravel_index(int(np.where(valid, rank, -np.inf).argmax()), rank.shape)
    chosen = np.stack([first[a1], options[a2]])
    return np.asarray(np.round(chosen @ np.linalg.inv(vectors)), np.int64)

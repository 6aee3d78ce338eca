"""Indices spread from a patch over its grain, front by front.

Each column that was indexed predicts where its neighbours are, with the local deformation that the
columns behind the front show, so strain and curvature do not add up to a wrong index. A column
whose neighbourhood does not look like the lattice is taken in but predicts nothing, as border
points in DBSCAN: fronts end at grain boundaries and in amorphous regions instead of leaking through
by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.lattice._cell import Bonds, Cell
from scanseg.lattice._columns import FloatArray, IntArray
from scanseg.lattice._patch import Patch

__all__ = ["Grown", "Limits", "Surroundings", "grow", "surroundings"]

PRIOR = 1.5  # weight of the deformation behind the front, in neighbours one lattice vector away
CONFIDENT = 0.6  # of the neighbourhood as predicted: 6 of 9 in a honeycomb, 3 of 4 in a square


@dataclass(frozen=True, slots=True)
class Limits:
    """What still counts as the same grain.

    Parameters
    ----------
    tolerance
        How far from its predicted place a column may be, in distances of nearest columns.
    bend_rad
        Largest rotation against the patch where the grain began.
    strain
        Largest strain against it.
    """

    tolerance: float
    bend_rad: float
    strain: float


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The K nearest columns of each of N.

    Parameters
    ----------
    row
        Their rows, shape (N, K); N where there are fewer.
    apart
        Vectors to them, shape (N, K, 2); inf where there are fewer.
    low, high
        Corners of what was seen.
    place
        Shape (N, 2).
    """

    row: IntArray
    apart: FloatArray
    low: FloatArray
    high: FloatArray
    place: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """A grain among N columns.

    Parameters
    ----------
    index
        h, k and site, shape (N, 3).
    member
        Whether the column is of the grain, shape (N,).
    score
        Part of its neighbourhood that is as predicted, shape (N,).
    frame
        Local deformation, shape (N, 2, 2): a lattice vector v is ``v @ frame`` there.
    """

    index: IntArray
    member: NDArray[np.bool_]
    score: FloatArray
    frame: FloatArray


def surroundings(
    place: FloatArray, tree: cKDTree, nearby: IntArray, bonds: Bonds,
    window: tuple[FloatArray, FloatArray],
) -> Surroundings:  # fmt: skip
    """The neighbours that bonds may lead to, and half as many again.

    `nearby` holds the nearest columns of each with itself first, shape (N, M); the tree is asked
    where they are too few.
    """
    count = min(int(1.5 * bonds.real.sum(1).max()) + 4, 48, len(place))
    enough = nearby.shape[1] >= count
    near = nearby[:, :count] if enough else tree.query(place, k=count)[1]
    row = np.ascontiguousarray(near[:, 1:], dtype=np.int64)
    apart = place[np.minimum(row, len(place) - 1)] - place[:, None]
    apart[row == len(place)] = np.inf
    return Surroundings(row, apart, *window, place)


def grow(
    cell: Cell, patch: Patch, bonds: Bonds, around: Surroundings, taken: FloatArray, limits: Limits
) -> Grown:
    """Spread the indices of a patch.

    Parameters
    ----------
    cell
        Of the patch.
    patch
        Columns that are indexed already.
    bonds
        Of the cell.
    around
        Neighbours of all columns.
    taken
        Score of each column in a grain that was found before, shape (N,); 0 for free ones. It goes
        over where the new grain explains it better.
    limits
        What still counts as the same grain.
    """
    n_atoms = len(around.place)
    grown = Grown(
        np.zeros((n_atoms, 3), np.int64), np.zeros(n_atoms, bool), np.zeros(n_atoms),
        np.tile(np.eye(2), (n_atoms, 1, 1)),
    )  # fmt: skip
    sites = _SiteMap(patch, cell, around)
    free = taken[patch.member] < CONFIDENT
    front, index = patch.member[free], patch.index[free]
    front = sites.take(front, index, grown)
    while len(front):
        partner, grown.score[front] = _compare(
            front, around.row, around.apart, around.place, around.low, around.high, bonds.step,
            bonds.vector, bonds.real, bonds.reach, cell.vectors, cell.site, grown.index,
            grown.member, grown.frame, 0.5 * bonds.shortest, limits.tolerance * bonds.shortest,
        )  # fmt: skip
        speaks = (grown.score[front] >= CONFIDENT) & _within(grown.frame[front], limits)
        front = _next_front(front[speaks], partner[speaks], bonds, grown, sites, taken)
    return grown


class _SiteMap:
    """Which column is at (h, k, site): a dense grid, wide enough for the field of view."""

    def __init__(self, patch: Patch, cell: Cell, around: Surroundings) -> None:
        # Strain of a tenth and the corners of an oblique cell: 1.3 times the diagonal.
        height = cell.area / np.linalg.norm(cell.vectors, axis=1)[::-1]  # between rows of the cell
        diagonal = float(np.linalg.norm(around.high - around.low))
        self.half = np.ceil(1.3 * diagonal / height).astype(int) + 4 + np.abs(patch.index).max()
        self.row = np.full((*(2 * self.half + 1), len(cell.site)), -1, np.int64)

    def at(self, index: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
        """Column at each site (-1 for none), and whether the site is on the grid."""
        h, k = index[:, 0] + self.half[0], index[:, 1] + self.half[1]
        inside = (h >= 0) & (h < self.row.shape[0]) & (k >= 0) & (k < self.row.shape[1])
        found = np.full(len(index), -1)
        found[inside] = self.row[h[inside], k[inside], index[inside, 2]]
        return found, inside

    def take(self, rows: IntArray, index: IntArray, grown: Grown) -> IntArray:
        """Put columns on sites that are free, the first of two; return those that got one."""
        occupied, inside = self.at(index)
        rows, index = rows[inside & (occupied < 0)], index[inside & (occupied < 0)]
        h, k = index[:, 0] + self.half[0], index[:, 1] + self.half[1]
        self.row[h[::-1], k[::-1], index[::-1, 2]] = rows[::-1]
        won = self.row[h, k, index[:, 2]] == rows
        rows, index = rows[won], index[won]
        grown.index[rows] = index
        grown.member[rows] = True
        return rows


@njit(cache=True, nogil=True)
def _compare(
    rows: IntArray, row: IntArray, apart: FloatArray, place: FloatArray, low: FloatArray,
    high: FloatArray, step: IntArray, vector: FloatArray, real: NDArray[np.bool_], reach: float,
    vectors: FloatArray, site: FloatArray, index: IntArray, member: NDArray[np.bool_],
    frame: FloatArray, seam: float, tolerance: float,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Local deformation of columns, and what their bonds lead to.

    Loops, since arrays of (columns, bonds, neighbours) took 5 s for 100,000 columns, and this
    takes 0.1.

    Returns
    -------
    partner
        Row of the column at the end of each bond, -1 for none, shape (n, B).
    score
        Part of the surroundings that is as predicted, shape (n,).
    """
    n_bonds, n_near = real.shape[1], row.shape[1]
    partner = np.full((len(rows), n_bonds), -1)
    score = np.zeros(len(rows))
    prior = PRIOR * 0.5 * np.sum(vectors**2)
    explained = np.zeros(n_near, np.bool_)
    for n in range(len(rows)):
        i = rows[n]
        f00, f01, f10, f11 = frame[i, 0, 0], frame[i, 0, 1], frame[i, 1, 0], frame[i, 1, 1]
        # Least squares of what the indexed neighbours are off, held by the deformation behind.
        m00, m01, m11 = prior, 0.0, prior
        r00, r01, r10, r11 = 0.0, 0.0, 0.0, 0.0
        for k in range(n_near):
            j = row[i, k]
            if j >= len(place) or not member[j]:
                continue
            h, g = index[j, 0] - index[i, 0], index[j, 1] - index[i, 1]
            s, t = index[j, 2], index[i, 2]
            qy = h * vectors[0, 0] + g * vectors[1, 0] + site[s, 0] - site[t, 0]
            qx = h * vectors[0, 1] + g * vectors[1, 1] + site[s, 1] - site[t, 1]
            off_y = apart[i, k, 0] - qy * f00 - qx * f10
            off_x = apart[i, k, 1] - qy * f01 - qx * f11
            # Across the seam behind a dislocation neighbours are off by a lattice vector.
            if off_y * off_y + off_x * off_x > seam * seam:
                continue
            m00 += qy * qy
            m01 += qy * qx
            m11 += qx * qx
            r00 += qy * off_y
            r01 += qy * off_x
            r10 += qx * off_y
            r11 += qx * off_x
        determinant = m00 * m11 - m01 * m01
        f00 += (m11 * r00 - m01 * r10) / determinant
        f01 += (m11 * r01 - m01 * r11) / determinant
        f10 += (m00 * r10 - m01 * r00) / determinant
        f11 += (m00 * r11 - m01 * r01) / determinant
        frame[i, 0, 0], frame[i, 0, 1], frame[i, 1, 0], frame[i, 1, 1] = f00, f01, f10, f11

        explained[:] = False
        expected, found = 0, 0
        for b in range(n_bonds):
            if not real[index[i, 2], b]:
                continue
            vy, vx = vector[index[i, 2], b]
            py, px = vy * f00 + vx * f10, vy * f01 + vx * f11
            best, nearest = tolerance * tolerance, -1
            for k in range(n_near):
                gap = (apart[i, k, 0] - py) ** 2 + (apart[i, k, 1] - px) ** 2
                if gap < best:
                    best, nearest = gap, k
            if nearest >= 0:
                found += 1
                expected += 1
                explained[nearest] = True
                partner[n, b] = row[i, nearest]
            else:
                ty, tx = place[i, 0] + py, place[i, 1] + px
                expected += low[0] < ty < high[0] and low[1] < tx < high[1]
        # What is nearer than the longest bonds and at the end of none speaks against the lattice.
        surplus = 0
        for k in range(n_near):
            close = apart[i, k, 0] ** 2 + apart[i, k, 1] ** 2 < (0.8 * reach) ** 2
            surplus += close and not explained[k]
        score[n] = found / max(expected + surplus, 3)
    return partner, score


def _within(frame: FloatArray, limits: Limits) -> NDArray[np.bool_]:
    """Whether rotation and stretch are those of the same grain, shape (n,)."""
    symmetric = np.hypot(frame[:, 0, 1] - frame[:, 1, 0], frame[:, 0, 0] + frame[:, 1, 1])
    other = np.hypot(frame[:, 0, 1] + frame[:, 1, 0], frame[:, 0, 0] - frame[:, 1, 1])
    angle = np.arctan2(frame[:, 0, 1] - frame[:, 1, 0], frame[:, 0, 0] + frame[:, 1, 1])
    # Half the sum and half the difference are the singular values of a 2 x 2 matrix.
    most, least = (symmetric + other) / 2, (symmetric - other) / 2
    same = (np.abs(angle) < limits.bend_rad) & (np.maximum(most - 1, 1 - least) < limits.strain)
    return np.asarray(same)


def _next_front(
    rows: IntArray, partner: IntArray, bonds: Bonds, grown: Grown, sites: _SiteMap,
    taken: FloatArray,
) -> IntArray:  # fmt: skip
    """Columns that were predicted, each with the index that most of its neighbours give it."""
    source, bond = np.nonzero(partner >= 0)
    target = partner[source, bond]
    use = ~grown.member[target] & (taken[target] < CONFIDENT)
    source, bond, target = rows[source[use]], bond[use], target[use]
    if not len(target):
        return target
    index = bonds.step[grown.index[source, 2], bond]
    index[:, :2] += grown.index[source, :2]
    code = _code(index)
    order = np.lexsort((code, target))
    target, code, index, source = target[order], code[order], index[order], source[order]
    first = np.flatnonzero(np.diff(target, prepend=-1) | np.diff(code, prepend=code[0] - 1))
    votes = np.diff(np.append(first, len(target)))
    ranked = first[np.lexsort((-votes, target[first]))]
    chosen = ranked[np.diff(target[ranked], prepend=-1) > 0]
    most = votes[np.searchsorted(first, chosen)]
    chosen = chosen[np.argsort(-most, kind="stable")]  # of two columns on a site, more votes win
    grown.frame[target[chosen]] = grown.frame[source[chosen]]
    return sites.take(target[chosen], index[chosen], grown)


def _code(index: IntArray) -> IntArray:
    return np.asarray(
        ((index[:, 0] + 2**20) * 2**21 + index[:, 1] + 2**20) * 32 + index[:, 2], np.int64
    )

"""Larger cells that brightness asks for, and the usual way to write a cell.

Columns of two kinds on one lattice, as A and B of a perovskite, look alike to positions. Whether
the cell must be two or three times as large is read off the brightness of the columns (and off
their class where there are several): the part of its variance that the larger cell explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scanseg.lattice._cell import Cell, standard_basis
from scanseg.lattice._columns import FloatArray, IntArray

__all__ = ["Setting", "enlarge", "primitive", "standardise"]

# Enlarging a cell in steps of 2 and 3 reaches all that are 2, 3, 4, 6 ... times as large.
ENLARGEMENTS = tuple(
    np.array([[size // step, shift], [0, step]])
    for size in (2, 3)
    for step in (1, size)
    for shift in (range(size // step * step) if step == size else range(1))
)
# A difference of one standard deviation between two halves explains 0.2 of the variance.
LEAST_EXPLAINED = 0.15
ALIKE = 0.05  # brightness that differs by less gives sites no order
MOST_SITES = 16
SAME_PLACE = 0.2  # of the distance of nearest columns
SAMPLE = 20_000  # columns decide; a share of the variance is then known to a per cent


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A cell and the indices of N columns in it.

    Parameters
    ----------
    cell
        Vectors, sites, origin.
    index
        h, k and site, shape (N, 3).
    """

    cell: Cell
    index: IntArray


def enlarge(setting: Setting, features: FloatArray) -> Setting:
    """Take the smallest cell whose sites are of one kind each.

    Parameters
    ----------
    setting
        As positions alone give it.
    features
        What differs between kinds of columns, shape (N, F): brightness against the surroundings,
        and membership of each class.
    """
    while 2 * len(setting.cell.site) <= MOST_SITES:
        some = slice(None, None, max(1, len(features) // SAMPLE))
        sample = Setting(setting.cell, setting.index[some])
        options = [_in_supercell(sample, turn) for turn in ENLARGEMENTS]
        explained = [_explained(sample, option, features[some]) for option in options]
        best = int(np.argmax(explained))
        needed = max(LEAST_EXPLAINED, 12.0 * len(options[best].cell.site) / len(sample.index))
        if explained[best] < needed:
            break
        setting = _in_supercell(setting, ENLARGEMENTS[best])
    return setting


def primitive(setting: Setting) -> Setting:
    """Take the smallest cell that positions allow.

    A patch of few columns may have missed the shortest vectors; the sites of the cell then repeat
    themselves within it.
    """
    cell = setting.cell
    nearest = cell.bonds().shortest
    for site in range(1, len(cell.site)):
        step = cell.site[site] - cell.site[0]
        target = _wrapped(cell.site[:, None] + step - cell.site[None], cell)
        gap = np.hypot(target[..., 0], target[..., 1])
        if (gap.min(1) < SAME_PLACE * nearest).all():
            return primitive(_with_vector(setting, step))
    return setting


def _wrapped(vector: FloatArray, cell: Cell) -> FloatArray:
    fraction = vector @ np.linalg.inv(cell.vectors)
    return np.asarray((fraction - np.round(fraction)) @ cell.vectors)


def _with_vector(setting: Setting, step: FloatArray) -> Setting:
    """The same columns in the lattice that has one more vector."""
    cell = setting.cell
    options = np.array([(i, j) for i in range(-2, 3) for j in range(-2, 3)]) @ cell.vectors
    options = np.concatenate([options, options + step, options - step])
    options = options[np.hypot(*options.T) > 1e-6]
    options = options[np.argsort(np.hypot(*options.T))]
    first = options[0]
    areas = np.abs(first[0] * options[:, 1] - first[1] * options[:, 0])
    vectors = np.stack([first, options[np.argmax(areas > 0.1 * first @ first)]])
    smaller = Cell(vectors, cell.site[:1], cell.origin)
    # Of the old sites those that the new vectors do not lead to are left.
    for place in cell.site[1:]:
        apart = _wrapped(place - smaller.site, smaller)
        if np.hypot(*apart.T).min() > SAME_PLACE * smaller.bonds().shortest:
            smaller = Cell(vectors, np.vstack([smaller.site, place]), cell.origin)
    where = cell.at(setting.index)
    fraction = (where[:, None] - smaller.site[None]) @ np.linalg.inv(vectors)
    off = np.abs(fraction - np.round(fraction)).max(-1)
    site = off.argmin(1)
    steps = np.round(fraction[np.arange(len(site)), site]).astype(np.int64)
    return Setting(smaller, np.column_stack([steps, site]))


def _in_supercell(setting: Setting, turn: IntArray) -> Setting:
    """The same columns in a cell whose vectors are ``turn @ vectors``."""
    cell, size = setting.cell, round(abs(np.linalg.det(turn)))
    inverse = np.linalg.inv(turn)
    # Corners of the old cells within a new one.
    grid = np.stack(np.meshgrid(np.arange(-4, 5), np.arange(-4, 5), indexing="ij"), -1)
    corners = grid.reshape(-1, 2)
    fraction = corners @ inverse
    corners = corners[((fraction > -1e-9) & (fraction < 1 - 1e-9)).all(1)][:size]
    steps = np.floor(setting.index[:, :2] @ inverse + 1e-9).astype(np.int64)
    rest = setting.index[:, :2] - steps @ turn
    which = (rest[:, None] == corners[None]).all(-1).argmax(1)
    n_sites = len(cell.site)
    site = (corners @ cell.vectors)[:, None] + cell.site[None]
    index = np.column_stack([steps, which * n_sites + setting.index[:, 2]])
    return Setting(Cell(turn @ cell.vectors, site.reshape(-1, 2), cell.origin), index)


def _explained(old: Setting, new: Setting, features: FloatArray) -> float:
    """Largest part of a feature's variance about the old sites that the new ones explain."""
    before = _spread(old.index[:, 2], features)
    after = _spread(new.index[:, 2], features)
    varies = before > 1e-9 * np.maximum((features**2).sum(0), 1e-300)
    return float(np.where(varies, 1 - after / np.where(varies, before, 1), 0).max(initial=0))


def _spread(site: IntArray, features: FloatArray) -> FloatArray:
    """Sum of squares about the mean of each site, shape (F,)."""
    count = np.maximum(np.bincount(site), 1)
    total = np.zeros(features.shape[1])
    for n, values in enumerate(features.T):
        mean = np.bincount(site, values) / count
        total[n] = np.square(values - mean[site]).sum()
    return total


def standardise(setting: Setting, brightness: FloatArray) -> Setting:
    """Write a cell in the usual basis, its brightest site first and at the corner.

    Parameters
    ----------
    setting
        Any setting.
    brightness
        Of the columns, shape (N,).
    """
    cell, index = setting.cell, setting.index
    turn = standard_basis(cell.vectors)
    vectors = turn @ cell.vectors
    steps = np.round(index[:, :2] @ np.linalg.inv(turn)).astype(np.int64)
    order = _site_order(cell.site @ np.linalg.inv(vectors), _mean(index[:, 2], brightness))
    home = cell.site[order[0]]
    fraction = (cell.site - home) @ np.linalg.inv(vectors)
    cells = np.floor(fraction + 1e-6).astype(np.int64)  # noise must not move 0 to the far corner
    cells[np.abs(fraction - np.round(fraction)).max(1) < 1e-6] = 0
    near_corner = np.abs(fraction - np.round(fraction)) < 0.04
    cells = np.where(near_corner, np.round(fraction).astype(np.int64), cells)
    site = (fraction - cells) @ vectors
    rank = np.argsort(order)
    moved = np.column_stack([steps + cells[index[:, 2]], rank[index[:, 2]]])
    return Setting(Cell(vectors, site[order], cell.origin + home), moved)


def _mean(site: IntArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(site, values) / np.maximum(np.bincount(site), 1))


def _site_order(fraction: FloatArray, brightness: FloatArray) -> IntArray:
    """Brightest first; of sites alike, the one from which the others are nearest along a1, a2."""
    by_light = np.argsort(-brightness, kind="stable")
    alike = brightness[by_light] > (1 - ALIKE) * brightness[by_light[0]]
    candidates = by_light[alike]
    apart = fraction[None] - fraction[candidates][:, None]
    apart = apart - np.floor(apart + 0.04)
    first = candidates[np.round(apart.sum((1, 2)), 2).argmin()]
    offset = fraction - fraction[first]
    distance = np.round((offset - np.floor(offset + 0.04)).sum(1), 2)
    step = np.round(brightness / max(brightness.max(), 1e-300) / ALIKE)
    order = np.lexsort((distance, -step))
    return np.concatenate([[first], order[order != first]]).astype(np.int64)

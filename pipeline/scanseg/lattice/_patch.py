"""The lattice of a patch: about a hundred columns, no longer than it takes to see a repeat.

Differences of positions repeat in a lattice, positions do not. A lattice vector leads from every
column to another one, a vector between two sites of the cell only from some: so the vectors are the
shortest differences that occur as often as any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from scanseg.lattice._cell import Cell, reduced
from scanseg.lattice._columns import FloatArray, IntArray

__all__ = ["Patch", "read_patch"]

# In units of the distance of nearest columns.
SMOOTHING = 0.10  # of the histogram of differences; positions scatter by up to a tenth
TOLERANCE = 0.28  # a column within this distance of a place is there
BIN = 0.08
# A vector between two of n sites leads from (n - 1)/n of the columns at most, usually from half;
# with 100 columns a share of 0.9 is uncertain by 0.03.
SHARE_OF_BEST = 0.82
LEAST_SHARE = 0.45  # sites that are empty more often than not are no sites
MOST_SITES = 12
CANDIDATES = 60  # a patch of 90 columns holds fewer lattice vectors within reach
AGREEING = 6  # shares that are averaged: a lattice has six vectors or more in reach


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """What a patch of columns has in common.

    Parameters
    ----------
    cell
        Vectors, sites and origin.
    member
        Rows of the columns that fit, shape (M,).
    index
        Their h, k and site, shape (M, 3).
    quality
        Part of the columns that fit times part of them that a lattice vector leads to another one,
        0 to 1.
    """

    cell: Cell
    member: IntArray
    index: IntArray
    quality: float


def read_patch(place: FloatArray, rows: IntArray, tree: cKDTree) -> Patch | None:
    """Find the lattice of a few columns.

    Parameters
    ----------
    place
        All columns, shape (N, 2), in square pixels.
    rows
        Those of the patch, shape (P,), the middle one first.
    tree
        Of all columns.

    Returns
    -------
    patch
        None where nothing repeats.
    """
    at = place[rows]
    nearest = float(np.median(tree.query(at, k=2)[0][:, 1]))
    radius = float(np.hypot(*(at - at[0]).T).max())
    vectors, share = _vectors(place, at, tree, nearest, 0.75 * radius)
    if vectors is None:
        return None
    cell = Cell(vectors, np.zeros((1, 2)), at[0])
    for _ in range(3):
        sites = _sites(at, cell, TOLERANCE * nearest)
        if sites is None:
            return None
        cell, index, fits = _refined(at, Cell(cell.vectors, sites, cell.origin), nearest)
        if fits.sum() < 4 + len(sites):
            return None
    return Patch(cell, rows[fits], index[fits], float(fits.mean() * share))


def _vectors(
    place: FloatArray, at: FloatArray, tree: cKDTree, nearest: float, reach: float
) -> tuple[FloatArray | None, float]:
    """Two shortest differences that lead from nearly every column to another, and from how many.

    The vectors are None where there are no such differences.
    """
    candidates = _frequent_differences(place, at, tree, nearest, reach)
    if len(candidates) < 2:
        return None, 0.0
    share = _shares(place, at, tree, candidates, TOLERANCE * nearest)
    # The highest share of many is high by chance.
    best = float(np.sort(share)[-AGREEING:].mean())
    if best < LEAST_SHARE:
        return None, 0.0
    good = candidates[share >= SHARE_OF_BEST * best]
    good = good[np.argsort(np.hypot(*good.T))]
    for count in range(2, len(good) + 1):
        first, others = good[0], good[1:count]
        areas = np.abs(first[0] * others[:, 1] - first[1] * others[:, 0])
        sides = np.linalg.norm(first) * np.linalg.norm(others, axis=1)
        independent = areas > 0.3 * sides
        if independent.any():
            vectors = reduced(np.stack([first, others[independent][0]]))
            return vectors, best
    return None, 0.0


def _frequent_differences(
    place: FloatArray, at: FloatArray, tree: cKDTree, nearest: float, reach: float
) -> FloatArray:
    """Maxima of the histogram of differences, shape (D, 2)."""
    partners = tree.query_ball_point(at, reach)
    counts = np.array([len(each) for each in partners])
    difference = place[np.concatenate(partners).astype(np.int64)] - np.repeat(at, counts, axis=0)
    difference = difference[np.hypot(*difference.T) > 0.5 * nearest]
    step = BIN * nearest
    half = int(np.ceil(reach / step)) + 2
    edges = (np.arange(-half, half + 2) - 0.5) * step
    histogram = np.histogram2d(difference[:, 0], difference[:, 1], bins=[edges, edges])[0]
    smooth = gaussian_filter(histogram, SMOOTHING / BIN)
    size = int(2 * round(0.3 / BIN) + 1)
    peak = (smooth == maximum_filter(smooth, size)) & (smooth > 0.25 * smooth.max())
    start = (np.argwhere(peak) - half) * step
    start = start[np.argsort(-smooth[peak], kind="stable")[:CANDIDATES]]
    if not len(start):
        return np.empty((0, 2))
    # The mean of the differences around each maximum, twice.
    cloud = cKDTree(difference)
    for _ in range(2):
        near = cloud.query_ball_point(start, TOLERANCE * nearest)
        start = np.array(
            [difference[n].mean(0) if n else s for n, s in zip(near, start, strict=True)]
        )
    return np.asarray(start, np.float64)


def _shares(
    place: FloatArray, at: FloatArray, tree: cKDTree, candidates: FloatArray, tolerance: float
) -> FloatArray:
    """From which part of the columns each candidate leads to another one, within sight."""
    low, high = place.min(0) - tolerance, place.max(0) + tolerance
    target = at[:, None] + candidates[None]
    seen = ((target > low) & (target < high)).all(-1)
    distance, _ = tree.query(target.reshape(-1, 2), distance_upper_bound=tolerance)
    found = np.isfinite(distance).reshape(seen.shape)
    enough = seen.sum(0) >= max(8, 0.25 * len(at))
    share = (found & seen).sum(0) / np.maximum(seen.sum(0), 1)
    return np.where(enough, share, 0.0)


def _sites(at: FloatArray, cell: Cell, tolerance: float) -> FloatArray | None:
    """Where in the cell columns are, the fullest site first, shape (S, 2)."""
    inverse = np.linalg.inv(cell.vectors)
    fraction = (at - cell.origin) @ inverse
    left = np.ones(len(at), bool)
    sites: list[FloatArray] = []
    fullest = 0
    while left.any() and len(sites) < MOST_SITES:
        apart = fraction[left][:, None] - fraction[left][None]
        apart = (apart - np.round(apart)) @ cell.vectors
        near = np.hypot(apart[..., 0], apart[..., 1]) < tolerance
        count = near.sum(1)
        middle = int(count.argmax())
        if count[middle] < max(3, LEAST_SHARE * fullest):
            break
        fullest = max(fullest, int(count[middle]))
        home = fraction[left][middle] - np.floor(fraction[left][middle])
        # apart leads from the others to the middle, the other way round: minus.
        sites.append(home @ cell.vectors - apart[middle][near[middle]].mean(0))
        rows = np.flatnonzero(left)
        left[rows[near[middle]]] = False
    return np.array(sites) if sites else None


def _refined(at: FloatArray, cell: Cell, nearest: float) -> tuple[Cell, IntArray, FloatArray]:
    """Fit vectors and sites to the columns of the patch; index and fit of each column."""
    index, apart = _nearest_site(at, cell)
    fits = np.hypot(*apart.T) < TOLERANCE * nearest
    n_sites = len(cell.site)
    design = np.concatenate([index[:, :2], np.eye(n_sites)[index[:, 2]]], axis=1)
    if np.linalg.matrix_rank(design[fits]) == 2 + n_sites:
        solution = np.linalg.lstsq(design[fits], at[fits], rcond=None)[0]
        cell = Cell(solution[:2], solution[2:] - solution[2], solution[2])
        index, apart = _nearest_site(at, cell)
        fits = np.hypot(*apart.T) < TOLERANCE * nearest
    return cell, index, fits


def _nearest_site(at: FloatArray, cell: Cell) -> tuple[IntArray, FloatArray]:
    inverse = np.linalg.inv(cell.vectors)
    fraction = (at[:, None] - cell.origin - cell.site[None]) @ inverse
    steps = np.round(fraction)
    apart = (fraction - steps) @ cell.vectors
    site = np.hypot(apart[..., 0], apart[..., 1]).argmin(1)
    rows = np.arange(len(at))
    index = np.concatenate([steps[rows, site], site[:, None]], axis=1).astype(np.int64)
    return index, apart[rows, site]

"""Affine fits to the surroundings of every column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.lattice._columns import FloatArray, IntArray
from scanseg.lattice._grain import GrainView
from scanseg.lattice.model import Lattice

__all__ = ["LocalFits", "fit_surroundings"]


@dataclass(frozen=True, slots=True, eq=False)
class LocalFits:
    """How the lattice is deformed around each of M columns.

    Parameters
    ----------
    frame
        Shape (M, 2, 2): a lattice vector v is ``v @ frame`` there; nan where too few columns are
        near.
    covariance
        Of the two elements that end along y, and of those that end along x, shape (M, 2, 2, 2).
    n_columns
        Columns in each fit, shape (M,).
    scatter
        Standard deviation of columns about the fits along (y, x), shape (2,): how well a position
        is known in practice.
    """

    frame: FloatArray
    covariance: FloatArray
    n_columns: IntArray
    scatter: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Clouds:
    near: IntArray  # (M, K) columns around each, itself among them
    use: NDArray[np.bool_]  # (M, K)
    ideal: FloatArray  # (M, K, 2) from the column itself
    place: FloatArray  # (M, K, 2)
    site: IntArray  # (M, K)


def fit_surroundings(
    view: GrainView, *, radius_cells: float, reference: Lattice | None = None
) -> LocalFits:
    """Fit a deformation to the columns around each.

    Parameters
    ----------
    view
        A grain.
    radius_cells
        How far the surroundings reach, in units of the longer lattice vector.
    reference
        What the deformation is measured against; the grain's own lattice by default.

    Notes
    -----
    Each sublattice has an offset of its own in each fit, so that a polarisation is no strain.
    Positions scatter about the fits by more than their error bars wherever the scan is distorted;
    the error bars of the deformation follow from that scatter.
    """
    clouds = _clouds(view, radius_cells, reference)
    n_sites = len(view.cell.site)
    ones = clouds.use.astype(float)
    first = _solve(clouds, ones, n_sites)
    freedom = clouds.use.sum(1) - 2 - _n_present(clouds, n_sites)
    stated = np.where(np.isfinite(view.error), view.error, np.nan) ** 2
    variance = np.empty((len(view.rows), 2))
    scatter = np.empty(2)
    for axis in (0, 1):
        squares = (clouds.use * first.residual[..., axis] ** 2).sum(1)
        scatter[axis] = _typical_scatter(squares, freedom)
        known = np.isfinite(stated[:, axis])
        usual = float(np.median(stated[known, axis])) if known.any() else 0.0
        extra = max(scatter[axis] ** 2 - usual, 0.0)
        variance[:, axis] = np.where(known, stated[:, axis] + extra, scatter[axis] ** 2)
    variance = np.maximum(variance, 1e-12)
    weight = 1 / variance.mean(1)
    solved = _solve(clouds, clouds.use * weight[clouds.near], n_sites)
    covariance = np.empty((len(view.rows), 2, 2, 2))
    for axis in (0, 1):
        middle = solved.weight**2 * variance[clouds.near, axis]
        spread = np.einsum("nk,nki,nkj->nij", middle, solved.centred, solved.centred)
        covariance[:, axis] = solved.inverse @ spread @ solved.inverse
    lost = (clouds.use.sum(1) - 2 - _n_present(clouds, n_sites) < 1) | ~solved.sound
    solved.frame[lost] = np.nan
    covariance[lost] = np.nan
    return LocalFits(solved.frame, covariance, clouds.use.sum(1), scatter)


def _clouds(view: GrainView, radius_cells: float, reference: Lattice | None) -> _Clouds:
    cell = view.cell
    radius = radius_cells * float(np.linalg.norm(cell.vectors, axis=1).max())
    expected = int(np.ceil(1.25 * np.pi * radius**2 * len(cell.site) / cell.area)) + 1
    count = min(max(expected, 4), len(view.rows))
    distance, near = cKDTree(view.place).query(
        view.place, k=count, distance_upper_bound=1.08 * radius
    )
    use = np.isfinite(distance)
    near = np.where(use, near, 0)
    place = view.place[near] - view.place[:, None]
    own = view.ideal()
    apart = place - (own[near] - own[:, None])
    # Across the seam behind a dislocation neighbours are off by a lattice vector.
    shortest = view.lattice.nearest_px
    use &= np.hypot(apart[..., 0], apart[..., 1]) < 0.45 * shortest
    ideal = own if reference is None else view.ideal(reference)
    return _Clouds(
        near.astype(np.int64), use, ideal[near] - ideal[:, None], place, view.index[near, 2]
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    frame: FloatArray  # (M, 2, 2)
    inverse: FloatArray  # (M, 2, 2) of the normal matrix
    centred: FloatArray  # (M, K, 2) ideal places about the mean of their sublattice
    residual: FloatArray  # (M, K, 2)
    weight: FloatArray  # (M, K)
    sound: NDArray[np.bool_]  # (M,)


def _solve(clouds: _Clouds, weight: FloatArray, n_sites: int) -> _Solved:
    """Weighted fits of all clouds at once."""
    centred, place = clouds.ideal.copy(), clouds.place.copy()
    for site in range(n_sites):
        share = weight * (clouds.site == site)
        total = np.maximum(share.sum(1), 1e-300)[:, None, None]
        chosen = (clouds.site == site)[..., None]
        for values in (centred, place):
            mean = np.einsum("nk,nki->ni", share, values)[:, None] / total
            np.subtract(values, mean, out=values, where=chosen)
    weighted = centred * weight[..., None]
    normal = weighted.transpose(0, 2, 1) @ centred
    trace = np.trace(normal, axis1=1, axis2=2)
    determinant = normal[:, 0, 0] * normal[:, 1, 1] - normal[:, 0, 1] * normal[:, 1, 0]
    sound = determinant > 1e-3 * trace**2
    normal[~sound] = np.eye(2)
    inverse = np.asarray(np.linalg.inv(normal), np.float64)
    frame = inverse @ (weighted.transpose(0, 2, 1) @ place)
    return _Solved(frame, inverse, centred, place - centred @ frame, weight, sound)


def _n_present(clouds: _Clouds, n_sites: int) -> IntArray:
    """Sublattices that take part in each fit, shape (M,)."""
    present = [((clouds.site == site) & clouds.use).any(1) for site in range(n_sites)]
    return np.asarray(np.sum(present, axis=0), np.int64)


def _typical_scatter(squares: FloatArray, freedom: IntArray) -> float:
    """Standard deviation from sums of squares, unmoved by a few defects."""
    enough = freedom >= 1
    if not enough.any():
        return 0.0
    # The median of chi squared of n degrees is n (1 - 2 / 9n)³ (Wilson and Hilferty, 1931).
    n = freedom[enough]
    return float(np.sqrt(np.median(squares[enough] / (n * (1 - 2 / (9 * n)) ** 3))))

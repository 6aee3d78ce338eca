"""One lattice fitted to many columns, with error bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice._columns import FloatArray, IntArray

__all__ = ["LatticeFit", "extra_variance", "fit_lattice"]

CLIP = 4.5  # robust standard deviations; a normal deviate is beyond once in 150,000


@dataclass(frozen=True, slots=True, eq=False)
class LatticeFit:
    """Least squares over N columns on S sites, axis by axis.

    Parameters
    ----------
    vectors
        a1 and a2, shape (2, 2).
    corner
        Place of each site in the cell (0, 0), shape (S, 2).
    covariance
        Of (a1, a2, corners) along y and along x, shape (2, 2 + S, 2 + S).
    scatter
        Standard deviation about the lattice beyond the error bars, shape (2,).
    ideal
        Place of each column's site, shape (N, 2).
    displacement_err
        One standard deviation of place minus ideal, shape (N, 2).
    """

    vectors: FloatArray
    corner: FloatArray
    covariance: FloatArray
    scatter: FloatArray
    ideal: FloatArray
    displacement_err: FloatArray


def fit_lattice(place: FloatArray, error: FloatArray, index: IntArray, n_sites: int) -> LatticeFit:
    """Fit vectors and sites to columns.

    Parameters
    ----------
    place
        Shape (N, 2).
    error
        One standard deviation, shape (N, 2). Columns without any have no weight, unless none has.
    index
        h, k and site, shape (N, 3).
    n_sites
        Sites in the cell, S.

    Notes
    -----
    What columns scatter beyond their error bars (real displacements, scan distortion) is added to
    the variance of each, as large as chi squared asks for: Paule and Mandel, J. Res. NBS 87, 377
    (1982). Columns farther off than 4.5 standard deviations have no weight.
    """
    middle = index[:, :2].mean(0)
    design = np.concatenate([index[:, :2] - middle, np.eye(n_sites)[index[:, 2]]], axis=1)
    known = np.isfinite(error).all(1)
    stated = np.where(np.isfinite(error), error, 0.0)
    use: NDArray[np.bool_] = np.asarray(known if known.any() else np.ones(len(place), bool))
    solution = np.empty((2 + n_sites, 2))
    covariance = np.empty((2, 2 + n_sites, 2 + n_sites))
    scatter = np.empty(2)
    displacement_err = np.empty_like(place)
    for axis in (0, 1):
        fit = _fit_axis(design, place[:, axis], stated[:, axis], use)
        solution[:, axis], covariance[axis], scatter[axis] = fit
        own = stated[:, axis] ** 2 if known.any() else np.full(len(place), scatter[axis] ** 2)
        ideal_variance = np.einsum("ni,ij,nj->n", design, covariance[axis], design)
        # The column pulls its own lattice along: the two errors are correlated.
        share = own / np.maximum(own + scatter[axis] ** 2 * bool(known.any()), 1e-300)
        variance = np.maximum(own + ideal_variance * (1 - 2 * share), 0)
        displacement_err[:, axis] = np.sqrt(variance)
    if known.any():
        displacement_err[~known] = np.nan
    ideal = design @ solution
    back = np.eye(2 + n_sites)
    back[2:, :2] = -middle  # corner = site at the middle - middle @ vectors
    return LatticeFit(
        solution[:2], solution[2:] - middle @ solution[:2], back @ covariance @ back.T, scatter,
        ideal, displacement_err,
    )  # fmt: skip


def extra_variance(residual: FloatArray, variance: FloatArray, freedom: float) -> float:
    """Variance to add to each so that chi squared equals the degrees of freedom; at least 0.

    Parameters
    ----------
    residual
        Shape (N,).
    variance
        Stated ones, shape (N,).
    freedom
        Degrees of freedom.
    """
    squared = residual**2
    if not len(squared) or freedom <= 0:
        return 0.0
    low, high = 0.0, float(squared.sum() / freedom) + 1e-300
    if (squared / np.maximum(variance, 1e-300)).sum() <= freedom:
        return 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if (squared / np.maximum(variance + middle, 1e-300)).sum() > freedom:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _fit_axis(
    design: FloatArray, values: FloatArray, error: FloatArray, use: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, float]:
    """Parameters, covariance and scatter along one axis."""
    n_parameters = design.shape[1]
    extra = 0.0
    for _ in range(6):
        variance = error[use] ** 2 + extra
        weight = 1 / np.maximum(variance, 1e-12) if variance.max(initial=0) > 0 else np.ones(1)
        weighted = design[use] * np.broadcast_to(weight, (int(use.sum()),))[:, None]
        inverse = np.linalg.pinv(weighted.T @ design[use], hermitian=True)
        solution = inverse @ (weighted.T @ values[use])
        residual = values - design @ solution
        typical = 1.4826 * float(np.median(np.abs(residual[use]))) + 1e-12
        use = use & (np.abs(residual) < CLIP * np.maximum(typical, np.sqrt(error**2 + extra)))
        previous = extra
        freedom = use.sum() - n_parameters
        extra = extra_variance(residual[use], error[use] ** 2, freedom)
        if abs(extra - previous) < 1e-3 * extra:
            break
    weight = 1 / np.maximum(error[use] ** 2 + extra, 1e-12)
    normal = (design[use] * weight[:, None]).T @ design[use]
    covariance = np.asarray(np.linalg.pinv(normal, hermitian=True), np.float64)
    return solution, covariance, float(np.sqrt(extra))

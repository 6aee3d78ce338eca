"""The shift of every line of a scan, from the displacements of the columns on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice._fit import extra_variance

__all__ = ["LineShift", "fit_lines"]

FloatArray = NDArray[np.float64]

# A column averages the shifts of the lines that it covers with a Gaussian of its own width, so the
# shift that columns see changes over a width; splines with knots 0.7 widths apart follow that.
KNOTS_A_WIDTH = 0.7
MOST_KNOTS = 800  # the eigenvalues of so many take 0.3 s
ROUNDS = 6


@dataclass(frozen=True, slots=True, eq=False)
class LineShift:
    """Shift of the lines along one axis as columns see it, K splines.

    Parameters
    ----------
    first_px, step_px
        Place of the first knot and distance of knots.
    coefficient_px
        Of each cubic B-spline, shape (K,).
    covariance_px2
        Of the coefficients, shape (K, K).
    rms_px
        Root mean square of the shift at the columns, and one standard deviation of it.
    rms_err_px
        See there.
    scatter_px
        Scatter of single columns beyond their error bars and beyond what lines explain.
    """

    first_px: float
    step_px: float
    coefficient_px: FloatArray
    covariance_px2: FloatArray
    rms_px: float
    rms_err_px: float
    scatter_px: float

    def at(self, y_px: FloatArray) -> FloatArray:
        """Shift at N lines, shape (N,)."""
        return np.asarray(self._basis(y_px) @ self.coefficient_px)

    def err_at(self, y_px: FloatArray) -> FloatArray:
        """One standard deviation of the shift at N lines, shape (N,)."""
        basis = self._basis(y_px)
        return np.asarray(np.sqrt(np.einsum("nk,kl,nl->n", basis, self.covariance_px2, basis)))

    def _basis(self, y_px: FloatArray) -> FloatArray:
        return spline_basis(y_px, self.first_px, self.step_px, len(self.coefficient_px))


def fit_lines(
    y_px: FloatArray, displacement_px: FloatArray, err_px: FloatArray, *, n_rows: int,
    sigma_px: float,
) -> LineShift:  # fmt: skip
    """Fit what columns on the same lines have in common.

    Parameters
    ----------
    y_px
        Line of each column, shape (N,).
    displacement_px
        Along one axis, shape (N,).
    err_px
        One standard deviation, shape (N,); NaN where it is not known.
    n_rows
        Height of the image.
    sigma_px
        Width of a column.

    Notes
    -----
    Coefficients are normal deviates whose variance is learnt from the data (expectation
    maximisation), as is the scatter of single columns about their line: where lines are straight,
    nothing is taken out.
    """
    step = max(KNOTS_A_WIDTH * sigma_px, n_rows / MOST_KNOTS)
    n_knots = int(np.ceil(n_rows / step)) + 4
    first = -0.5 - 1.5 * step
    basis = spline_basis(y_px, first, step, n_knots)
    variance = np.where(np.isfinite(err_px), err_px, 0.0) ** 2
    total = float(np.mean(displacement_px**2)) if len(y_px) else 0.0
    prior = max(0.5 * total, 1e-12)
    extra = 0.5 * total if not variance.any() else 0.0
    floor = max(1e-4 * total, 1e-12)
    shift, hat = np.zeros(len(y_px)), 0.0
    coefficient, covariance = np.zeros(n_knots), np.zeros((n_knots, n_knots))
    for _ in range(ROUNDS):
        weight = 1 / np.maximum(variance + extra, floor)
        # Outliers, such as atoms on wrong sites, count as four robust deviations.
        pull = np.abs(displacement_px - shift) * np.sqrt(weight)
        weight = weight / np.maximum(1, (pull / 4) ** 2)
        normal = (basis * weight[:, None]).T @ basis
        value, vector = np.linalg.eigh(normal)
        value = np.maximum(value, 0)
        projected = vector.T @ (basis.T @ (weight * displacement_px))
        for _ in range(40):
            spread = 1 / (value + 1 / prior)
            prior = max(float(np.mean((spread * projected) ** 2 + spread)), 1e-12)
        spread = 1 / (value + 1 / prior)
        coefficient = vector @ (spread * projected)
        covariance = (vector * spread) @ vector.T
        shift = basis @ coefficient
        hat = float((value * spread).sum())
        extra = extra_variance(displacement_px - shift, variance, len(y_px) - hat)
    seen = np.einsum("nk,kl,nl->n", basis, covariance, basis)
    rms = float(np.sqrt(np.mean(shift**2 + seen))) if len(y_px) else 0.0
    return LineShift(
        first, step, coefficient, covariance, rms, rms / np.sqrt(2 * max(hat, 1.0)),
        float(np.sqrt(extra)),
    )  # fmt: skip


def spline_basis(y_px: FloatArray, first_px: float, step_px: float, n_knots: int) -> FloatArray:
    """Cubic B-splines at N places, shape (N, K).

    Examples
    --------
    >>> spline_basis(np.array([10.0]), 0.0, 5.0, 5).round(3)
    array([[0.   , 0.167, 0.667, 0.167, 0.   ]])
    """
    place = (np.asarray(y_px, float) - first_px) / step_px
    away = np.abs(place[:, None] - np.arange(n_knots))
    inner = 2 / 3 - away**2 + away**3 / 2
    outer = np.clip(2 - away, 0, None) ** 3 / 6
    return np.asarray(np.where(away < 1, inner, outer))

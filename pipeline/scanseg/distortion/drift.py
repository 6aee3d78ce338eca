"""A steady drift during a scan, from a cell whose shape is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice.model import Lattice

__all__ = ["ScanDrift", "drift_from_cell"]

FloatArray = NDArray[np.float64]
CellShape = Literal["hexagonal", "square"]

NEAR = 0.05  # how far a cell may be from an ideal one to be taken for it


@dataclass(frozen=True, slots=True)
class ScanDrift:
    """Shear and stretch of an image whose sample drifted while it was scanned.

    A column at (y, x) of the true crystal, from the centre, is seen at ((1 + stretch) y,
    x + shear y).

    Parameters
    ----------
    stretch, shear
        Pixels a line, along y and x.
    stretch_err, shear_err
        One standard deviation each, from the error of the lattice vectors.
    cell
        The shape that the cell was taken to have.
    """

    stretch: float
    shear: float
    stretch_err: float
    shear_err: float
    cell: CellShape

    def corrected(self, position_px: FloatArray, shape: tuple[int, int]) -> FloatArray:
        """Positions without the drift, shape (N, 2); the centre of the image stays."""
        middle = (np.array(shape) - 1) / 2
        y, x = (position_px - middle).T
        true_y = y / (1 + self.stretch)
        return np.stack([true_y, x - self.shear * true_y], axis=1) + middle


def drift_from_cell(
    lattice: Lattice, cell: Literal["auto", "hexagonal", "square", "none"] = "auto"
) -> ScanDrift | None:
    """Find the drift that turns a cell of known shape into the measured one.

    Parameters
    ----------
    lattice
        As fitted to the measured positions.
    cell
        The true shape; ``auto`` takes that which is near.

    Returns
    -------
    drift
        None where the shape is not known.

    Notes
    -----
    Corrected vectors have y' = p y and x' = x + q y, so the products of two vectors are linear in
    p² + q² and q, and the two conditions of the cell (equal lengths, known angle) determine both.
    A pixel that is not as high as wide, as stated, looks like drift; so does a uniform strain.
    """
    vectors = lattice.vectors_px * lattice.stretch
    lengths = np.hypot(*vectors.T)
    cosine = float(vectors[0] @ vectors[1] / lengths.prod())
    shape = _nearest_shape(lengths, cosine) if cell == "auto" else cell
    if shape is None or shape == "none":
        return None
    wanted = 0.0 if shape == "square" else float(np.copysign(0.5, cosine))
    best = _solve(vectors, wanted)
    covariance = np.zeros((4, 4))  # of y1, x1, y2, x2
    for axis in (0, 1):
        rows = np.array([axis, 2 + axis])
        covariance[np.ix_(rows, rows)] = lattice.covariance_px2[axis] * lattice.stretch[axis] ** 2
    slope = np.zeros((2, 4))
    for n in range(4):
        moved = vectors.copy().ravel()
        step = 1e-4 * lengths.mean()
        moved[n] += step
        slope[:, n] = (_solve(moved.reshape(2, 2), wanted) - best) / step
    err = np.sqrt(np.diag(slope @ covariance @ slope.T))
    # From square pixels to those of the image.
    skew = lattice.stretch[0] / lattice.stretch[1]
    return ScanDrift(
        float(best[0]), float(best[1] * skew), float(err[0]), float(err[1] * skew), shape
    )


def _nearest_shape(lengths: FloatArray, cosine: float) -> CellShape | None:
    if abs(lengths[0] / lengths[1] - 1) > NEAR:
        return None
    if abs(abs(cosine) - 0.5) < NEAR:
        return "hexagonal"
    return "square" if abs(cosine) < NEAR else None


def _solve(vectors: FloatArray, cosine: float) -> FloatArray:
    """Stretch and shear."""
    (y1, x1), (y2, x2) = vectors
    # Products of vectors as (factor of m = p² + q², factor of q, constant).
    first = np.array([y1 * y1, 2 * x1 * y1, x1 * x1])
    second = np.array([y2 * y2, 2 * x2 * y2, x2 * x2])
    mixed = np.array([y1 * y2, x1 * y2 + x2 * y1, x1 * x2])
    conditions = np.stack([first - second, mixed - 0.5 * cosine * (first + second)])
    m, q = np.linalg.solve(conditions[:, :2], -conditions[:, 2])
    p = np.sqrt(max(m - q * q, 1e-6))
    return np.array([1 / p - 1, -q / p])

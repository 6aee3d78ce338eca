"""Scan distortion of one image, from its lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.distortion.drift import ScanDrift, drift_from_cell
from scanseg.distortion.lines import LineShift, fit_lines
from scanseg.distortion.settings import DistortionEstimation
from scanseg.errors import ScansegError
from scanseg.lattice.model import IndexedAtoms

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FAR_OFF", "MOST_OFF", "ScanDistortion", "column_width_px", "measure_distortion"]

FloatArray = NDArray[np.float64]

FEWEST_COLUMNS = 30
# Columns of a local parabola: 8 spacings around, in a triangular lattice.
MOST_NEIGHBOURS = 220
# Robust deviations, and part of the spacing, beyond which a column is displaced for a reason of its
# own. Either alone would drop lines that start off by more than all others.
MOST_OFF = 6.0
FAR_OFF = 0.15
# Fits of what changes slowly and of what lines have in common, one after the other.
ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class ScanDistortion:
    """What the scan did to the positions of an image.

    Parameters
    ----------
    shape
        (height, width) of the image.
    pixel_size_nm
        Along (y, x), or None.
    along_y, along_x
        Shift of the lines.
    drift
        Steady drift; None where the cell does not tell it.
    n_columns
        Columns that told it.
    """

    shape: tuple[int, int]
    pixel_size_nm: tuple[float, float] | None
    along_y: LineShift
    along_x: LineShift
    drift: ScanDrift | None
    n_columns: int

    def shift(self, y_px: FloatArray) -> FloatArray:
        """Shift (y, x) of the lines at N places, without the drift, shape (N, 2)."""
        return np.stack([self.along_y.at(y_px), self.along_x.at(y_px)], axis=1)

    def shift_err(self, y_px: FloatArray) -> FloatArray:
        """One standard deviation of it, shape (N, 2)."""
        return np.stack([self.along_y.err_at(y_px), self.along_x.err_at(y_px)], axis=1)

    def corrected(self, position_px: FloatArray) -> FloatArray:
        """Positions as an undistorted scan would show them, shape (N, 2)."""
        place = position_px - self.shift(position_px[:, 0])
        return place if self.drift is None else self.drift.corrected(place, self.shape)

    def correct(self, atoms: DataFrame) -> DataFrame:
        """The table with corrected positions beside the measured ones.

        Returns
        -------
        atoms
            With ``y_scan_px``, ``x_scan_px``, ``y_scan_nm``, ``x_scan_nm`` (corrected) and
            ``y_scan_err_px``, ``x_scan_err_px`` (error of the column and of its lines).
        """
        position = atoms[["y_px", "x_px"]].to_numpy(float)
        place = self.corrected(position)
        err = self.shift_err(position[:, 0])
        if "y_err_px" in atoms:
            err = np.hypot(err, atoms[["y_err_px", "x_err_px"]].to_numpy(float))
        size = self.pixel_size_nm or (np.nan, np.nan)
        return atoms.assign(
            y_scan_px=place[:, 0], x_scan_px=place[:, 1],
            y_scan_nm=place[:, 0] * size[0], x_scan_nm=place[:, 1] * size[1],
            y_scan_err_px=err[:, 0], x_scan_err_px=err[:, 1],
        )  # fmt: skip

    def row(self) -> dict[str, Any]:
        """The numbers of a table: jitter, drift, each with its error."""
        pm = 1000 * np.array(self.pixel_size_nm or (np.nan, np.nan))
        drift, height = self.drift, self.shape[0]
        nan = float("nan")
        return {
            "n_columns": self.n_columns,
            "jitter_y_px": self.along_y.rms_px, "jitter_y_err_px": self.along_y.rms_err_px,
            "jitter_x_px": self.along_x.rms_px, "jitter_x_err_px": self.along_x.rms_err_px,
            "jitter_y_pm": self.along_y.rms_px * pm[0],
            "jitter_y_err_pm": self.along_y.rms_err_px * pm[0],
            "jitter_x_pm": self.along_x.rms_px * pm[1],
            "jitter_x_err_pm": self.along_x.rms_err_px * pm[1],
            "scatter_y_px": self.along_y.scatter_px, "scatter_x_px": self.along_x.scatter_px,
            "cell": drift.cell if drift else "",
            "stretch": drift.stretch if drift else nan,
            "stretch_err": drift.stretch_err if drift else nan,
            "shear": drift.shear if drift else nan,
            "shear_err": drift.shear_err if drift else nan,
            "drift_y_px": drift.stretch * height if drift else nan,
            "drift_x_px": drift.shear * height if drift else nan,
            "drift_y_pm": drift.stretch * height * pm[0] if drift else nan,
            "drift_x_pm": drift.shear * height * pm[1] if drift else nan,
        }  # fmt: skip


def measure_distortion(
    indexed: IndexedAtoms, *, shape: tuple[int, int], config: DistortionEstimation | None = None
) -> ScanDistortion:
    """Measure drift and jitter of a scan from the lattices in it.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    shape
        (height, width) of the image.
    config
        What counts as distortion of the scan.

    Raises
    ------
    ScansegError
        Where fewer than 30 columns are on a lattice.

    Notes
    -----
    What columns of the same lines have in common, against the lattice of their grain and against
    what changes slowly over the image, is a shift of the lines: a real displacement differs from
    column to column, strain from region to region. Lines are taken along x, the fast axis.
    """
    config = config or DistortionEstimation()
    atoms = indexed.atoms
    names = ["y_px", "x_px", "dy_px", "dx_px", "dy_err_px", "dx_err_px"]
    values = atoms[names].to_numpy(float)
    usable = (atoms["grain"].to_numpy() >= 0) & np.isfinite(values[:, 2:4]).all(1)
    spacing = indexed.lattice().nearest_px if indexed.lattices else 0.0
    usable &= ~_astray(values[:, 2:4], usable, FAR_OFF * spacing)
    if "at_edge" in atoms and (inner := usable & ~atoms["at_edge"].to_numpy(bool)).sum() > 100:
        usable = inner
    if usable.sum() < FEWEST_COLUMNS:
        raise ScansegError(
            f"Only {int(usable.sum())} columns are on a lattice, and scan distortion is told by "
            f"what they have in common; {FEWEST_COLUMNS} is the least.",
            hint="Look at the overlay: is there a crystal, and are its columns found?",
        )
    values = values[usable]
    sigma = column_width_px(atoms, spacing)
    # On which line a column lies, its site says. Its own measured place would not do: in a row of
    # columns along x, noise in y would explain itself as a shift that grows from line to line.
    line = atoms["ideal_y_px"].to_numpy(float)[usable]
    slow = config.strain_length * spacing if config.slow_changes == "strain" else None
    shifts = [
        _lines(
            line, values[:, :2], values[:, 2 + axis], values[:, 4 + axis], n_rows=shape[0],
            sigma=sigma, slow_px=slow,
        )
        for axis in (0, 1)
    ]  # fmt: skip
    largest = indexed.lattice()
    return ScanDistortion(
        shape, largest.pixel_size_nm, shifts[0], shifts[1], drift_from_cell(largest, config.cell),
        int(usable.sum()),
    )  # fmt: skip


def column_width_px(atoms: DataFrame, spacing_px: float) -> float:
    """Median width of the columns; a fifth of the spacing where the table has none."""
    if "sigma_px" in atoms and atoms["sigma_px"].notna().any():
        return max(float(atoms["sigma_px"].median()), 0.5)
    return max(0.2 * spacing_px, 0.5)


def _astray(
    displacement: FloatArray, usable: NDArray[np.bool_], far_px: float
) -> NDArray[np.bool_]:
    """Columns far off their site."""
    known = displacement[usable]
    if not len(known):
        return np.zeros(len(displacement), np.bool_)
    middle = np.median(known, axis=0)
    scatter = 1.4826 * np.median(np.abs(known - middle), axis=0)
    limit = np.maximum(MOST_OFF * scatter, far_px)
    return np.asarray((np.abs(displacement - middle) > limit).any(1), np.bool_)


def _lines(
    line: FloatArray, place: FloatArray, displacement: FloatArray, err: FloatArray, *,
    n_rows: int, sigma: float, slow_px: float | None,
) -> LineShift:  # fmt: skip
    def fit(values: FloatArray) -> LineShift:
        return fit_lines(line, values, err, n_rows=n_rows, sigma_px=sigma)

    if slow_px is None:
        return fit(displacement - displacement.mean())
    smoother = _Smoother(place, slow_px)
    lines = fit(displacement - smoother(displacement))
    for _ in range(ROUNDS - 1):
        lines = fit(displacement - smoother(displacement - lines.at(line)))
    return lines


class _Smoother:
    """Local parabolas through values at places: what changes slowly in two dimensions.

    Planes would take half a period of a strain over 400 px for lines that start off.
    """

    def __init__(self, place: FloatArray, reach_px: float) -> None:
        from scipy.spatial import cKDTree

        near = min(len(place), MOST_NEIGHBOURS)
        distance, self._rows = cKDTree(place).query(place, k=near)
        weight = np.exp(-0.5 * (distance / (0.5 * reach_px)) ** 2)
        y, x = np.moveaxis((place[self._rows] - place[:, None]) / reach_px, 2, 0)
        design = np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=2)
        weighted = design * weight[..., None]
        normal = np.einsum("nki,nkj->nij", weighted, design)
        normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(6)
        # Only the value at the place itself is asked for: the first row of the solution.
        self._share = np.einsum("ni,nki->nk", np.linalg.inv(normal)[:, 0], weighted)

    def __call__(self, values: FloatArray) -> FloatArray:
        return np.asarray((self._share * values[self._rows]).sum(1))

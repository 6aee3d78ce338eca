"""Local strain and rotation of every column's surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scanseg.lattice._columns import FloatArray
from scanseg.lattice._grain import view_grains
from scanseg.lattice._local import fit_surroundings
from scanseg.lattice.model import IndexedAtoms, Lattice

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["measure_strain", "polar_strain"]


def measure_strain(
    indexed: IndexedAtoms, *, reference: Lattice | None = None, radius_cells: float = 1.6
) -> DataFrame:
    """Strain tensor and rotation at every column of a grain.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    reference
        The lattice that counts as unstrained, with as many sites: that of a substrate, say, from
        indexing its atoms alone. By default each grain's own mean lattice.
    radius_cells
        How far the columns of one fit may be, in units of the longer lattice vector. Larger is
        more precise and less local.

    Returns
    -------
    strain
        One row an atom of a grain, with the index of the table: ``grain``, ``y_px``, ``x_px``,
        ``eyy``, ``exx``, ``exy``, ``rotation_deg`` (anticlockwise as the image is seen), each with
        its ``_err`` (one standard deviation), and ``n_columns`` of the fit.

    Notes
    -----
    The deformation is split into a rotation and a stretch (polar decomposition), so that a large
    rotation is no strain. Neighbouring rows share columns: their errors are not independent.
    """
    from pandas import DataFrame, concat

    tables = []
    for view in view_grains(indexed):
        fits = fit_surroundings(view, radius_cells=radius_cells, reference=reference)
        eyy, exx, exy, rotation = polar_strain(fits.frame.transpose(0, 2, 1))
        c = fits.covariance
        shear_err = np.sqrt((c[:, 0, 1, 1] + c[:, 1, 0, 0]) / 4)
        atoms = indexed.atoms.iloc[view.rows]
        tables.append(
            DataFrame(
                {
                    "grain": view.lattice.grain,
                    "y_px": atoms["y_px"], "x_px": atoms["x_px"],
                    "eyy": eyy, "exx": exx, "exy": exy, "rotation_deg": np.rad2deg(rotation),
                    "eyy_err": np.sqrt(c[:, 0, 0, 0]), "exx_err": np.sqrt(c[:, 1, 1, 1]),
                    "exy_err": shear_err, "rotation_err_deg": np.rad2deg(shear_err),
                    "n_columns": fits.n_columns,
                },
                index=atoms.index,
            )
        )  # fmt: skip
    return concat(tables) if tables else DataFrame(columns=_COLUMNS)


_COLUMNS = [
    "grain", "y_px", "x_px", "eyy", "exx", "exy", "rotation_deg",
    "eyy_err", "exx_err", "exy_err", "rotation_err_deg", "n_columns",
]  # fmt: skip


def polar_strain(
    deformation: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Stretch and rotation of deformation gradients.

    Parameters
    ----------
    deformation
        Shape (..., 2, 2), on (y, x): a vector v becomes ``deformation @ v``.

    Returns
    -------
    eyy, exx, exy, rotation_rad
        The rotation is positive anticlockwise as the image is seen (y points down).

    Examples
    --------
    >>> eyy, exx, exy, rotation = polar_strain(np.diag([1.02, 0.99]))
    >>> float(eyy.round(3)), float(exx.round(3)), float(exy), float(rotation)
    (0.02, -0.01, 0.0, 0.0)
    """
    d = deformation
    rotation = np.arctan2(d[..., 1, 0] - d[..., 0, 1], d[..., 0, 0] + d[..., 1, 1])
    cos, sin = np.cos(rotation), np.sin(rotation)
    # The stretch is the transposed rotation times the deformation.
    eyy = cos * d[..., 0, 0] + sin * d[..., 1, 0] - 1
    exx = cos * d[..., 1, 1] - sin * d[..., 0, 1] - 1
    exy = cos * d[..., 0, 1] + sin * d[..., 1, 1]
    return eyy, exx, exy, rotation

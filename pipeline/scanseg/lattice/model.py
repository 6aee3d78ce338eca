"""Lattices with error bars, and the table of indexed atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scanseg.errors import ScansegError
from scanseg.lattice._columns import FloatArray

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["IndexedAtoms", "Lattice", "lattices_table"]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Lattice of a grain, S sites in its cell.

    Parameters
    ----------
    grain
        Number of the grain, 0 for the largest.
    origin_px
        (y, x) of the first site of the cell (0, 0), shape (2,).
    vectors_px
        a1 and a2 as rows, each (y, x), shape (2, 2).
    vectors_err_px
        One standard deviation of each, shape (2, 2).
    covariance_px2
        Of (a1, a2) along y and along x, shape (2, 2, 2); the axes are independent.
    site_px
        Offset of each site from the first one, shape (S, 2).
    site_err_px
        One standard deviation of it, shape (S, 2); 0 for the first.
    sublattices
        Names of the sites, the brightest first: A, B, C ...
    brightness
        Median amplitude of the columns on each site over the median of the image, shape (S,).
    scatter_px
        Standard deviation of the columns about the lattice beyond their error bars, along (y, x):
        strain, displacements and scan distortion.
    n_atoms
        Columns of the grain.
    pixel_size_nm
        (y, x), or None.
    """

    grain: int
    origin_px: FloatArray
    vectors_px: FloatArray
    vectors_err_px: FloatArray
    covariance_px2: FloatArray
    site_px: FloatArray
    site_err_px: FloatArray
    sublattices: tuple[str, ...]
    brightness: FloatArray
    scatter_px: FloatArray
    n_atoms: int
    pixel_size_nm: tuple[float, float] | None

    @property
    def stretch(self) -> FloatArray:
        """Square pixels (of equal area) a pixel along (y, x); ones without a calibration."""
        if self.pixel_size_nm is None:
            return np.ones(2)
        size = np.array(self.pixel_size_nm)
        return np.asarray(size / np.sqrt(size.prod()))

    @property
    def nm_per_px(self) -> float | None:
        """Side of a square pixel."""
        return float(np.sqrt(np.prod(self.pixel_size_nm))) if self.pixel_size_nm else None

    @property
    def lengths_px(self) -> FloatArray:
        """Lengths of a1 and a2 in square pixels, shape (2,)."""
        return np.asarray(np.linalg.norm(self.vectors_px * self.stretch, axis=1))

    @property
    def lengths_err_px(self) -> FloatArray:
        """One standard deviation of the lengths, shape (2,)."""
        square, error = self.vectors_px * self.stretch, self.vectors_err_px * self.stretch
        return np.asarray(np.sqrt(((square * error) ** 2).sum(1)) / self.lengths_px)

    @property
    def angle_deg(self) -> float:
        """Angle from a1 to a2."""
        first, second = self._directions()
        return float(np.rad2deg((second - first) % (2 * np.pi)))

    @property
    def angle_err_deg(self) -> float:
        """One standard deviation of the angle."""
        variance = 0.0
        square = self.vectors_px * self.stretch
        for axis, sign in ((0, -1.0), (1, 1.0)):
            # d(direction)/dy = -x / r², d(direction)/dx = y / r², for a2 minus a1.
            slope = sign * square[:, 1 - axis] / (square**2).sum(1) * [-1.0, 1.0]
            variance += float(slope @ (self.covariance_px2[axis] * self.stretch[axis] ** 2) @ slope)
        return float(np.rad2deg(np.sqrt(variance)))

    @property
    def rotation_deg(self) -> float:
        """Direction of a1, anticlockwise from the x axis as the image is seen."""
        return float(np.rad2deg(self._directions()[0]))

    @property
    def nearest_px(self) -> float:
        """Distance of nearest sites in square pixels."""
        steps = np.array([(i, j) for i in range(-2, 3) for j in range(-2, 3)]) @ self.vectors_px
        apart = steps[:, None, None] + self.site_px[None, :, None] - self.site_px[None, None]
        length = np.linalg.norm(apart * self.stretch, axis=-1)
        return float(length[length > 1e-6].min())

    def position_px(self, h: FloatArray, k: FloatArray, site: FloatArray) -> FloatArray:
        """(y, x) of sites, shape (..., 2)."""
        cell = np.stack([np.asarray(h), np.asarray(k)], axis=-1) @ self.vectors_px
        return np.asarray(self.origin_px + cell + self.site_px[np.asarray(site, int)])

    def _directions(self) -> FloatArray:
        square = self.vectors_px * self.stretch
        return np.asarray(np.arctan2(-square[:, 0], square[:, 1]))


@dataclass(frozen=True, slots=True, eq=False)
class IndexedAtoms:
    """Atoms with their place in a crystal.

    Parameters
    ----------
    atoms
        The table it was made from, in its order, and: ``grain`` (-1 for none), ``h``, ``k``,
        ``sublattice``, ``lattice_match`` (part of the surroundings that is as predicted),
        ``ideal_y_px``, ``ideal_x_px`` (site of the fitted lattice), ``dy_px``, ``dx_px``
        (displacement from it), ``dy_err_px``, ``dx_err_px`` (one standard deviation), ``dy_pm``,
        ``dx_pm``.
    lattices
        One a grain; ``lattices[g]`` is that of grain g.
    window_px
        Corners of what was seen, ((y, x), (y, x)).
    """

    atoms: DataFrame
    lattices: tuple[Lattice, ...]
    window_px: tuple[tuple[float, float], tuple[float, float]]

    def lattice(self) -> Lattice:
        """Lattice of the largest grain.

        Raises
        ------
        ScansegError
            Where nothing repeats.
        """
        if not self.lattices:
            raise ScansegError(
                f"No lattice was found among {len(self.atoms)} atoms.",
                hint="Look at the overlay: is there a crystal, and are its columns found?",
            )
        return self.lattices[0]


def lattices_table(indexed: IndexedAtoms) -> DataFrame:
    """One row a site of each grain's cell.

    Returns
    -------
    table
        ``grain``, ``n_atoms``, ``a1_px``, ``a2_px`` (lengths in square pixels), ``angle_deg``,
        ``rotation_deg`` (of a1, anticlockwise from x), each with ``_err_``; ``a1_nm``, ``a2_nm``;
        ``scatter_y_px``, ``scatter_x_px``; ``sublattice``, ``site_a1``, ``site_a2`` (fractions of
        the cell), ``brightness``.
    """
    from pandas import DataFrame

    rows = []
    for lattice in indexed.lattices:
        lengths, errors = lattice.lengths_px, lattice.lengths_err_px
        nm = lattice.nm_per_px or np.nan
        fraction = lattice.site_px @ np.linalg.inv(lattice.vectors_px)
        for name, (first, second), light in zip(
            lattice.sublattices, fraction, lattice.brightness, strict=True
        ):
            rows.append(
                {
                    "grain": lattice.grain, "n_atoms": lattice.n_atoms,
                    "a1_px": lengths[0], "a1_err_px": errors[0],
                    "a2_px": lengths[1], "a2_err_px": errors[1],
                    "angle_deg": lattice.angle_deg, "angle_err_deg": lattice.angle_err_deg,
                    "rotation_deg": lattice.rotation_deg,
                    "a1_nm": lengths[0] * nm, "a1_err_nm": errors[0] * nm,
                    "a2_nm": lengths[1] * nm, "a2_err_nm": errors[1] * nm,
                    "scatter_y_px": lattice.scatter_px[0], "scatter_x_px": lattice.scatter_px[1],
                    "sublattice": name, "site_a1": first, "site_a2": second, "brightness": light,
                }
            )  # fmt: skip
    return DataFrame(rows)

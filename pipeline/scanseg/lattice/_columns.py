"""Positions of a table of atoms, in pixels that are square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ScansegError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FloatArray", "IntArray", "PlacedColumns", "place_columns", "table_pixel_size_nm"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedColumns:
    """N columns where lengths and angles can be measured.

    A square pixel has the area of a pixel of the image; where pixels are not calibrated, or square
    anyway, it is the pixel of the image.

    Parameters
    ----------
    place
        (y, x) in square pixels, shape (N, 2).
    error
        One standard deviation of it, shape (N, 2); nan where it is not known.
    brightness
        Absolute amplitude, shape (N,); ones where the table has none.
    stretch
        Square pixels a pixel along (y, x), shape (2,).
    pixel_size_nm
        Of the image along (y, x), or None.
    """

    place: FloatArray
    error: FloatArray
    brightness: FloatArray
    stretch: FloatArray
    pixel_size_nm: tuple[float, float] | None

    def __len__(self) -> int:
        return len(self.place)


def place_columns(atoms: DataFrame) -> PlacedColumns:
    """Columns of one image.

    Parameters
    ----------
    atoms
        As :func:`scanseg.find_atoms` returns it; ``y_px`` and ``x_px`` are all that is needed.

    Raises
    ------
    ScansegError
        When positions are missing, or belong to several images.
    """
    for name in ("y_px", "x_px"):
        if name not in atoms:
            raise ScansegError(
                f"The table has no column '{name}', so no atom has a position.",
                hint="Pass the table of find_atoms, or one with y_px and x_px.",
            )
    for name in ("image", "frame"):
        if name in atoms and atoms[name].nunique(dropna=False) > 1:
            raise ScansegError(
                f"The table holds atoms of {atoms[name].nunique(dropna=False)} values of "
                f"'{name}'; a lattice belongs to one image.",
                hint=f"Select one, as in atoms[atoms.{name} == atoms.{name}.iloc[0]].",
            )
    position = _values(atoms, "y_px", "x_px")
    if not np.isfinite(position).all():
        raise ScansegError(
            "Some positions are empty.", hint="Drop them: atoms.dropna(subset=['y_px', 'x_px'])."
        )
    size = table_pixel_size_nm(atoms)
    stretch = np.array(size) / np.sqrt(size[0] * size[1]) if size else np.ones(2)
    return PlacedColumns(
        position * stretch, _values(atoms, "y_err_px", "x_err_px") * stretch, _brightness(atoms),
        stretch, size,
    )  # fmt: skip


def table_pixel_size_nm(atoms: DataFrame) -> tuple[float, float] | None:
    """Pixel size along (y, x) that a table was written with; None where it has no nanometres."""
    sizes = []
    for axis in ("y", "x"):
        if f"{axis}_nm" not in atoms or not len(atoms):
            return None
        px, nm = atoms[f"{axis}_px"].to_numpy(float), atoms[f"{axis}_nm"].to_numpy(float)
        far = int(np.argmax(np.abs(px)))
        if not (np.isfinite(nm[far]) and abs(px[far]) > 0 and nm[far] / px[far] > 0):
            return None
        sizes.append(float(nm[far] / px[far]))
    return sizes[0], sizes[1]


def _values(atoms: DataFrame, *names: str) -> FloatArray:
    columns = [
        atoms[name].to_numpy(np.float64) if name in atoms else np.full(len(atoms), np.nan)
        for name in names
    ]
    return np.stack(columns, axis=1)


def _brightness(atoms: DataFrame) -> FloatArray:
    """Absolute amplitude; what could not be fitted is taken as ordinary."""
    if "amplitude" not in atoms:
        return np.ones(len(atoms))
    amplitude = np.abs(atoms["amplitude"].to_numpy(np.float64))
    known = np.isfinite(amplitude)
    ordinary = float(np.median(amplitude[known])) if known.any() else 1.0
    return np.asarray(np.where(known, amplitude, ordinary) / max(ordinary, 1e-300))

"""Atoms as structures: XYZ, extended XYZ and CIF through ASE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from scanseg.errors import ConfigError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["as_structure", "write_structure"]

# Nothing is known along the beam: a slab of 1 nm leaves room around a sheet.
DEPTH_ANGSTROM = 10.0
# What goes into extended XYZ beside the position, where the table has it.
KEPT = (
    "y_px", "x_px", "y_err_px", "x_err_px", "probability", "amplitude", "sigma_px", "background",
    "at_edge", "fit_ok",
)  # fmt: skip


def as_structure(
    atoms: DataFrame, *, shape: tuple[int, int] | None, pixel_size_nm: tuple[float, float] | None,
    elements: Mapping[str, str] | None = None, notes: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Atoms of one image as ``ase.Atoms``.

    Parameters
    ----------
    atoms
        As :func:`scanseg.find_atoms` returns it.
    shape
        (height, width) of the image; the box around the atoms without it.
    pixel_size_nm
        Along (y, x). Without it a pixel counts as 1 Å, and ``info["unit"]`` says ``px``.
    elements
        Element of each class. A class that is called like an element needs none; others are X.
    notes
        For ``info``.

    Returns
    -------
    structure
        x to the right and y upwards as the image is seen, z = 0, in Å; the lower left corner is at
        the origin, and the cell is the field of view, not periodic.

    Raises
    ------
    ConfigError
        For an element that there is not.
    """
    from ase import Atoms
    from ase.data import chemical_symbols

    given = dict(elements or {})
    unknown = sorted(set(given.values()) - set(chemical_symbols))
    if unknown:
        raise ConfigError(
            f"There is no element '{unknown[0]}'.", hint="Write --element column=Sr, say."
        )
    position = atoms[["y_px", "x_px"]].to_numpy(float).reshape(-1, 2)
    if shape is None:
        high = position.max(0) if len(position) else np.zeros(2)
        shape = int(high[0]) + 2, int(high[1]) + 2
    scale = 10 * np.array(pixel_size_nm) if pixel_size_nm else np.ones(2)
    height, width = np.array(shape) * scale
    y = (shape[0] - 0.5 - position[:, 0]) * scale[0]
    x = (position[:, 1] + 0.5) * scale[1]
    names = atoms["class"].astype(str) if "class" in atoms else [""] * len(atoms)
    symbols = [given.get(name, name if name in chemical_symbols else "X") for name in names]
    structure: Any = Atoms(
        symbols, np.stack([x, y, np.zeros(len(x))], axis=1), pbc=False,
        cell=(width, height, DEPTH_ANGSTROM),
    )  # fmt: skip
    for name in KEPT:
        if name in atoms:
            structure.set_array(name, atoms[name].to_numpy())
    structure.info.update({"unit": "angstrom" if pixel_size_nm else "px", **(notes or {})})
    return structure


def write_structure(file: IO[str], structure: Any, *, format: str) -> None:
    """Write one structure behind what the file holds already.

    Parameters
    ----------
    file
        Open for text.
    structure
        From :func:`as_structure`.
    format
        ``xyz``, ``extxyz`` or ``cif``.
    """
    from ase.io import write

    if format == "xyz":
        # The plain format has a comment for all that is known beside positions.
        comment = " ".join(f"{key}={value}" for key, value in structure.info.items())
        write(file, structure, format="xyz", comment=comment, fmt="%18.10f")
    elif format == "extxyz":
        write(file, structure, format="extxyz")
    elif format == "cif":
        import io

        scratch = io.BytesIO()
        write(scratch, structure, format="cif")
        file.write(scratch.getvalue().decode())
    else:
        raise ValueError(f"no structure is written as {format!r}")

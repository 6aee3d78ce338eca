"""Atoms and their image as a file that Atomap loads: ``load_atom_lattice_from_hdf5``.

The layout is that of Atomap 0.4. It is written with h5py: Atomap, which is GPL-3.0, is not needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scanseg.micrograph import Micrograph

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["write_atomap"]

COLOURS = ("red", "blue", "green", "orange", "purple", "cyan")


def write_atomap(path: Path, atoms: DataFrame, image: Micrograph) -> None:
    """Write a sublattice for every class.

    Parameters
    ----------
    path
        File to write.
    atoms
        As :func:`scanseg.find_atoms` returns it.
    image
        What was measured.

    Notes
    -----
    Atomap has one pixel size: that along x. Positions there are (x, y) in pixels.
    """
    import h5py

    data = np.asarray(image.data, np.float32)
    size = image.pixel_size_nm[1] if image.pixel_size_nm else 1.0
    names = atoms["class"].astype(str) if "class" in atoms else None
    kinds = sorted(names.unique()) if names is not None else [""]
    with h5py.File(path, "w") as file:
        file.attrs["atom_lattice_type"] = "Atom_Lattice"
        file.attrs["name"] = image.source or path.stem
        file.attrs["pixel_separation"] = 10
        file["image_data"] = data
        for number, kind in enumerate(kinds):
            own = atoms if names is None else atoms[(names == kind).to_numpy()]
            group = file.create_group(f"sublattice{number}")
            group["modified_image_data"] = data
            group["original_image_data"] = data
            group["atom_positions"] = own[["x_px", "y_px"]].to_numpy(float)
            sigma = own["sigma_px"].to_numpy(float) if "sigma_px" in own else np.ones(len(own))
            for name in ("sigma_x", "sigma_y"):
                group[name] = np.nan_to_num(sigma, nan=1.0)
            group["rotation"] = np.zeros(len(own))
            group.attrs["sublattice_index"] = number
            group.attrs["pixel_size"] = size
            group.attrs["units"] = "nm" if image.pixel_size_nm else "pixel"
            group.attrs["name"] = kind
            group.attrs["tag"] = kind
            group.attrs["plot_color"] = COLOURS[number % len(COLOURS)]
            group.attrs["pixel_separation"] = 0.0

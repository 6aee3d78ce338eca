"""TopoStats: HDF5 with one levelled height map in nanometres."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scanseg.micrograph import Signal
from scanseg.readers._channel import Channel
from scanseg.readers.hdf5._datasets import dataset_channel
from scanseg.readers.hdf5._files import layout
from scanseg.readers.probe._names import probe_facts
from scanseg.readers.units import length_nm

if TYPE_CHECKING:
    import h5py

__all__ = ["read_topostats"]


def _is_topostats(file: h5py.File) -> bool:
    return any(key in file for key in ("topostats_file_version", "topostats_version"))


@layout("TopoStats", recognises=_is_topostats)
def read_topostats(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read the height map; what TopoStats found in it is left out."""
    image = file["image"]
    height, width = image.shape
    step_nm = length_nm(file["pixel_to_nm_scaling"][()], "nm")
    return [
        dataset_channel(
            image,
            path,
            name="image",
            shape=(height, width),
            n_frames=1,
            frame=lambda opened, index: np.asarray(opened[()]),
            pixel_size_nm=None if step_nm is None else (step_nm, step_nm),
            signal=Signal.TOPOGRAPHY,
            metadata={**probe_facts("image", unit="nm")[1], "quantity": "height"},
        )
    ]

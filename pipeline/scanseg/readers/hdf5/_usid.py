"""USID files (pyUSID) and JPK's movies (.h5-jpk): HDF5 with a row for every position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import RealImage
from scanseg.readers._channel import Channel
from scanseg.readers._safety import check_fits_memory, check_ratio
from scanseg.readers.hdf5._datasets import attribute, dataset_channel, is_dataset, nodes
from scanseg.readers.hdf5._files import layout
from scanseg.readers.probe._channels import told_apart
from scanseg.readers.probe._names import probe_facts
from scanseg.readers.units import pixel_size_nm

if TYPE_CHECKING:
    import h5py

__all__ = ["read_jpk_movie", "read_usid"]

USID, JPK = "USID", "JPK HDF5"
POSITIONS = ("Position_Indices", "Position_Values")
FRAMES = ("index", "time", "frame", "cycle")  # along the other axis; all else is a spectrum


def _main_datasets(file: h5py.File) -> list[h5py.Dataset]:
    return nodes(
        file, lambda node: is_dataset(node) and all(key in node.attrs for key in POSITIONS)
    )


def _is_jpk(file: h5py.File) -> bool:
    return str(attribute(file, "file-format-info", "")).startswith("JPK")


@layout(JPK, recognises=_is_jpk)
def read_jpk_movie(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read the channels of a fast scan, each in the calibration that JPK shows by default."""
    return told_apart(_channels(file, path))


@layout(USID, recognises=lambda file: bool(_main_datasets(file)))
def read_usid(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read the datasets with one value a position, or a series of them."""
    return told_apart(_channels(file, path))


def _channels(file: h5py.File, path: Path) -> list[Channel]:
    found = [_channel(dataset, file, path) for dataset in _main_datasets(file)]
    return [each for each in found if each is not None]


@dataclass(frozen=True, slots=True)
class _Raster:
    """Row and column of every position, row 0 on top."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    shape: tuple[int, int]
    pixel_size_nm: tuple[float, float] | None

    def image(self, values: NDArray[Any]) -> RealImage:
        """Values on the raster; NaN where there is no position."""
        image = np.full(self.shape, np.nan)
        image[self.rows, self.columns] = values
        return image


def _channel(dataset: h5py.Dataset, file: h5py.File, path: Path) -> Channel | None:
    if dataset.ndim != 2 or dataset.dtype.kind not in "buif":
        return None
    n_frames = dataset.shape[1]
    if n_frames > 1 and _other_axis(dataset, file) not in FRAMES:
        return None
    raster = _raster(dataset, file, path)
    if raster is None:
        return None
    group = dataset.parent
    factor, summand, unit = _scale(group, str(attribute(dataset, "units") or ""))
    direction = {"true": "retrace", "false": "trace"}.get(str(attribute(group, "retrace", "")), "")
    signal, facts = probe_facts(
        str(attribute(dataset, "quantity") or dataset.name.rpartition("/")[2]),
        unit=unit,
        direction=direction,
    )

    def frame(opened: h5py.Dataset, index: int) -> RealImage:
        return raster.image(opened[:, index] * factor + summand)

    return dataset_channel(
        dataset,
        path,
        name=facts["name"],
        shape=raster.shape,
        n_frames=n_frames,
        frame=frame,
        pixel_size_nm=raster.pixel_size_nm,
        signal=signal,
        metadata=facts,
    )


def _other_axis(dataset: h5py.Dataset, file: h5py.File) -> str:
    reference = dataset.attrs.get("Spectroscopic_Indices")
    labels = [] if reference is None else _labels(file[reference])
    return labels[0].lower() if len(labels) == 1 else ""


def _raster(dataset: h5py.Dataset, file: h5py.File, path: Path) -> _Raster | None:
    """Find the raster in the tables of positions, whose two columns are named x and y."""
    indices, values = (file[dataset.attrs[key]] for key in POSITIONS)
    labels = [label.lower() for label in _labels(indices)]
    if indices.shape != (dataset.shape[0], 2) or sorted(labels) != ["x", "y"]:
        return None
    for table in (indices, values):
        n_bytes = table.size * table.dtype.itemsize
        check_ratio(path, USID, n_bytes, path.stat().st_size)
        check_fits_memory(path, USID, n_bytes)
    y, x = labels.index("y"), labels.index("x")
    steps, positions = np.asarray(indices).astype(np.intp), np.asarray(values, float)
    height, width = (int(steps[:, axis].max()) + 1 for axis in (y, x))
    if steps.min() < 0 or height * width > 2 * len(steps):  # a list of places, no raster
        return None
    units = [str(text) for text in _texts(values, "units")]
    along_y, along_x = (_step(steps[:, axis], positions[:, axis]) for axis in (y, x))
    unit_y, unit_x = (units[axis] if axis < len(units) else "" for axis in (y, x))
    rows, columns = steps[:, y], steps[:, x]
    return _Raster(
        # positions are coordinates: y points up, x to the right
        height - 1 - rows if along_y > 0 else rows,
        width - 1 - columns if along_x < 0 else columns,
        (height, width),
        pixel_size_nm(abs(along_y), abs(along_x), unit_y, unit_x),
    )


def _step(indices: NDArray[np.intp], positions: NDArray[np.float64]) -> float:
    """Distance from one index to the next."""
    first, last = int(indices.argmin()), int(indices.argmax())
    n_steps = int(indices[last] - indices[first])
    return float(positions[last] - positions[first]) / n_steps if n_steps else 0.0


def _labels(table: h5py.Dataset) -> list[str]:
    return _texts(table, "labels")


def _texts(node: h5py.Dataset, name: str) -> list[str]:
    values = np.atleast_1d(np.asarray(node.attrs.get(name, [])))
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def _scale(group: h5py.Group, unit: str) -> tuple[float, float, str]:
    """Factor, summand and unit of JPK's default calibration; other USID files hold values."""
    key = "net-encoder.scaling"
    if f"{key}.multiplier" not in group.attrs:
        return 1.0, 0.0, unit
    return (
        float(attribute(group, f"{key}.multiplier")),
        float(attribute(group, f"{key}.offset", 0.0)),
        str(attribute(group, f"{key}.unit.unit", unit)),
    )

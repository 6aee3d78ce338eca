"""NSID files (pyNSID, sidpy): HDF5 whose datasets name their axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scanseg.micrograph import RealImage, Signal
from scanseg.readers._axes import Axis, ImageAxes, image_axes
from scanseg.readers._channel import Channel
from scanseg.readers._signals import signal_of
from scanseg.readers.hdf5._datasets import attribute, dataset_channel, is_dataset, nodes
from scanseg.readers.hdf5._files import layout
from scanseg.readers.probe._asylum import area_pixel_nm, asylum_mode, asylum_unit
from scanseg.readers.probe._names import probe_facts
from scanseg.readers.units import length_nm

if TYPE_CHECKING:
    import h5py

__all__ = ["read_nsid"]

IMAGE_TYPES = ("IMAGE", "IMAGE_STACK")
NOTE_KEYS = ("FastScanSize", "ImagingMode", "ScanPoints", "SlowScanSize")


def _main_datasets(file: h5py.File) -> list[h5py.Dataset]:
    return nodes(file, lambda node: is_dataset(node) and "main_data_name" in node.attrs)


@layout("NSID", recognises=lambda file: bool(_main_datasets(file)))
def read_nsid(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read every dataset marked as an image.

    Their axes are (x, y). Scans that came from Igor keep its order, in which y points up:
    ``rot90`` puts row 0 on top, as Gwyddion shows them.
    """
    channels = [_channel(dataset, path) for dataset in _main_datasets(file)]
    return _with_shared_calibration([each for each in channels if each is not None])


def _channel(dataset: h5py.Dataset, path: Path) -> Channel | None:
    if attribute(dataset, "data_type") not in IMAGE_TYPES or dataset.dtype.kind not in "buif":
        return None
    axes = [_axis(dataset, number) for number in range(dataset.ndim)]
    found = image_axes(axes)
    if found is None or len(found.planes) > 1:
        return None
    note = _note(dataset.parent.get("original_metadata"))
    from_igor = "ScanPoints" in note
    reciprocal = found.reciprocal and not from_igor  # the axes of a phase were labelled "deg"
    name = str(attribute(dataset, "quantity") or dataset.name.rpartition("/")[2])
    unit = str(attribute(dataset, "units") or "")
    signal, facts = probe_facts(
        name,
        unit=asylum_unit(name, unit, note) if from_igor else unit,
        mode=asylum_mode(note),
    )

    def frame(opened: h5py.Dataset, index: int) -> RealImage:
        stored = np.asarray(opened[found.selection(found.planes[0], index)])
        if not found.is_transposed:
            return stored
        return np.rot90(stored) if from_igor else stored.T

    return dataset_channel(
        dataset,
        path,
        name=name,
        shape=found.image_shape,
        n_frames=found.n_frames,
        frame=frame,
        pixel_size_nm=_pixel_size_nm(found, note),
        frame_time_s=found.frame_time_s,
        signal=signal if signal is not Signal.UNKNOWN else signal_of(name),
        metadata={**facts, **found.facts},
        reciprocal=reciprocal,
    )


def _note(original: h5py.Group | None) -> dict[str, str]:
    """Entries of the microscope's own header that are used; it has 650, and 40 ms would go by."""
    if original is None:
        return {}
    return {
        key: str(attribute(original, key))
        for key in original.attrs
        if key in NOTE_KEYS or key.startswith("User")
    }


def _pixel_size_nm(axes: ImageAxes, note: Mapping[str, str]) -> tuple[float, float] | None:
    """Pixel size of the axes; where Asylum's own entries are kept, as in its own files."""
    if axes.pixel_size_nm is None:
        return None
    sizes = (length_nm(note.get(key), "m") for key in ("SlowScanSize", "FastScanSize"))
    along_y, along_x = map(area_pixel_nm, axes.pixel_size_nm, axes.image_shape, sizes)
    return along_y, along_x


def _axis(dataset: h5py.Dataset, number: int) -> Axis:
    size = dataset.shape[number]
    scales = list(dataset.dims[number].values())
    if not scales or scales[0].shape[0] < 2:
        return Axis(size, name=dataset.dims[number].label)
    values = scales[0]
    return Axis(
        size,
        name=str(attribute(values, "name") or dataset.dims[number].label),
        unit=str(attribute(values, "units") or ""),
        scale=float(values[1] - values[0]),
    )


def _with_shared_calibration(channels: Sequence[Channel]) -> Sequence[Channel]:
    """Give channels without a pixel size that of the others of their shape.

    An old sidpy labelled the x and y axes of the phase channel "deg"; all channels of a scan have
    the same raster.
    """
    known = {c.shape: c.pixel_size_nm for c in channels if c.pixel_size_nm is not None}
    return [
        replace(c, pixel_size_nm=known.get(c.shape)) if c.pixel_size_nm is None else c
        for c in channels
    ]

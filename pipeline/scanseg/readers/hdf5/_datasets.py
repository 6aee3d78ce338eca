"""Datasets of an HDF5 file as channels, and what is written on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.micrograph import RealImage, Signal
from scanseg.readers._axes import Axis, Plane, image_axes
from scanseg.readers._channel import Channel
from scanseg.readers._safety import check_ratio

if TYPE_CHECKING:
    import h5py

__all__ = ["attribute", "axes_channels", "dataset_channel", "is_dataset", "nodes"]

FORMAT = "HDF5"

Node = Any  # h5py.Group or h5py.Dataset


def nodes(file: h5py.File, wanted: Callable[[Node], bool]) -> list[Any]:
    """Groups and datasets of a file, all the way down, of which ``wanted`` says yes."""
    found: list[Node] = []

    def visit(name: str, node: Node) -> None:
        if wanted(node):
            found.append(node)

    file.visititems(visit)
    return found


def is_dataset(node: Node) -> bool:
    """Whether a node is an array, not a group."""
    import h5py

    return isinstance(node, h5py.Dataset)


def dataset_channel(
    dataset: h5py.Dataset,
    path: Path,
    *,
    name: str,
    shape: tuple[int, int],
    n_frames: int,
    frame: Callable[[h5py.Dataset, int], RealImage],
    **known: Any,
) -> Channel:
    """Make a channel that reopens the file for every frame it loads.

    Parameters
    ----------
    dataset
        Where the pixels are.
    shape
        (height, width) of a frame.
    frame
        Takes the open dataset and an index, returns the pixels.
    known
        Calibration, signal and whatever else a Channel takes.
    """
    import h5py

    if not (dataset.is_virtual or dataset.external):  # those lie in other files
        declared_bytes = prod(dataset.shape) * dataset.dtype.itemsize
        check_ratio(path, FORMAT, declared_bytes, path.stat().st_size)
    address = dataset.name

    def load(index: int) -> RealImage:
        with h5py.File(path, "r") as file:
            return np.asarray(frame(file[address], index))

    return Channel(
        name=name,
        shape=shape,
        n_frames=n_frames,
        bytes_per_pixel=dataset.dtype.itemsize,
        load=load,
        **known,
    )


def axes_channels(
    dataset: h5py.Dataset,
    axes: Sequence[Axis],
    path: Path,
    *,
    name: str,
    signal: Signal = Signal.UNKNOWN,
    metadata: Mapping[str, Any] | None = None,
) -> Iterator[Channel]:
    """Make the channels of an array whose axes are known; none where it is no image."""
    found = image_axes(axes)
    if found is None or dataset.dtype.kind not in "buif":
        return

    for plane in found.planes:

        def frame(opened: h5py.Dataset, index: int, plane: Plane = plane) -> RealImage:
            stored = np.asarray(opened[found.selection(plane, index)])
            return stored.T if found.is_transposed else stored

        yield dataset_channel(
            dataset,
            path,
            name=f"{name} {plane.label}".strip(),
            shape=found.image_shape,
            n_frames=found.n_frames,
            frame=frame,
            pixel_size_nm=found.pixel_size_nm,
            frame_time_s=found.frame_time_s,
            signal=signal,
            metadata={**(metadata or {}), **found.facts},
            reciprocal=found.reciprocal,
        )


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """Read an attribute as plain Python: text decoded, arrays of one element unpacked."""
    value = node.attrs.get(name, default)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value

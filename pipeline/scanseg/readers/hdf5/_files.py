"""HDF5: the layouts of other programs where they are known, else the images found in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.micrograph import RealImage, Signal
from scanseg.readers._arrays import complex_image, layout_of
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._signals import signal_of
from scanseg.readers.hdf5._damage import refuse_endless_heap
from scanseg.readers.hdf5._datasets import attribute, dataset_channel, is_dataset, nodes

if TYPE_CHECKING:
    import h5py

__all__ = ["layout", "read_hdf5"]

FORMAT = "HDF5"
Recognise = Callable[["h5py.File"], bool]
LoadLayout = Callable[["h5py.File", Path], Sequence[Channel]]


@dataclass(frozen=True, slots=True)
class _Layout:
    format: str
    recognises: Recognise
    load: LoadLayout


_LAYOUTS: list[_Layout] = []


def layout(format: str, *, recognises: Recognise) -> Callable[[LoadLayout], LoadLayout]:
    """Register a function as the reader of a program's way to arrange an HDF5 file."""

    def register(load: LoadLayout) -> LoadLayout:
        _LAYOUTS.append(_Layout(format, recognises, load))
        return load

    return register


@reads(
    FORMAT,
    ".h5",
    ".hdf5",
    ".hdf",
    ".emd",
    ".hspy",
    ".nxs",
    ".nc",
    ".h5-jpk",
    ".topostats",
    starts_with=[b"\x89HDF\r\n\x1a\n"],
)
def read_hdf5(path: Path) -> Sequence[Channel]:
    """Read an HDF5 file: by its layout where that is known, else every image-like dataset."""
    import h5py

    refuse_endless_heap(path)
    with h5py.File(path, "r") as file:
        for known in _LAYOUTS:
            if known.recognises(file):
                return [_of_layout(each, known.format) for each in known.load(file, path)]
        return _any_images(file, path)


def _of_layout(channel: Channel, format: str) -> Channel:
    return replace(channel, metadata={**channel.metadata, "layout": format})


def _any_images(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Take every numeric dataset of two or three dimensions that is no table."""
    channels: list[Channel] = []
    n_complex = 0
    for dataset in nodes(file, _may_be_image):
        n_complex += dataset.dtype.kind == "c" and len(dataset.shape) >= 2
        cut = layout_of(dataset.shape, dataset.dtype)
        if cut is None or cut.n_samples > 1:
            continue
        name = dataset.name.lstrip("/")
        channels.append(
            dataset_channel(
                dataset,
                path,
                name=name,
                shape=(cut.height, cut.width),
                n_frames=cut.n_frames,
                frame=_frame_of(dataset.shape),
                signal=_signal(dataset, file, name),
            )
        )
    if n_complex and not channels:
        raise complex_image(path, FORMAT)
    return channels


def _may_be_image(node: h5py.Group | h5py.Dataset) -> bool:
    """Leave out what other programs say is no image: previews, and the values along an axis."""
    return (
        is_dataset(node)
        and node.shape is not None
        and "thumbnail" not in node.name.lower()
        and attribute(node, "CLASS") != "DIMENSION_SCALE"
    )


def _frame_of(shape: tuple[int, ...]) -> Callable[[h5py.Dataset, int], RealImage]:
    """Index one frame, axes of length 1 dropped as ``layout_of`` drops them."""
    trailing = (0,) if len(shape) == 4 and shape[-1] == 1 else ()
    body = shape[: len(shape) - len(trailing)]
    n_leading = 0
    while len(body) - n_leading > 2 and body[n_leading] == 1:
        n_leading += 1
    leading = (0,) * n_leading
    rest = body[n_leading:]
    if len(rest) == 3 and rest[-1] == 1 and min(rest[:2]) > 1:
        return lambda dataset, index: np.asarray(dataset[(*leading, ..., 0, *trailing)])
    if len(rest) == 2:
        return lambda dataset, index: np.asarray(dataset[(*leading, ..., *trailing)])
    return lambda dataset, index: np.asarray(dataset[(*leading, index, ..., *trailing)])


def _signal(node: h5py.Dataset, file: h5py.File, name: str) -> Signal:
    """Signal of a dataset, from its name, its attributes, or the metadata text beside it."""
    texts: list[str | None] = [name.rpartition("/")[2]]
    texts += [attribute(node, key) for key in ("signal", "detector", "title", "type of data")]
    beside = file.get("metadata")
    described = [attribute(node, "metadata"), beside[()] if _is_text(beside) else None]
    texts += [_type_of_data(text) for text in described]
    return signal_of(*(text for text in texts if text))


def _is_text(node: Any) -> bool:
    return getattr(node, "shape", None) == () and node.dtype.kind in "OS"


def _type_of_data(text: Any) -> str | None:
    """Entry ``type of data`` of a JSON description (the graphene libraries of pycroscopy)."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return None
    try:
        entries = json.loads(text)
    except ValueError:
        return None
    return entries.get("type of data") if isinstance(entries, dict) else None

"""HDF5: the layouts of other programs where they are known, else the images found in it."""

from __future__ import annotations

import json
import mmap
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.errors import Truncated, Unsupported
from scanseg.micrograph import RealImage, Signal
from scanseg.readers._arrays import layout_of
from scanseg.readers._axes import RECIPROCAL, Axis, Plane, image_axes
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_ratio
from scanseg.readers._signals import signal_of

if TYPE_CHECKING:
    import h5py

__all__ = ["attribute", "axes_channels", "dataset_channel", "layout", "read_hdf5"]

FORMAT = "HDF5"
HEAP_SIGNATURE = b"GCOL\x01\0\0\0"
SEARCHED_BYTES = 256 * 2**20
# The attribute of one text: type (text of any length, of 8-bit characters), shape (none), length.
TEXT_ATTRIBUTE = re.compile(
    rb"\x19\x01..\x10\0\0\0\x10...\x01\0\0\0\0\0\x08\0(?:\0{4})?(?:\x01\0{7}|\x02\0{3})(....)",
    re.DOTALL,
)
OPEN_S = 20.0
READ_NAMES = """
import sys, h5py
def visit(name, node):
    for key in node.attrs:
        node.attrs[key]
    if isinstance(node, h5py.Dataset) and node.dtype.kind == "O" and node.size < 1e6:
        node[()]
with h5py.File(sys.argv[1], "r") as file:
    visit("/", file)
    file.visititems(visit)
"""

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

    _refuse_endless_heap(path)
    with h5py.File(path, "r") as file:
        for known in _LAYOUTS:
            if known.recognises(file):
                return [_of_layout(each, known.format) for each in known.load(file, path)]
        return _any_images(file, path)


def _refuse_endless_heap(path: Path) -> None:
    """Look for damage at which the HDF5 library (2.0 and before) never returns, or takes GBs.

    Text lies in heaps of objects, each with its size. Free space of size 0 sends the library round
    for ever, inside C, where no time limit reaches (seen after 40 zeroed bytes of a Velox file);
    for an attribute it sets aside as much memory as the length before its text says (seen: 1.1 GB
    for a file of 30 kB). Both are found by their bytes; files too large to search are opened by
    another process first.
    """
    size = path.stat().st_size
    if size > SEARCHED_BYTES:
        _refuse_what_does_not_open(path)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
        start = contents.find(HEAP_SIGNATURE)
        while start >= 0:
            _walk_heap(contents, start, size, path)
            start = contents.find(HEAP_SIGNATURE, start + 1)
        for found in TEXT_ATTRIBUTE.finditer(contents):
            if int.from_bytes(found[1], "little") > size:
                raise _damaged_text(path, found.start(1))


def _refuse_what_does_not_open(path: Path) -> None:
    """Let another process read all names, attributes and texts, and give it a time limit."""
    command = [sys.executable, "-c", READ_NAMES, str(path)]
    try:
        done = subprocess.run(command, timeout=OPEN_S, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        died = True
    else:
        died = done.returncode < 0  # killed by a signal; an error comes again, with its reason
    if died:
        raise Truncated(
            path,
            f"the HDF5 library stumbles over its names and texts, or takes more than {OPEN_S:g} s.",
            format=FORMAT,
            hint="Copy or export the file again.",
        )


def _damaged_text(path: Path, position: int) -> Truncated:
    return Truncated(
        path,
        f"its table of texts is damaged at byte {position}.",
        format=FORMAT,
        hint="Copy or export the file again.",
    )


def _walk_heap(contents: mmap.mmap, start: int, file_bytes: int, path: Path) -> None:
    header = struct.Struct("<HHIQ")  # number, references, reserved, size of an object
    (n_bytes,) = struct.unpack_from("<Q", contents[start + 8 : start + 16].ljust(8, b"\0"))
    position, end = start + 16, min(start + n_bytes, file_bytes)
    while position + header.size <= end:
        number, _, _, size = header.unpack_from(contents, position)
        # free space, number 0, counts its header; objects do not, and are padded to 8 bytes
        step = size if number == 0 else header.size + -(-size // 8) * 8
        if step < header.size:
            raise _damaged_text(path, position)
        position += step


def _of_layout(channel: Channel, format: str) -> Channel:
    return replace(channel, metadata={**channel.metadata, "layout": format})


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
            warnings=(RECIPROCAL,) if found.reciprocal else (),
        )


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """Read an attribute as plain Python: text decoded, arrays of one element unpacked."""
    value = node.attrs.get(name, default)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value


def _any_images(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Take every numeric dataset of two or three dimensions that is no table."""
    import h5py

    channels: list[Channel] = []
    n_complex = 0

    def visit(name: str, node: h5py.Dataset | h5py.Group) -> None:
        nonlocal n_complex
        if not isinstance(node, h5py.Dataset) or node.shape is None:
            return
        if "thumbnail" in name.lower() or attribute(node, "CLASS") == "DIMENSION_SCALE":
            return
        n_complex += node.dtype.kind == "c" and len(node.shape) >= 2
        cut = layout_of(node.shape, node.dtype)
        if cut is None or cut.n_samples > 1:
            return
        channels.append(
            dataset_channel(
                node,
                path,
                name=name,
                shape=(cut.height, cut.width),
                n_frames=cut.n_frames,
                frame=_frame_of(node.shape),
                signal=_signal(node, file, name),
            )
        )

    file.visititems(visit)
    if n_complex and not channels:
        raise Unsupported(
            path,
            "its images are complex, and an image has one real value a pixel.",
            format=FORMAT,
            hint="Save the amplitude or the phase.",
        )
    return channels


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

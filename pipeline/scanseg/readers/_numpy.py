"""Arrays saved by numpy: .npy and .npz, never their pickled objects."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import NoImage, Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import Layout, complex_image, grey, layout_of
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent, check_fits_memory, check_ratio
from scanseg.readers._signals import signals_of_channels

__all__ = ["read_npy", "read_npz"]

# From here on an image is mapped instead of loaded: a 16,384 x 16,384 float32 image is 1 GB.
MAPPED_FROM_BYTES = 256 * 2**20


@reads("NPY", ".npy", starts_with=[b"\x93NUMPY"])
def read_npy(path: Path) -> Sequence[Channel]:
    """Read one array; three dimensions are frames, rows and columns."""
    with path.open("rb") as file:
        shape, dtype = _header(file, path, "NPY")
        start = file.tell()
    layout = _layout(shape, dtype, path, "NPY")
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    check_extent(path, "NPY", start + n_bytes, path.stat().st_size)

    def load(index: int) -> RealImage:
        mapped: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
        frame = mapped.reshape(layout.stored)[index]
        return frame if frame.nbytes >= MAPPED_FROM_BYTES else np.array(frame)

    return [_channel("", layout, dtype, load, path, "NPY")]


def _is_npz(header: bytes) -> bool:
    """Whether the first member of a zip archive is an array (a Word file is a zip archive too)."""
    name_length = int.from_bytes(header[26:28], "little")
    return header.startswith(b"PK\x03\x04") and header[30 : 30 + name_length].endswith(b".npy")


@reads("NPZ", ".npz", recognises=_is_npz)
def read_npz(path: Path) -> Sequence[Channel]:
    """Read every image-like array of an archive; names of the arrays are the channels.

    The names tell what was detected, where they hold a detector or an amplitude beside a phase.
    """
    channels = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                continue
            with archive.open(member) as file:
                try:
                    shape, dtype = _header(file, path, "NPZ")
                except Unsupported:
                    continue  # pickled objects beside the image
            layout = layout_of(shape, dtype)
            if layout is None:
                continue
            n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
            check_ratio(path, "NPZ", n_bytes, path.stat().st_size)
            name = member.filename.removesuffix(".npy")
            load = _from_archive(path, name, layout, n_bytes)
            channels.append(_channel(name, layout, dtype, load, path, "NPZ"))
    signals = signals_of_channels([each.name for each in channels])
    return [replace(each, signal=signal) for each, signal in zip(channels, signals, strict=True)]


def _from_archive(path: Path, name: str, layout: Layout, n_bytes: int) -> Any:
    """Unpack on first use and keep: a compressed member has no random access."""
    kept: list[NDArray[Any]] = []

    def load(index: int) -> RealImage:
        if not kept:
            check_fits_memory(path, "NPZ", n_bytes, what=f"the array {name}")
            with np.load(path, allow_pickle=False) as archive:
                kept.append(archive[name].reshape(layout.stored))
        frame: RealImage = kept[0][index]
        return frame

    return load


def _channel(
    name: str, layout: Layout, dtype: np.dtype[Any], load: Any, path: Path, format: str
) -> Channel:
    warnings: tuple[str, ...] = ()
    if layout.n_samples > 1:
        plain, load = load, lambda index: grey(plain(index), path, format)[0]
        warnings = grey(plain(0), path, format)[1]
    return Channel(
        name=name,
        shape=(layout.height, layout.width),
        n_frames=layout.n_frames,
        bytes_per_pixel=dtype.itemsize * layout.n_samples,
        load=load,
        warnings=warnings,
    )


def _header(file: BinaryIO | Any, path: Path, format: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise Unsupported(
            path,
            f"version {version} of the NPY format is not known.",
            format=format,
            hint="Save the array again with a plain numeric type.",
        )
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise Unsupported(
            path,
            "it holds pickled Python objects, which can run code when they are loaded.",
            format=format,
            hint="Save plain numbers: np.save(file, np.asarray(image, dtype=np.float32)).",
        )
    return tuple(int(length) for length in shape), dtype


def _layout(shape: tuple[int, ...], dtype: np.dtype[Any], path: Path, format: str) -> Layout:
    if dtype.kind == "c":
        raise complex_image(path, format)
    layout = layout_of(shape, dtype)
    if layout is None:
        raise NoImage(
            path,
            f"an array of shape {shape} and type {dtype} is neither an image (height, width) nor "
            "a stack (frames, height, width).",
            format=format,
            hint="Save one image or one stack of images a file.",
        )
    return layout

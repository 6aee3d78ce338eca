"""FEI's TIA: a .ser file an image series, an .emi file that names them.

The layout of .ser was published by C. Boothroyd (TIA reader plugin of DigitalMicrograph, 2006).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import NoImage, Truncated, Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import complex_image
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent
from scanseg.readers.units import pixel_size_nm, reciprocal_facts

__all__ = ["read_emi", "read_ser"]

FORMAT = "TIA"
IMAGES = 0x4122  # value of the type of data; 0x4120 are spectra
LONG_OFFSETS_FROM = 0x0220  # versions from here on have offsets of 64 bits
DTYPES = {1: "<u1", 2: "<u2", 3: "<u4", 4: "<i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
COMPLEX = (9, 10)
# The file has one number for metres and for 1/metres: pixels of images are below a millimetre,
# those of diffraction patterns above a thousand per metre.
SMALLEST_RECIPROCAL = 1.0

HEADER = struct.Struct("<HHHIIIII")  # order, id, version, data, tags, all and valid elements, ...
DIMENSION = struct.Struct("<IddII")  # size, offset, step, element, length of the description
ELEMENT = struct.Struct("<ddiddiHii")  # offset, step, element of x, of y, type, width, height


@dataclass(frozen=True, slots=True)
class _Series:
    """Header of a .ser file: where its frames lie, and whether they lie on a raster."""

    n_frames: int
    first_offset: int
    offset_bytes: int
    is_raster: bool


@reads(FORMAT, ".ser", starts_with=[b"II\x97\x01"])
def read_ser(path: Path) -> Sequence[Channel]:
    """Read the frames of a series; of those declared only the valid ones are there."""
    with path.open("rb") as file:
        header = _unpack(file, HEADER, path)
        _, _, version, kind, _, n_declared, n_valid, _ = header
        if kind != IMAGES or not n_valid:
            return ()
        series = _series(file, version, min(n_declared, n_valid), path)
        if series.is_raster:
            return ()
        return (_channel(file, series, path),)


@reads("TIA emi", ".emi", starts_with=[b"JK\0\x02"])
def read_emi(path: Path) -> Sequence[Channel]:
    """Read the .ser files that belong to an .emi: ``scan.emi`` has ``scan_1.ser``, ..."""
    numbered = re.compile(re.escape(path.stem) + r"_(\d+)\.ser", re.IGNORECASE)
    found = {
        int(m[1]): each for each in path.parent.iterdir() if (m := numbered.fullmatch(each.name))
    }
    files = [found[number] for number in sorted(found)]
    named = [(each, channel) for each in files for channel in read_ser(each)]
    if not named:
        raise NoImage(
            path,
            "its images lie in .ser files of the same name, and none with an image is beside it.",
            format=FORMAT,
            hint="Keep the .emi and its .ser files together, or read a .ser file itself.",
        )
    if len(named) == 1:
        return (named[0][1],)
    return tuple(replace(channel, name=each.stem) for each, channel in named)


def _series(file: BinaryIO, version: int, n_frames: int, path: Path) -> _Series:
    file.seek(HEADER.size - 4)
    offset_bytes = 8 if version >= LONG_OFFSETS_FROM else 4
    first_offset = int.from_bytes(file.read(offset_bytes), "little")
    n_dimensions = int.from_bytes(file.read(4), "little")
    units = [_unit_of_dimension(file, path) for _ in range(min(n_dimensions, 4))]
    check_extent(path, FORMAT, first_offset + n_frames * offset_bytes, path.stat().st_size)
    is_raster = any(unit.lower().startswith("met") for unit in units) and n_frames > 1
    return _Series(n_frames, first_offset, offset_bytes, is_raster)


def _unit_of_dimension(file: BinaryIO, path: Path) -> str:
    """Unit along which frames follow one another; metres where a probe was scanned."""
    *_, n_description = _unpack(file, DIMENSION, path)
    file.seek(n_description, 1)
    n_unit = int.from_bytes(file.read(4), "little")
    return file.read(min(n_unit, 64)).decode("latin-1")


def _channel(file: BinaryIO, series: _Series, path: Path) -> Channel:
    first = _element(file, series, 0, path)
    along_y, along_x, dtype, shape, _ = first
    reciprocal = max(along_y, along_x) >= SMALLEST_RECIPROCAL
    size = None if reciprocal else pixel_size_nm(along_y, along_x, "m")

    def load(index: int) -> RealImage:
        with path.open("rb") as opened:
            *_, dtype_here, shape_here, start = _element(opened, series, index, path)
            if shape_here != shape:
                raise Unsupported(
                    path,
                    f"frame {index} has {shape_here} pixels, and the first {shape}.",
                    format=FORMAT,
                    hint="Export the frames one by one.",
                )
            return _pixels(opened, start, dtype_here, shape)

    return Channel(
        name="",
        shape=shape,
        load=load,
        n_frames=series.n_frames,
        bytes_per_pixel=dtype.itemsize,
        pixel_size_nm=size,
        reciprocal=reciprocal,
        metadata=reciprocal_facts(along_y, along_x, "1/m") if reciprocal else {},
    )


def _element(
    file: BinaryIO, series: _Series, index: int, path: Path
) -> tuple[float, float, np.dtype[Any], tuple[int, int], int]:
    """Steps along y and x, type, (height, width) and first byte of a frame."""
    file.seek(series.first_offset + index * series.offset_bytes)
    file.seek(int.from_bytes(file.read(series.offset_bytes), "little"))
    _, along_x, _, _, along_y, _, code, width, height = _unpack(file, ELEMENT, path)
    if code in COMPLEX:
        raise complex_image(path, FORMAT)
    if code not in DTYPES or width < 1 or height < 1:
        raise _contradiction(path, f"an image of {height} x {width} pixels of type {code}")
    dtype, start = np.dtype(DTYPES[code]), file.tell()
    check_extent(path, FORMAT, start + height * width * dtype.itemsize, path.stat().st_size)
    return abs(along_y), abs(along_x), dtype, (height, width), start


def _pixels(
    file: BinaryIO, start: int, dtype: np.dtype[Any], shape: tuple[int, int]
) -> NDArray[Any]:
    file.seek(start)
    stored = np.fromfile(file, dtype, count=shape[0] * shape[1]).reshape(shape)
    return stored[::-1]  # the lowest row comes first


def _unpack(file: BinaryIO, layout: struct.Struct, path: Path) -> tuple[Any, ...]:
    stored = file.read(layout.size)
    if len(stored) < layout.size:
        raise _contradiction(path, "a header that is cut")
    return layout.unpack(stored)


def _contradiction(path: Path, what: str) -> Truncated:
    return Truncated(
        path, f"it declares {what}.", format=FORMAT, hint="Copy or export the file again."
    )

"""OME-Zarr of Zarr's second format: a folder, described by JSON, of compressed pieces.

It is recognised by ``.zattrs`` with ``multiscales``. Only compressors of Python's own library are
undone; other programs' Blosc pieces are refused with what to do.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import NoImage, Truncated, Unsupported
from scanseg.micrograph import RealImage, Signal
from scanseg.readers._axes import Axis, image_axes
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_fits_memory
from scanseg.readers._signals import signal_of

__all__ = ["OME_ZARR", "is_image_folder", "read_ome_zarr"]

OME_ZARR = FORMAT = "OME-Zarr"
HINT = "Save it as OME-TIFF, or as Zarr 2 with the compressor zlib or none."
LONGEST_JSON_BYTES = 2**20
WINDOW_BITS = {"zlib": 15, "gzip": 31}  # what zlib calls its two envelopes
_UNITS = {
    "picometer": "pm", "angstrom": "Å", "nanometer": "nm", "micrometer": "µm", "millimeter": "mm",
    "meter": "m", "nanosecond": "ns", "microsecond": "µs", "millisecond": "ms", "second": "s",
    "minute": "min", "hour": "h",
}  # fmt: skip


def is_image_folder(folder: Path) -> bool:
    """Whether a folder is an image rather than a place for files."""
    # os.path answers False for a folder that may not be opened, pathlib raises
    return any(os.path.isfile(folder / name) for name in (".zattrs", "zarr.json"))


@reads(FORMAT, ".zarr", recognises=lambda header: False)
def read_ome_zarr(folder: Path) -> Sequence[Channel]:
    """Read an image at its full resolution; ``t`` and ``z`` are frames, ``c`` channels."""
    if not (folder / ".zattrs").is_file():
        raise Unsupported(folder, "it is Zarr of the third format.", format=FORMAT, hint=HINT)
    described = _json(folder / ".zattrs")
    if not described.get("multiscales"):
        raise NoImage(
            folder, "its description names no image.", format=FORMAT, hint="Export the image."
        )
    multiscale = described["multiscales"][0]
    dataset = multiscale["datasets"][0]
    array = folder / _inside(folder, dataset["path"])
    facts = _json(array / ".zarray")
    shape = tuple(int(n) for n in facts["shape"])
    axes = _axes(multiscale, dataset, shape)
    found = image_axes(axes)
    if found is None or np.dtype(facts["dtype"]).kind not in "buif" or prod(shape) == 0:
        return ()
    check_fits_memory(folder, FORMAT, prod(found.image_shape) * np.dtype(facts["dtype"]).itemsize)
    notes = described.get("scanseg") or {}
    named = [each for each in Signal if each == notes.get("signal")]
    name = str(notes.get("channel") or "")
    return [
        Channel(
            name=f"{name} {plane.label}".strip(),
            shape=found.image_shape,
            n_frames=found.n_frames,
            bytes_per_pixel=np.dtype(facts["dtype"]).itemsize,
            load=lambda index, plane=plane: _frame(  # type: ignore[misc]
                array, facts, found.selection(plane, index), found.is_transposed
            ),
            pixel_size_nm=found.pixel_size_nm,
            frame_time_s=found.frame_time_s,
            signal=named[0] if named else signal_of(name),
            metadata={"unit": str(notes.get("unit", "")), "calibration": "ome", **found.facts},
            reciprocal=found.reciprocal,
        )
        for plane in found.planes
    ]


def _axes(
    multiscale: dict[str, Any], dataset: dict[str, Any], shape: tuple[int, ...]
) -> list[Axis]:
    changes = dataset.get("coordinateTransformations") or []
    scale: list[float] = next(
        (each["scale"] for each in changes if each.get("type") == "scale"), []
    )
    axes = multiscale.get("axes") or []
    if not len(shape) == len(axes) == len(scale):
        raise ValueError(f"{len(axes)} axes and {len(scale)} scales for {len(shape)} dimensions")
    return [
        Axis(
            size,
            name="channel" if axis.get("type") == "channel" else str(axis.get("name", "")),
            unit=_UNITS.get(str(axis.get("unit", "")), ""),
            scale=float(step),
            is_frames=axis.get("name") not in ("y", "x"),
        )
        for size, axis, step in zip(shape, axes, scale, strict=True)
    ]


def _frame(
    array: Path, facts: dict[str, Any], selection: tuple[int | slice, ...], transposed: bool
) -> RealImage:
    """Put the pieces of one frame together; a piece that is not there holds the fill value."""
    shape, chunks = facts["shape"], facts["chunks"]
    dtype = np.dtype(facts["dtype"])
    sides = [shape[d] for d, each in enumerate(selection) if isinstance(each, slice)]
    frame: NDArray[Any] = np.full(sides, facts.get("fill_value") or 0, dtype)
    whole = [d for d, each in enumerate(selection) if isinstance(each, slice)]
    held = [0 if isinstance(each, slice) else each for each in selection]
    for row in range(-(-sides[0] // chunks[whole[0]])):
        for column in range(-(-sides[1] // chunks[whole[1]])):
            number = [at // length for at, length in zip(held, chunks, strict=True)]
            number[whole[0]], number[whole[1]] = row, column
            piece = _piece(array, facts, number)
            if piece is None:
                continue
            inner = [at % length for at, length in zip(held, chunks, strict=True)]
            cut = tuple(slice(None) if d in whole else inner[d] for d in range(len(shape)))
            top, left = row * chunks[whole[0]], column * chunks[whole[1]]
            part = frame[top : top + chunks[whole[0]], left : left + chunks[whole[1]]]
            part[...] = piece[cut][: part.shape[0], : part.shape[1]]
    return frame.T if transposed else frame


def _piece(array: Path, facts: dict[str, Any], number: list[int]) -> NDArray[Any] | None:
    path = array / facts.get("dimension_separator", ".").join(map(str, number))
    if not path.is_file():
        return None
    compressor = facts.get("compressor")
    kind = None if compressor is None else str(compressor.get("id"))
    if kind not in (None, *WINDOW_BITS) or facts.get("filters"):
        raise Unsupported(
            array, f"its pieces are packed with {kind or 'a filter'}.", format=FORMAT, hint=HINT
        )
    dtype, chunks = np.dtype(facts["dtype"]), facts["chunks"]
    n_bytes = prod(chunks) * dtype.itemsize
    check_fits_memory(array, FORMAT, n_bytes, what="a piece")
    unpacked = path.read_bytes()
    if kind is not None:  # one byte more than is wanted, so that a bomb is seen and not unpacked
        unpacked = zlib.decompressobj(WINDOW_BITS[kind]).decompress(unpacked, n_bytes + 1)
    if len(unpacked) != n_bytes:
        raise Truncated(
            array,
            f"piece {path.relative_to(array)} has {len(unpacked)} bytes.",
            format=FORMAT,
            hint="Copy or export the folder again.",
        )
    return np.frombuffer(unpacked, dtype).reshape(chunks, order=facts.get("order", "C"))


def _inside(folder: Path, path: str) -> str:
    """A path that stays in the folder."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"the path {path!r} leads out of {folder.name}")
    return path


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LONGEST_JSON_BYTES:
        raise ValueError(f"{path.name} is larger than {LONGEST_JSON_BYTES} bytes")
    entries = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(entries, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return entries

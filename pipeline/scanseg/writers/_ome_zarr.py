"""Images and movies as OME-Zarr: a folder of compressed pieces with a description in JSON.

Zarr's second format with OME's version 0.4 is plain enough to be written without a library:
https://zarr-specs.readthedocs.io, https://ngff.openmicroscopy.org/0.4.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph, Stack

__all__ = ["write_ome_zarr"]

CHUNK_PX = 1024
ZLIB_LEVEL = 4


def write_ome_zarr(
    image: Micrograph | Stack, target: Path, *, title: str, notes: dict[str, str]
) -> None:
    """Write the folder ``target``, which appears whole or not at all and must not be there."""
    if target.exists():
        raise ConfigError(f"{target} is there already.", hint="Name another folder.")
    scratch = target.with_name(f".{target.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        _write_json(scratch / ".zgroup", {"zarr_format": 2})
        _write_json(scratch / ".zattrs", _description(image, title, notes))
        _write_frames(image, scratch / "0")
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _description(image: Micrograph | Stack, title: str, notes: dict[str, str]) -> dict[str, Any]:
    """OME's description; an axis without a unit has no known scale."""
    unit = {} if image.pixel_size_nm is None else {"unit": "nanometer"}
    axes: list[dict[str, str]] = [{"name": name, "type": "space", **unit} for name in "yx"]
    scale = list(image.pixel_size_nm or (1.0, 1.0))
    if image.n_frames > 1:
        timed = {} if image.frame_time_s is None else {"unit": "second"}
        axes.insert(0, {"name": "t", "type": "time", **timed})
        scale.insert(0, image.frame_time_s or 1.0)
    transformation = {"type": "scale", "scale": scale}
    return {
        "multiscales": [
            {
                "version": "0.4",
                "name": title,
                "axes": axes,
                "datasets": [{"path": "0", "coordinateTransformations": [transformation]}],
            }
        ],
        "scanseg": {"channel": image.channel, **notes},
    }


def _write_frames(image: Micrograph | Stack, folder: Path) -> None:
    first = image.frame(0).data
    leading = () if image.n_frames == 1 else (image.n_frames,)
    chunk = [min(CHUNK_PX, side) for side in first.shape]
    dtype = first.dtype.newbyteorder("<")
    _write_json(
        folder / ".zarray",
        {
            "zarr_format": 2,
            "shape": [*leading, *first.shape],
            "chunks": [*(1 for _ in leading), *chunk],
            "dtype": dtype.str,
            "compressor": {"id": "zlib", "level": ZLIB_LEVEL},
            "fill_value": 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        },
    )
    for index in range(image.n_frames):
        place = folder / str(index) if leading else folder
        _write_chunks(image.frame(index).data.astype(dtype, copy=False), chunk, place)


def _write_chunks(frame: NDArray[Any], chunk: list[int], folder: Path) -> None:
    """Cut a frame into pieces of one size, those at the border filled up with zeros."""
    height, width = chunk
    for row, top in enumerate(range(0, frame.shape[0], height)):
        (folder / str(row)).mkdir(parents=True, exist_ok=True)
        for column, left in enumerate(range(0, frame.shape[1], width)):
            part = frame[top : top + height, left : left + width]
            piece = np.zeros((height, width), frame.dtype)
            piece[: part.shape[0], : part.shape[1]] = part
            packed = zlib.compress(piece.tobytes(), ZLIB_LEVEL)
            (folder / str(row) / str(column)).write_bytes(packed)


def _write_json(path: Path, entries: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=1), encoding="utf-8")

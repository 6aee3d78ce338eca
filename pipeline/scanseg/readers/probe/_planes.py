"""Planes of numbers that lie uncompressed in a file."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import RealImage
from scanseg.readers._safety import check_extent, check_fits_memory

__all__ = ["stored_plane", "unfinished_rows"]


def stored_plane(
    path: Path,
    format: str,
    *,
    offset: int,
    dtype: str,
    shape: tuple[int, int],
) -> Callable[[], NDArray[Any]]:
    """Plane of numbers that lies uncompressed in a file, after a check that it lies there at all.

    Parameters
    ----------
    offset
        First byte.
    dtype
        With its byte order, "<f4".
    shape
        (rows, columns) as stored.
    """
    stored = np.dtype(dtype)
    if offset < 0 or min(shape) < 1:
        raise ValueError(f"a plane of {shape[0]} x {shape[1]} pixels at byte {offset}")
    n_bytes = prod(shape) * stored.itemsize
    check_extent(path, format, offset + n_bytes, path.stat().st_size)
    check_fits_memory(path, format, n_bytes)
    return lambda: np.fromfile(path, stored, count=prod(shape), offset=offset).reshape(shape)


def unfinished_rows(image: RealImage) -> tuple[str, ...]:
    """Warn of rows at the end of a scan that hold one value each: the scan was stopped there."""
    is_flat = (image == image[:, :1]).all(axis=1)
    if is_flat.all() or image.shape[1] < 8:
        return ()
    n_rows = max(_n_leading(is_flat), _n_leading(is_flat[::-1]))
    if n_rows < 2:
        return ()
    return (
        f"{n_rows} rows at an edge hold one value each: the scan was stopped, or the signal was "
        "out of range.",
    )


def _n_leading(flags: NDArray[np.bool_]) -> int:
    return int(np.argmin(flags)) if not flags.all() else len(flags)

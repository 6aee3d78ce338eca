"""Arrays that lie in a file: larger than the memory, and counted in it only where they are used."""

from __future__ import annotations

import mmap
import tempfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["LARGE_BYTES", "copied", "empty", "is_mapped", "let_go", "thinned"]

# Arrays from this size on are kept in a file: the probability of one class of 11,600² pixels.
LARGE_BYTES = 128 * 1024**2
# Rows that lie together, 16 MB of an image of 32,768². Of rows far apart each brings with it what
# the system keeps together of a file, up to 2 MB.
ROWS_AT_ONCE = 256
LONE_ROWS_AT_ONCE = 16


def empty(shape: tuple[int, ...], dtype: DTypeLike, *, folder: Path | None = None) -> NDArray[Any]:
    """An array to be filled, in the memory or, if it is large, in a file that has no name.

    Parameters
    ----------
    shape, dtype
        As for ``np.empty``.
    folder
        Where the file lies; without one, or if it does not exist, where temporary files do. It is
        gone with the array, however the program ends.
    """
    if prod(shape) * np.dtype(dtype).itemsize < LARGE_BYTES:
        return np.empty(shape, dtype)
    place = folder if folder is not None and folder.is_dir() else None
    with tempfile.TemporaryFile(dir=place) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array lies in a file."""
    return _mapping(array) is not None


def let_go(array: NDArray[Any]) -> None:
    """Give back the memory that an array in a file takes; it comes again as it is used.

    What has been read or written of a mapped file counts as memory of the program until somebody
    else needs it, up to the whole file. Called after every part, this keeps it to that part. Does
    nothing to arrays in the memory, nor on Windows.
    """
    mapping = _mapping(array)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def copied(part: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """A copy in the memory of part of an array; its file is given back some rows at a time."""
    if not is_mapped(part):
        return np.array(part, dtype)
    copy = np.empty(part.shape, dtype)
    for start in range(0, len(part), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        copy[rows] = part[rows]
        let_go(part)
    return copy


def thinned(array: NDArray[Any], step: int) -> NDArray[Any]:
    """Every so many-th row and column, shape as of ``array[::step, ::step]``."""
    some = array[::step, ::step]
    if not is_mapped(array):
        return some
    copy = np.empty(some.shape, some.dtype)
    for start in range(0, len(some), LONE_ROWS_AT_ONCE):
        rows = slice(start, start + LONE_ROWS_AT_ONCE)
        copy[rows] = some[rows]
        let_go(array)
    return copy


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None

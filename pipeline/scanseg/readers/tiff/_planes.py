"""Planes of a TIFF: how they are numbered, and how one is fetched and decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ExtraMissing, Truncated
from scanseg.readers._safety import check_extent, check_fits_memory, check_ratio, silence

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

__all__ = ["Planes", "missing_frames"]

FORMAT = "TIFF"
MAPPED_FROM_BYTES = 256 * 2**20  # uncompressed images from here on are mapped, not loaded


@dataclass(frozen=True, slots=True)
class Planes:
    """Planes of a series in file order: T time or depth steps, C channels, S samples a pixel.

    Parameters
    ----------
    load
        Returns plane ``index`` as stored, shape (height, width) or (height, width, S).
    leading
        Axes before the image, ``(letter, length)``.
    """

    load: Callable[[int], NDArray[Any]]
    leading: tuple[tuple[str, int], ...]
    height: int
    width: int
    n_samples: int

    @property
    def n_planes(self) -> int:
        """Planes of all channels."""
        return prod(length for _, length in self.leading)

    @property
    def n_channels(self) -> int:
        """Channels, 1 where the file has no such axis."""
        return prod(length for letter, length in self.leading if letter == "C")

    @classmethod
    def of(cls, series: TiffPageSeries, path: Path) -> Planes | None:
        """Find rows and columns among the axes; None where a series holds no image."""
        axes, shape = series.axes, tuple(series.shape)
        if series.dtype.kind not in "buif" or 0 in shape:
            return None
        if "Y" not in axes or "X" not in axes:
            return None
        n_samples = shape[axes.index("S")] if "S" in axes else 1
        leading = tuple((a, n) for a, n in zip(axes, shape, strict=True) if a not in "YXS")
        height, width = shape[axes.index("Y")], shape[axes.index("X")]
        n_planes = prod(n for _, n in leading)
        load = _plane_loader(series, path, n_planes)
        return cls(load, leading, height, width, n_samples)


def _plane_loader(
    series: TiffPageSeries, path: Path, n_planes: int
) -> Callable[[int], NDArray[Any]]:
    """Choose how planes are fetched: from the bytes, page by page, or all at once.

    A file is open only while a plane is read. tifffile's pages reopen it themselves, which keeps
    the walk through the page directory (16 ms for 300 pages) out of every frame.
    """
    file_bytes = path.stat().st_size
    in_order = series.axes.endswith("YXS" if "S" in series.axes else "YX")
    start = None if series.is_multifile else series.dataoffset
    if start is not None and in_order:
        check_extent(path, FORMAT, start + series.nbytes, file_bytes)
        return _from_bytes(series, path, n_planes, start)
    pages = [page for page in series.pages if page is not None]
    if len(pages) < len(series.pages):
        raise missing_frames(path, len(pages), len(series.pages))
    for page in pages:
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        check_extent(path, FORMAT, max(ends, default=0), page.parent.filehandle.size)
    check_ratio(path, FORMAT, series.nbytes, file_bytes)
    if len(pages) == n_planes and in_order:
        return lambda index: _decoded(pages[index], path)
    return _all_at_once(series, path, n_planes)


def _from_bytes(
    series: TiffPageSeries, path: Path, n_planes: int, start: int
) -> Callable[[int], NDArray[Any]]:
    """Planes that lie uncompressed one behind the other."""
    byte_order = series.keyframe.parent.byteorder
    dtype = np.dtype(series.dtype).newbyteorder(byte_order)
    shape = tuple(series.shape[len(series.shape) - 2 - ("S" in series.axes) :])
    n_values = prod(shape)

    def load(index: int) -> NDArray[Any]:
        offset = start + index * n_values * dtype.itemsize
        if n_values * dtype.itemsize >= MAPPED_FROM_BYTES:
            return np.memmap(path, dtype, mode="r", offset=offset, shape=shape)
        return np.fromfile(path, dtype, count=n_values, offset=offset).reshape(shape)

    return load


def _decoded(page: TiffPage | TiffFrame, path: Path) -> NDArray[Any]:
    """Decode one page, by Pillow where tifffile lacks the codec."""
    try:
        with _reopened(page.parent):
            return page.asarray()
    except (ImportError, ValueError) as error:
        if not _wants_codec(error):
            raise
        return _by_pillow(page, path, error)


def _wants_codec(error: ImportError | ValueError) -> bool:
    """Whether imagecodecs is missing; for ZSTD, tifffile asks Python 3.14's own module first."""
    return isinstance(error, ImportError) or "imagecodecs" in str(error)


@contextmanager
def _reopened(tif: TiffFile) -> Iterator[None]:
    """Open a file again whose pages are known, for as long as one plane takes."""
    handle = tif.filehandle
    was_closed = handle.closed
    if was_closed:
        handle.open()
    try:
        yield
    finally:
        if was_closed:
            handle.close()


def _by_pillow(page: TiffPage | TiffFrame, path: Path, error: Exception) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    silence("PIL")
    try:
        with Image.open(path) as picture:
            picture.seek(page.index)
            pixels = np.asarray(picture)
    except (OSError, UnidentifiedImageError, EOFError, TypeError, SyntaxError):
        pixels = np.empty(0)
    if pixels.shape[:2] != page.shape[:2]:
        raise _codec_missing(page, path) from error
    return pixels


@contextmanager
def _codec_named(page: TiffPage | TiffFrame, path: Path) -> Iterator[None]:
    """Say which extra is missing where tifffile says which package is."""
    try:
        yield
    except (ImportError, ValueError) as error:
        if not _wants_codec(error):
            raise
        raise _codec_missing(page, path) from error


def _codec_missing(page: TiffPage | TiffFrame, path: Path) -> ExtraMissing:
    codec = getattr(page.compression, "name", page.compression)
    return ExtraMissing(
        path,
        f"its pages are compressed with {codec}, which the optional extra codecs reads.",
        format=FORMAT,
        hint="Run: pip install 'scanseg[codecs]'. Or save it uncompressed.",
    )


def _all_at_once(
    series: TiffPageSeries, path: Path, n_planes: int
) -> Callable[[int], NDArray[Any]]:
    """Pages that are no planes (colours stored apart, volumes): decoded together on first use."""
    kept: list[NDArray[Any]] = []
    order = [axis for axis in series.axes if axis not in "YXS"]
    order += [axis for axis in "YXS" if axis in series.axes]

    def load(index: int) -> NDArray[Any]:
        if not kept:
            check_fits_memory(path, FORMAT, series.nbytes)
            with _reopened(series.keyframe.parent), _codec_named(series.keyframe, path):
                data = series.asarray()
            data = data.transpose([series.axes.index(axis) for axis in order])
            kept.append(data.reshape(n_planes, *data.shape[len(order) - _n_inner(order) :]))
        plane: NDArray[Any] = kept[0][index]
        return plane

    return load


def _n_inner(order: list[str]) -> int:
    return 3 if "S" in order else 2


def missing_frames(path: Path, found: int, declared: int) -> Truncated:
    return Truncated(
        path,
        f"it declares {declared} frames, and {found} are there.",
        format=FORMAT,
        hint="Copy or export it again.",
    )

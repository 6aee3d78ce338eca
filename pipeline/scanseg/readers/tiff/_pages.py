"""The TIFF family: ImageJ, OME, FEI, Zeiss, SIS, DigitalMicrograph and plain files, by tifffile."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ExtraMissing, Truncated, Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import grey
from scanseg.readers._channel import Channel
from scanseg.readers._pictures import LOSSY
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent, check_fits_memory, check_ratio, silence
from scanseg.readers._signals import signal_of
from scanseg.readers.tiff._calibration import Facts, facts_of, n_ome_planes
from scanseg.readers.tiff._probes import scanning_probe_channels

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

__all__ = ["read_tiff"]

FORMAT = "TIFF"
MAPPED_FROM_BYTES = 256 * 2**20  # uncompressed images from here on are mapped, not loaded

MINISWHITE, PALETTE = 0, 3  # values of the photometric tag
JPEG_COMPRESSIONS = (6, 7)  # values of the compression tag: old and new


@reads(
    FORMAT,
    ".tif",
    ".tiff",
    ".tf8",
    ".btf",
    ".jpk",
    starts_with=[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"],
)
def read_tiff(path: Path) -> Sequence[Channel]:
    """Read a TIFF: pages of equal shape are frames, of unequal shape channels."""
    import tifffile

    silence("tifffile")
    with tifffile.TiffFile(path) as tif:
        if not len(tif.pages):
            raise Truncated(
                path,
                "it ends before its first page.",
                format=FORMAT,
                hint="Copy or export it again.",
            )
        scan = scanning_probe_channels(tif, path)
        if scan is not None:
            return scan
        _refuse_broken_directory(tif, path)
        _refuse_missing_frames(tif, path)
        series = _without_previews(tif.series)
        names = [f"series {number}" for number in range(len(series))] if len(series) > 1 else [""]
        return [
            channel
            for each, name in zip(series, names, strict=True)
            for channel in _channels_of(each, name, tif, path)
        ]


def _without_previews(series: Sequence[TiffPageSeries]) -> Sequence[TiffPageSeries]:
    """Leave out reduced copies, and coloured pictures beside the grey data."""
    full = [each for each in series if not each.keyframe.is_reduced] or list(series)
    return [each for each in full if "S" not in each.axes] or full


def _channels_of(
    series: TiffPageSeries, series_name: str, tif: TiffFile, path: Path
) -> Iterator[Channel]:
    """Split a series of pages along its channel axis."""
    planes = _Planes.of(series, path)
    if planes is None:
        return
    page = series.keyframe
    facts = facts_of(tif, page, list(tif.series).index(series))
    if facts.spectral:
        return
    load, shape, doubts = _finished(planes, page, facts, path)
    n_channels = planes.n_channels
    if n_channels > 1 and _are_frames(series, tif):
        doubts += (f"Its {n_channels} unnamed grey channels are read as the frames of a movie.",)
        n_channels = 1
    for c in range(n_channels):
        label = facts.channel_names[c] if c < len(facts.channel_names) else ""
        number = f"channel {c}" if n_channels > 1 else ""
        name = label or ", ".join(part for part in (series_name, number) if part)
        yield Channel(
            name=name,
            shape=shape,
            n_frames=planes.n_planes // n_channels,
            bytes_per_pixel=series.dtype.itemsize * planes.n_samples,
            load=_frames_of_channel(load, planes, c) if n_channels > 1 else load,
            pixel_size_nm=facts.pixel_size_nm,
            signal=signal_of(label) if label and n_channels > 1 else facts.signal,
            frame_time_s=facts.frame_time_s if planes.n_planes > n_channels else None,
            metadata={"axes": series.axes, **facts.notes},
            warnings=(*facts.warnings, *doubts),
            reciprocal=facts.reciprocal,
        )


def _are_frames(series: TiffPageSeries, tif: TiffFile) -> bool:
    """Whether "channels" are a movie: tifffile calls the first axis of a stack so for ImageJ.

    Real channels come with a composite or colour mode, with labels, or beside a time axis.
    """
    description = tif.imagej_metadata or {}
    return (
        series.kind == "imagej"
        and description.get("mode") == "grayscale"
        and "Labels" not in description
        and series.axes.startswith("CYX")
    )


@dataclass(frozen=True, slots=True)
class _Planes:
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
    def of(cls, series: TiffPageSeries, path: Path) -> _Planes | None:
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
        raise _missing_frames(path, len(pages), len(series.pages))
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


def _finished(
    planes: _Planes, page: TiffPage, facts: Facts, path: Path
) -> tuple[Callable[[int], RealImage], tuple[int, int], tuple[str, ...]]:
    """Undo what the format did to the values: colours, inverted greys, a burnt-in data bar.

    Returns
    -------
    load, shape, warnings
        The loader of a finished plane, its (height, width), and what a user must know.
    """
    doubts: list[str] = []
    height = planes.height
    if facts.data_rows is not None and facts.data_rows < height:
        doubts.append(f"The last {height - facts.data_rows} rows are a data bar and were cut off.")
        height = facts.data_rows
    if page.compression in JPEG_COMPRESSIONS:
        doubts.append(LOSSY)
    if page.photometric == PALETTE:
        doubts.append("Its colour table is left out: the stored numbers are the grey values.")
    # not for masks of one bit, which are written so without being turned over
    invert = page.photometric == MINISWHITE and page.dtype is not None and page.dtype.kind == "u"

    def load(index: int) -> RealImage:
        plane = planes.load(index)[:height]
        if planes.n_samples > 1:
            plane = _one_value_a_pixel(plane, path)[0]
        return np.invert(plane) if invert else plane

    if planes.n_samples > 1:
        check_fits_memory(path, FORMAT, planes.height * planes.width * planes.n_samples * 8)
        doubts += _one_value_a_pixel(planes.load(0)[:height], path)[1]
    return load, (height, planes.width), tuple(doubts)


def _one_value_a_pixel(colours: NDArray[Any], path: Path) -> tuple[RealImage, tuple[str, ...]]:
    """Grey values of a plane with several samples a pixel; two are grey and opacity."""
    n_samples = colours.shape[-1]
    if n_samples == 2:
        return colours[..., 0], ()
    if n_samples > 4:
        raise Unsupported(
            path,
            f"it has {n_samples} values a pixel, and an image has one.",
            format=FORMAT,
            hint="Save every plane as a page of its own.",
        )
    return grey(colours, path, FORMAT)


def _frames_of_channel(
    load: Callable[[int], RealImage], planes: _Planes, channel: int
) -> Callable[[int], RealImage]:
    """Number the frames of one channel, all other axes run through in the file's order."""
    numbers = np.arange(planes.n_planes).reshape([length for _, length in planes.leading])
    axis = [letter for letter, _ in planes.leading].index("C")
    numbers = np.take(numbers, channel, axis).reshape(-1)
    return lambda index: load(int(numbers[index]))


def _refuse_broken_directory(tif: TiffFile, path: Path) -> None:
    """Check that the last page found is the last page: its pointer to the next one is 0.

    tifffile stops at a pointer that leads out of a cut file, and reads what came before.
    """
    layout, file = tif.tiff, tif.filehandle
    last = tif.pages[len(tif.pages) - 1]
    file.seek(last.offset)
    (n_tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    file.seek(last.offset + layout.tagnosize + n_tags * layout.tagsize)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    check_extent(path, FORMAT, following, file.size)


def _refuse_missing_frames(tif: TiffFile, path: Path) -> None:
    """Compare the frames that the description declares with those in the file.

    tifffile returns what is left of a cut ImageJ stack as a smaller image, without an error.
    """
    found = sum(_n_planes_of(series) for series in tif.series)
    description = tif.imagej_metadata or {}
    declared = max(int(description.get("images", 1)), n_ome_planes(tif))
    if tif.is_shaped and tif.shaped_metadata:
        shape = [entry["shape"] for entry in tif.shaped_metadata if "shape" in entry]
        page = prod(tif.pages.first.shape)
        declared = max(declared, *(prod(each) // max(page, 1) for each in shape), 1)
    if found < declared:
        raise _missing_frames(path, found, declared)


def _n_planes_of(series: TiffPageSeries) -> int:
    return prod(n for axis, n in zip(series.axes, series.shape, strict=True) if axis not in "YXS")


def _missing_frames(path: Path, found: int, declared: int) -> Truncated:
    return Truncated(
        path,
        f"it declares {declared} frames, and {found} are there.",
        format=FORMAT,
        hint="Copy or export it again.",
    )

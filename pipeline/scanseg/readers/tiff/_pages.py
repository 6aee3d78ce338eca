"""The TIFF family: ImageJ, OME, FEI, Zeiss, SIS, DigitalMicrograph and plain files, by tifffile."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import Truncated, Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import grey
from scanseg.readers._channel import Channel
from scanseg.readers._pictures import LOSSY
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent, check_fits_memory, silence
from scanseg.readers._signals import signals_of_channels
from scanseg.readers.tiff._calibration import facts_of, n_ome_planes
from scanseg.readers.tiff._facts import Facts
from scanseg.readers.tiff._planes import Planes, missing_frames
from scanseg.readers.tiff._probes import scanning_probe_channels

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

__all__ = ["read_tiff"]

FORMAT = "TIFF"

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
    planes = Planes.of(series, path)
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
    signals = facts.channel_signals or signals_of_channels(facts.channel_names)
    for c in range(n_channels):
        label = facts.channel_names[c] if c < len(facts.channel_names) else ""
        unit = {"unit": facts.channel_units[c]} if c < len(facts.channel_units) else {}
        number = f"channel {c}" if n_channels > 1 else ""
        name = label or ", ".join(part for part in (series_name, number) if part)
        yield Channel(
            name=name,
            shape=shape,
            n_frames=planes.n_planes // n_channels,
            bytes_per_pixel=series.dtype.itemsize * planes.n_samples,
            load=_frames_of_channel(load, planes, c) if n_channels > 1 else load,
            pixel_size_nm=facts.pixel_size_nm,
            signal=signals[c] if n_channels > 1 and c < len(signals) else facts.signal,
            frame_time_s=facts.frame_time_s if planes.n_planes > n_channels else None,
            metadata={"axes": series.axes, **facts.notes, **unit},
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


def _finished(
    planes: Planes, page: TiffPage, facts: Facts, path: Path
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
    load: Callable[[int], RealImage], planes: Planes, channel: int
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
        raise missing_frames(path, found, declared)


def _n_planes_of(series: TiffPageSeries) -> int:
    return prod(n for axis, n in zip(series.axes, series.shape, strict=True) if axis not in "YXS")

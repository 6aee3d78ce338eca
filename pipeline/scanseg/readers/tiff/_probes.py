"""Park and JPK scans: TIFF files whose values lie beside a coloured preview."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._safety import check_extent
from scanseg.readers.probe._channels import probe_channel, told_apart
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import pixel_size_nm

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["scanning_probe_channels"]

PARK, JPK = "Park TIFF", "JPK"

PARK_MAGIC_TAG, PARK_MAGIC, PARK_DATA, PARK_HEADER = 50432, 0x0E031301, 50434, 50435
# What is used of Park's header of an image: first byte and layout. Lengths are in µm.
PARK_FIELDS = {
    "kind": (0, "<i"), "name": (4, "<64s"), "mode": (68, "<16s"), "width": (100, "<i"),
    "height": (104, "<i"), "size_x": (140, "<d"), "size_y": (148, "<d"), "gain": (220, "<d"),
    "scale": (228, "<d"), "offset": (236, "<d"), "unit": (244, "<16s"), "dtype": (348, "<i"),
}  # fmt: skip
PARK_HEADER_BYTES = 352
PARK_DTYPES = ("<i2", "<i4", "<f4")

JPK_VERSION, JPK_MODE, JPK_SIZE_X, JPK_SIZE_Y = 32768, 32816, 32834, 32835
JPK_NAME, JPK_RETRACE, JPK_TITLE = 32848, 32849, 32850
JPK_N_SLOTS, JPK_DEFAULT_SLOT = 32896, 32897
JPK_SLOTS, JPK_SLOT_TAGS = 32912, 48  # tag of the first slot's name, tags from slot to slot
JPK_UNIT, JPK_SCALING, JPK_FACTOR, JPK_SUMMAND = 18, 19, 20, 21  # counted from the slot's name


def scanning_probe_channels(tif: TiffFile, path: Path) -> Sequence[Channel] | None:
    """Channels of a Park or a JPK scan; None for any other TIFF."""
    tags = tif.pages.first.tags
    if PARK_MAGIC_TAG in tags and tags[PARK_MAGIC_TAG].value == PARK_MAGIC:
        return [_park_channel(tags, path)]
    if JPK_VERSION in tags and JPK_MODE in tags:
        return told_apart(list(_jpk_channels(tif, path)))
    return None


def _park_channel(tags: Any, path: Path) -> Channel:
    header = _park_header(tags, path)
    shape = header["height"], header["width"]
    plane = stored_plane(
        path,
        PARK,
        offset=tags[PARK_DATA].valueoffset,
        dtype=PARK_DTYPES[header["dtype"]],
        shape=shape,
    )
    gain, scale, offset = header["gain"], header["scale"], header["offset"]
    return probe_channel(
        header["name"],
        shape,
        # the first row stored is the lowest
        lambda: (plane()[::-1] * scale + offset) * gain,
        unit=header["unit"],
        pixel_size_nm=pixel_size_nm(header["size_y"] / shape[0], header["size_x"] / shape[1], "um"),
        mode=header["mode"],
        bytes_per_pixel=8,
        metadata={"layout": PARK},
        warnings=unfinished_rows(plane()),
    )


def _park_header(tags: Any, path: Path) -> dict[str, Any]:
    tag = tags[PARK_HEADER]
    check_extent(path, PARK, tag.valueoffset + PARK_HEADER_BYTES, path.stat().st_size)
    with path.open("rb") as file:
        file.seek(tag.valueoffset)
        raw = file.read(PARK_HEADER_BYTES)
    header: dict[str, Any] = {}
    for name, (start, layout) in PARK_FIELDS.items():
        (value,) = struct.unpack_from(layout, raw, start)
        header[name] = _utf16(value) if isinstance(value, bytes) else value
    if header["kind"] != 0:
        raise Unsupported(
            path,
            "it holds a line profile or a spectrum.",
            format=PARK,
            hint="Give the scan's own file.",
        )
    return header


def _utf16(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").partition("\0")[0].strip()


def _jpk_channels(tif: TiffFile, path: Path) -> Iterator[Channel]:
    """Yield the pages after the first, which is the preview and has the size of the scan."""
    first = tif.pages.first.tags
    size_y, size_x = (first[code].value for code in (JPK_SIZE_Y, JPK_SIZE_X))
    pages: list[Any] = tif.pages[1:]
    for page in pages:
        if JPK_NAME not in page.tags or len(page.shape) != 2:
            continue
        height, width = page.shape
        yield _jpk_channel(
            page, path, pixel_size_nm(size_y / height, size_x / width, "m"), first[JPK_MODE].value
        )


def _jpk_channel(page: Any, path: Path, pixel_nm: tuple[float, float] | None, mode: str) -> Channel:
    if not page.is_contiguous:
        raise Unsupported(
            path, "its pages are compressed.", format=JPK, hint="Export it as Gwyddion file."
        )
    plane = stored_plane(
        path,
        JPK,
        offset=page.dataoffsets[0],
        dtype=page.parent.byteorder + page.dtype.str[1:],
        shape=page.shape,
    )
    factor, summand, unit = _jpk_scale({tag.code: tag.value for tag in page.tags})
    is_retrace = bool(page.tags[JPK_RETRACE].value)
    return probe_channel(
        str(page.tags.get(JPK_TITLE, page.tags[JPK_NAME]).value),
        page.shape,
        lambda: plane()[::-1] * factor + summand,
        unit=unit,
        pixel_size_nm=pixel_nm,
        mode=mode,
        direction="retrace" if is_retrace else "trace",
        bytes_per_pixel=8,
        metadata={"layout": JPK},
        warnings=unfinished_rows(plane()),
    )


def _jpk_scale(tags: Mapping[int, Any]) -> tuple[float, float, str]:
    """Factor, summand and unit of the calibration that JPK shows by default.

    Every calibration ("volts", "nominal", "calibrated") has a slot of tags, counted from the raw
    number, not from the calibration before it.
    """
    for index in range(min(int(tags[JPK_N_SLOTS]), 64)):
        slot = JPK_SLOTS + index * JPK_SLOT_TAGS
        if tags.get(slot) == tags[JPK_DEFAULT_SLOT]:
            if tags.get(slot + JPK_SCALING) != "LinearScaling":
                return 1.0, 0.0, ""
            factor, summand = tags[slot + JPK_FACTOR], tags[slot + JPK_SUMMAND]
            return float(factor), float(summand), str(tags.get(slot + JPK_UNIT, ""))
    raise ValueError(f"there is no calibration {tags[JPK_DEFAULT_SLOT]!r}")

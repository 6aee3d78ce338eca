"""Nanonis scans (.sxm): a text header, then one plane of floats a channel and direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._channels import probe_channel
from scanseg.readers.probe._headers import header_before, lines_of, number
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_sxm"]

FORMAT = "Nanonis"
DATA_START = b"\x1a\x04"
DTYPES = {"FLOAT MSBFIRST": ">f4", "FLOAT LSBFIRST": "<f4"}

Plane = Callable[[], NDArray[Any]]


@reads(FORMAT, ".sxm", starts_with=[b":NANONIS_VERSION:"])
def read_sxm(path: Path) -> Sequence[Channel]:
    """Read all channels of a scan, forward and backward.

    A scan that went up has its lowest row first, and backward lines are stored as they were
    scanned, from right to left.
    """
    entries, start = _header(path)
    width, height = (int(text) for text in entries["SCAN_PIXELS"].split()[:2])
    range_x, range_y = (number(text) for text in entries["SCAN_RANGE"].split()[:2])
    goes_up = entries.get("SCAN_DIR", "").strip().lower() == "up"
    dtype = _dtype(entries.get("SCANIT_TYPE", ""), path)
    channels = []
    for index, (name, unit, backward) in enumerate(_planes(entries["DATA_INFO"])):
        offset = start + index * width * height * 4
        plane = stored_plane(path, FORMAT, offset=offset, dtype=dtype, shape=(height, width))
        channels.append(
            probe_channel(
                f"{name} backward" if backward else f"{name} forward",
                (height, width),
                _turned(plane, upside_down=goes_up, mirrored=backward),
                unit=unit,
                pixel_size_nm=pixel_size_nm(range_y / height, range_x / width, "m"),
                metadata={"name": name},
                warnings=unfinished_rows(plane()),
            )
        )
    return channels


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Entries, each a line ``:KEY:`` and the lines under it; and the first byte of the data."""
    header, start = header_before(path, FORMAT, DATA_START)
    entries: dict[str, str] = {}
    key = ""
    for line in lines_of(header.decode("latin-1")):
        if line.startswith(":") and line.endswith(":"):
            key = line.strip(":")
            entries[key] = ""
        else:
            entries[key] = f"{entries.get(key, '')}{line}\n"
    return entries, start


def _dtype(stated: str, path: Path) -> str:
    kind = " ".join(stated.split())
    if kind not in DTYPES:
        raise Unsupported(
            path,
            f"its values are stored as {kind!r}, not as floats.",
            format=FORMAT,
            hint="Export it as Gwyddion file.",
        )
    return DTYPES[kind]


def _planes(table: str) -> Iterator[tuple[str, str, bool]]:
    """Name, unit and whether it runs backward, of every plane in the order of the data."""
    titles, *rows = (line.strip("\n").split("\t") for line in lines_of(table))
    for row in rows:
        entry = dict(zip(titles, row, strict=False))
        direction = entry["Direction"].strip().lower()
        for backward in {"both": (False, True), "backward": (True,)}.get(direction, (False,)):
            yield entry["Name"].strip(), entry["Unit"].strip(), backward


def _turned(plane: Plane, *, upside_down: bool, mirrored: bool) -> Plane:
    return lambda: plane()[:: -1 if upside_down else 1, :: -1 if mirrored else 1]

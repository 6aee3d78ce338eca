"""Gwyddion: its native files (.gwy) and its simple fields (.gsf)."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._channels import probe_channel, told_apart
from scanseg.readers.probe._headers import number
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import is_reciprocal, pixel_size_nm

__all__ = ["read_gsf", "read_gwy"]

GWY, GSF = "Gwyddion", "Gwyddion Simple Field"

# Types of the components of an object, from the format's description in Gwyddion's user guide.
NUMBERS = {"b": "<?", "c": "<b", "i": "<i", "q": "<q", "d": "<d"}
ARRAYS = {"C": 1, "I": 4, "Q": 8, "D": 8}
DEEPEST = 32  # objects in objects; real files have four levels
GSF_HEADER_BYTES = 65536
MODE_KEYS = r"(imaging|image|operating|head|measurement)?[ _]?mode|microscopelist"


@dataclass(frozen=True, slots=True)
class _Array:
    """Where the numbers of an array lie: they are read when they are asked for."""

    offset: int
    count: int


class _Parser:
    """Walk through serialised objects: a name, a length in bytes, then named components."""

    def __init__(self, contents: mmap.mmap, start: int) -> None:
        self._contents = contents
        self._position = start
        self._end = len(contents)

    def tree(self, depth: int = 0) -> dict[str, Any]:
        """Read the components of the object at the current position, the class under ``""``."""
        if depth > DEEPEST:
            raise ValueError(f"objects are nested deeper than {DEEPEST}")
        components: dict[str, Any] = {"": self._text()}
        n_bytes = self._number("<I")
        end = self._position + n_bytes
        if end > self._end:
            raise ValueError(f"an object of {n_bytes} bytes reaches beyond the file")
        while self._position < end:
            name = self._text()
            components[name] = self._value(depth)
        return components

    def _value(self, depth: int) -> Any:
        kind = chr(self._number("<B"))
        if kind in NUMBERS:
            return self._number(NUMBERS[kind])
        if kind == "s":
            return self._text()
        if kind == "o":
            return self.tree(depth + 1)
        count = self._number("<I")
        if kind == "S":
            return [self._text() for _ in range(count)]
        if kind == "O":
            return [self.tree(depth + 1) for _ in range(count)]
        start = self._advance(count * ARRAYS[kind])
        return _Array(start, count)

    def _number(self, layout: str) -> Any:
        start = self._advance(struct.calcsize(layout))
        return struct.unpack_from(layout, self._contents, start)[0]

    def _text(self) -> str:
        end = self._contents.find(b"\0", self._position)
        if end < 0:
            raise ValueError("a text without an end")
        start = self._advance(end + 1 - self._position)
        return self._contents[start:end].decode("utf-8", "replace")

    def _advance(self, n_bytes: int) -> int:
        start = self._position
        if start + n_bytes > self._end:
            raise ValueError(f"{n_bytes} bytes are declared, and {self._end - start} are left")
        self._position += n_bytes
        return start


@reads(GWY, ".gwy", starts_with=[b"GWYP", b"GWYO"])
def read_gwy(path: Path) -> Sequence[Channel]:
    """Read the data fields; masks, presentations, curves and volumes are left out."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
        if contents[:4] == b"GWYO":
            raise Unsupported(
                path,
                "it was saved by Gwyddion 1, whose files have another layout.",
                format=GWY,
                hint="Open it in Gwyddion 2 and save it again.",
            )
        container = _Parser(contents, start=4).tree()
    numbers = sorted(
        int(found[1]) for key in container if (found := re.match(r"/(\d+)/data$", key))
    )
    channels = [_field(container, number, path) for number in numbers]
    return told_apart([each for each in channels if each is not None])


def _field(container: Mapping[str, Any], index: int, path: Path) -> Channel | None:
    field = container[f"/{index}/data"]
    if not isinstance(field, dict) or field.get("") != "GwyDataField":
        return None
    shape = field["yres"], field["xres"]
    data = field["data"]
    if data.count != prod(shape):
        raise ValueError(f"a field of {shape[0]} x {shape[1]} pixels has {data.count} values")
    load = stored_plane(path, GWY, offset=data.offset, dtype="<f8", shape=shape)
    unit_xy, unit_z = (_unit(field.get(key)) for key in ("si_unit_xy", "si_unit_z"))
    channel = probe_channel(
        str(container.get(f"/{index}/data/title") or f"channel {index}"),
        shape,
        load,
        unit=unit_z,
        pixel_size_nm=pixel_size_nm(
            field.get("yreal", 0.0) / shape[0], field.get("xreal", 0.0) / shape[1], unit_xy
        ),
        mode=_mode(container.get(f"/{index}/meta")),
        bytes_per_pixel=8,
        warnings=unfinished_rows(load()),
    )
    return replace(channel, reciprocal=is_reciprocal(unit_xy))


def _unit(unit: Any) -> str:
    return str(unit.get("unitstr", "")) if isinstance(unit, dict) else ""


def _mode(meta: Any) -> str:
    """Imaging mode, from the texts that Gwyddion took over from the microscope's own file."""
    if not isinstance(meta, dict):
        return ""
    for key, text in meta.items():
        if re.fullmatch(MODE_KEYS, key, re.IGNORECASE):
            return str(text)
    return ""


@reads(GSF, ".gsf", starts_with=[b"Gwyddion Simple Field 1."])
def read_gsf(path: Path) -> Sequence[Channel]:
    """Read the one field of the file: text, up to four zeros, then 32-bit floats."""
    with path.open("rb") as file:
        head = file.read(GSF_HEADER_BYTES)
    text, zero, _ = head.partition(b"\0")
    if not zero:
        raise ValueError("its header has no end")
    lines = (line.partition("=") for line in text.decode("utf-8", "replace").splitlines())
    entries = {key.strip(): value.strip() for key, equals, value in lines if equals}
    shape = int(entries["YRes"]), int(entries["XRes"])
    # at least one zero, so many that the numbers start at a multiple of four bytes
    load = stored_plane(path, GSF, offset=(len(text) // 4 + 1) * 4, dtype="<f4", shape=shape)
    return [
        probe_channel(
            entries.get("Title", ""),
            shape,
            load,
            unit=entries.get("ZUnits", ""),
            pixel_size_nm=pixel_size_nm(
                number(entries.get("YReal"), 0.0) / shape[0],
                number(entries.get("XReal"), 0.0) / shape[1],
                entries.get("XYUnits", ""),
            ),
            warnings=unfinished_rows(load()),
        )
    ]

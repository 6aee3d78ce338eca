"""Asylum Research scans: Igor binary waves (.ibw) whose third axis runs through the channels."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent
from scanseg.readers.probe._channels import probe_channel, told_apart
from scanseg.readers.probe._headers import number
from scanseg.readers.probe._names import ProbeName
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import length_nm

__all__ = ["area_pixel_nm", "asylum_mode", "asylum_unit", "read_ibw"]

FORMAT = "Igor binary wave"

# Igor Technical Note 003: version 2 has one dimension, version 5 up to four. The checksum covers
# the header, so most damage to it is found before a number of it is used.
HEADER_BYTES = {2: 126, 5: 384}
PREFIX_BYTES = 64  # sizes of the parts; the wave's own header follows
LABEL_BYTES = 32
DTYPES = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 72: "u1", 80: "u2", 96: "u4"}

# The wave has one unit for all its channels, "m", which holds for lengths only.
UNITS = {"phase": "deg", "frequency": "Hz", "potential": "V", "current": "A", "friction": "V"}
DEGREE = {"°": "deg", "º": "deg"}
MODES = {"3": "PFM Mode"}  # programs before 2012 wrote a number


def _byte_order(header: bytes) -> str | None:
    """Byte order of a wave's header, or None where its 16-bit words do not add up to 0."""
    for order in "<>":
        (version,) = struct.unpack(f"{order}h", header[:2].ljust(2, b"\0"))
        n_bytes = HEADER_BYTES.get(version, 0)
        if n_bytes and len(header) >= n_bytes:
            words = np.frombuffer(header[:n_bytes], f"{order}i2").astype(int)
            if words.sum() % 65536 == 0:
                return order
    return None


@dataclass(frozen=True, slots=True)
class _Wave:
    """Header of a version-5 wave: sizes in bytes, the first axis runs fastest."""

    dtype: str
    shape: tuple[int, int, int, int]
    steps: tuple[float, float]
    axis_unit: str
    data_unit: str
    note: Mapping[str, str]
    labels: tuple[str, ...]


@reads(FORMAT, ".ibw", recognises=lambda header: _byte_order(header) is not None)
def read_ibw(path: Path) -> Sequence[Channel]:
    """Read the channels of a scan; waves of one dimension and force curves hold none.

    Igor's y axis points up: the last line stored is the top row.
    """
    wave = _header(path)
    if wave is None or min(wave.shape[:2]) < 8:  # a force curve has three columns
        return []
    return told_apart([_channel(path, wave, index) for index in range(max(wave.shape[2], 1))])


def _header(path: Path) -> _Wave | None:
    """Header, note and labels; None for a wave of one dimension."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES[5])
        order = _byte_order(head) or "<"
        (version,) = struct.unpack_from(f"{order}h", head)
        if version != 5:
            return None
        wave_bytes, formula, note, data_units = struct.unpack_from(f"{order}4i", head, 4)
        parts = struct.unpack_from(f"{order}8i", head, 20)  # units, then labels, of four axes
        shape = struct.unpack_from(f"{order}4i", head, PREFIX_BYTES + 68)
        if min(shape) < 0 or shape[1] == 0:
            return None
        if shape[3] > 1:
            raise Unsupported(
                path,
                f"it has four dimensions {shape}, and a scan has three.",
                format=FORMAT,
                hint="Save one layer or the fitted map as a wave of its own.",
            )
        (code,) = struct.unpack_from(f"{order}h", head, PREFIX_BYTES + 16)
        dtype = _dtype(order, code, path)
        _check_sizes((wave_bytes, formula, note, data_units, *parts), shape, dtype, path)
        file.seek(PREFIX_BYTES + wave_bytes + formula)
        note_text = file.read(note).decode("latin-1")
        file.seek(data_units + sum(parts[:6]), 1)
        labels = file.read(parts[6])
    steps = struct.unpack_from(f"{order}2d", head, PREFIX_BYTES + 84)
    return _Wave(
        dtype=dtype,
        shape=shape,
        steps=steps,
        axis_unit=_text(head[PREFIX_BYTES + 152 :][:4]),
        data_unit=_text(head[PREFIX_BYTES + 148 :][:4]),
        note=_note(note_text),
        # label 0 is that of the axis; what follows the first NUL is left from longer names
        labels=tuple(
            _text(labels[start : start + LABEL_BYTES])
            for start in range(LABEL_BYTES, len(labels), LABEL_BYTES)
        ),
    )


def _dtype(order: str, code: int, path: Path) -> str:
    if code not in DTYPES:
        raise Unsupported(
            path,
            f"its values are of Igor's type {code}, which is complex or text.",
            format=FORMAT,
            hint="Save the amplitude and the phase as waves of their own.",
        )
    return order + DTYPES[code]


def _check_sizes(parts: Sequence[int], shape: Sequence[int], dtype: str, path: Path) -> None:
    if min(parts) < 0:
        raise ValueError("a part of negative length")
    n_bytes = prod(max(n, 1) for n in shape) * np.dtype(dtype).itemsize
    file_bytes = path.stat().st_size
    check_extent(path, FORMAT, HEADER_BYTES[5] + n_bytes, file_bytes)
    check_extent(path, FORMAT, PREFIX_BYTES + sum(parts), file_bytes)


def _channel(path: Path, wave: _Wave, index: int) -> Channel:
    width, height = wave.shape[:2]
    n_bytes = width * height * np.dtype(wave.dtype).itemsize
    plane = stored_plane(
        path,
        FORMAT,
        offset=HEADER_BYTES[5] + index * n_bytes,
        dtype=wave.dtype,
        shape=(height, width),
    )
    name = wave.labels[index] if index < len(wave.labels) else ""
    return probe_channel(
        name or f"channel {index}",
        (height, width),
        lambda: plane()[::-1],
        unit=asylum_unit(name, wave.data_unit, wave.note),
        pixel_size_nm=_pixel_size_nm(wave),
        mode=asylum_mode(wave.note),
        bytes_per_pixel=np.dtype(wave.dtype).itemsize,
        metadata={"scan_angle_deg": number(wave.note.get("ScanAngle"), 0.0)},
        warnings=unfinished_rows(plane()),
    )


def asylum_unit(name: str, data_unit: str, note: Mapping[str, str]) -> str:
    """Unit of an Asylum channel, by its quantity.

    Examples
    --------
    >>> asylum_unit("Phase1Retrace", "m", {}), asylum_unit("UserIn0Trace", "m", {})
    ('deg', 'V')
    """
    said = ProbeName.of(name)
    if said.quantity == "input":
        kind = name.removeprefix("Nap").partition("Trace")[0].partition("Retrace")[0]
        unit = note.get(f"{kind}Unit", "V")
        return DEGREE.get(unit, unit)
    return UNITS.get(said.quantity, data_unit)


def asylum_mode(note: Mapping[str, str]) -> str:
    """Imaging mode of an Asylum scan: "PFM Mode", "AC Mode", ..."""
    stated = note.get("ImagingMode", "")
    return MODES.get(stated, stated)


def _pixel_size_nm(wave: _Wave) -> tuple[float, float] | None:
    width, height = wave.shape[:2]
    along_y = length_nm(wave.steps[1], wave.axis_unit)
    along_x = length_nm(wave.steps[0], wave.axis_unit)
    if along_y is None or along_x is None:
        return None
    size_y = length_nm(wave.note.get("SlowScanSize"), "m")
    size_x = length_nm(wave.note.get("FastScanSize"), "m")
    return area_pixel_nm(along_y, height, size_y), area_pixel_nm(along_x, width, size_x)


def area_pixel_nm(step_nm: float, n: int, scan_size_nm: float | None) -> float:
    """Scan size over the number of pixels, where a file's step is that size over N - 1.

    Asylum lets the first and the last pixel lie on the edges of the scan; everybody else gives each
    pixel its share, which differs by 0.4 % at 256 pixels.

    Parameters
    ----------
    step_nm
        As the axis of the file has it.
    n
        Pixels along that axis.
    scan_size_nm
        As set by the operator. It is used only where it fits the axis: a scan that was cropped or
        is not square keeps its step.
    """
    if scan_size_nm is None or abs(step_nm * (n - 1) / scan_size_nm - 1) > 1e-3:
        return step_nm
    return scan_size_nm / n


def _note(text: str) -> dict[str, str]:
    """Entries ``key: value`` of a wave note; the first of equal keys is the scan's own."""
    entries: dict[str, str] = {}
    for line in text.split("\r"):
        key, colon, value = line.partition(":")
        if colon:
            entries.setdefault(key.strip(), value.strip())
    return entries


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1").strip()

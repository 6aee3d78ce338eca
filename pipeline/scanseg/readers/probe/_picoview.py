"""Molecular Imaging and Agilent PicoView scans (.mi): lines of settings, then integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scanseg.errors import Truncated, Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._planes import (
    lines_of,
    number,
    probe_channel,
    stored_plane,
    told_apart,
    unfinished_rows,
)
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_mi"]

FORMAT = "Molecular Imaging"
KEY_CHARACTERS = 14  # "xNonlinearity21.2300000000000000e-003" has no space between key and value
LONGEST_HEADER = 2**20
DTYPES = {"BINARY": "<i2", "BINARY_32": "<i4"}


@reads(FORMAT, ".mi", starts_with=[b"fileType"])
def read_mi(path: Path) -> Sequence[Channel]:
    """Read the buffers of an image; spectra are refused."""
    scan, buffers, kind, start = _header(path)
    if scan.get("fileType") != "Image" or kind not in DTYPES:
        raise Unsupported(
            path,
            f"it holds {scan.get('fileType', 'nothing')!r} stored as {kind or 'nothing'!r}.",
            format=FORMAT,
            hint="Only images stored as BINARY are read; export it as Gwyddion file.",
        )
    dtype = DTYPES[kind]
    shape = int(number(scan["yPixels"])), int(number(scan["xPixels"]))
    n_bytes = shape[0] * shape[1] * int(dtype[-1])
    return told_apart(
        [
            _channel(path, scan, buffer, shape, dtype, start + index * n_bytes)
            for index, buffer in enumerate(buffers)
        ]
    )


def _header(path: Path) -> tuple[dict[str, str], list[dict[str, str]], str, int]:
    """Settings of the scan and of every buffer, how the data are stored, and their first byte."""
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    at = head.find(b"\ndata  ") + 1
    end = head.find(b"\n", at)
    if not at or end < 0:
        raise Truncated(path, "its header has no end.", format=FORMAT, hint="Copy it again.")
    scan: dict[str, str] = {}
    buffers: list[dict[str, str]] = []
    for line in lines_of(head[:at].decode("latin-1")):
        key, value = line[:KEY_CHARACTERS].strip(), line[KEY_CHARACTERS:].strip()
        if key == "bufferLabel":
            buffers.append({})
        (buffers[-1] if buffers else scan)[key] = value
    kind = head[at:end].decode("latin-1")[KEY_CHARACTERS:].strip()
    return scan, buffers, kind, end + 1


def _channel(
    path: Path,
    scan: Mapping[str, str],
    buffer: Mapping[str, str],
    shape: tuple[int, int],
    dtype: str,
    offset: int,
) -> Channel:
    plane = stored_plane(path, FORMAT, offset=offset, dtype=dtype, shape=shape)
    per_count = number(buffer["bufferRange"]) / 2 ** (8 * int(dtype[-1]) - 1)
    return probe_channel(
        buffer["bufferLabel"],
        shape,
        lambda: plane()[::-1] * per_count,  # the first line stored is the lowest
        unit=buffer.get("bufferUnit", ""),
        pixel_size_nm=pixel_size_nm(
            number(scan["yLength"]) / shape[0], number(scan["xLength"]) / shape[1], "m"
        ),
        mode=scan.get("mode", ""),
        direction=buffer.get("direction", "").lower(),
        line="main" if buffer.get("acqMode", "Main") == "Main" else "nap",
        bytes_per_pixel=8,
        warnings=unfinished_rows(plane()),
    )

"""Molecular Imaging and Agilent PicoView scans (.mi): lines of settings, then integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._channels import probe_channel, told_apart
from scanseg.readers.probe._headers import header_before, lines_of, number
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_mi"]

FORMAT = "Molecular Imaging"
KEY_CHARACTERS = 14  # "xNonlinearity21.2300000000000000e-003" has no space between key and value
LAST_KEY = b"\ndata  "
LONGEST_LINE = 80
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
    header, at = header_before(path, FORMAT, LAST_KEY)
    with path.open("rb") as file:
        file.seek(at)
        last = file.readline(LONGEST_LINE)
    scan: dict[str, str] = {}
    buffers: list[dict[str, str]] = []
    for line in lines_of(header.decode("latin-1")):
        key, value = line[:KEY_CHARACTERS].strip(), line[KEY_CHARACTERS:].strip()
        if key == "bufferLabel":
            buffers.append({})
        (buffers[-1] if buffers else scan)[key] = value
    return scan, buffers, last.decode("latin-1").strip(), at + len(last)


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

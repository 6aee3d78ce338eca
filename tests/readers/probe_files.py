"""Scanning probe files of known contents, written byte by byte after their formats' descriptions.

Every writer takes planes by name, shape (height, width) with row 0 on top, and turns them into what
the microscope's program would have stored.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

SHAPE = (37, 23)
PIXEL_NM = (20.0, 30.0)  # (y, x)
SIZE_NM = (SHAPE[0] * PIXEL_NM[0], SHAPE[1] * PIXEL_NM[1])

Planes = Mapping[str, NDArray[Any]]


def planes(*names: str, dtype: str = "f4") -> dict[str, NDArray[Any]]:
    """Draw a plane for every name, no two pixels of one alike."""
    rng = np.random.default_rng(20261122)
    return {
        name: (rng.permutation(SHAPE[0] * SHAPE[1]) - 400).reshape(SHAPE).astype(dtype)
        for name in names
    }


def write_ibw(
    path: Path,
    channels: Planes,
    *,
    mode: str = "PFM Mode",
    order: str = "<",
    note: str = "",
    left_over: bytes = b"race",
) -> None:
    """Write an Igor wave of version 5 as Asylum does: axes x, y (upwards), channel."""
    height, width = next(iter(channels.values())).shape
    steps = [SIZE_NM[1] / (width - 1) * 1e-9, SIZE_NM[0] / (height - 1) * 1e-9, 1.0, 1.0]
    text = (
        f"ImagingMode: {mode}\rScanSize: {max(SIZE_NM) * 1e-9}\r"
        f"FastScanSize: {SIZE_NM[1] * 1e-9}\rSlowScanSize: {SIZE_NM[0] * 1e-9}\r{note}"
    ).encode("latin-1")
    # what follows the NUL of a label is left over from a longer one
    labels = b"".join(
        (name.encode() + b"\0" + left_over)[:32].ljust(32, b"\0") for name in ("", *channels)
    )
    data = b"".join(plane[::-1].astype(f"{order}f4").tobytes() for plane in channels.values())
    wave = struct.pack(
        f"{order}3I i h 8x h 40x 4i 4d 4d 4s 16s 136x",
        *(0, 0, 0, len(data) // 4, 2, 1),
        *(width, height, len(channels), 0),
        *steps,
        *(0.0, 0.0, 0.0, 0.0),
        b"m",
        b"m\0\0\0m\0\0\0",
    ).ljust(320, b"\0")
    sizes = [320 + len(data), 0, len(text), 0, *(0, 0, 0, 0), *(0, 0, len(labels), 0), 0, 0, 0]
    head = struct.pack(f"{order}hh15i", 5, 0, *sizes) + wave
    total = int(np.frombuffer(head, f"{order}i2").astype(int).sum())
    checksum = (-total + 32768) % 65536 - 32768
    head = head[:2] + struct.pack(f"{order}h", checksum) + head[4:]
    path.write_bytes(head + data + text + labels)


def _gwy_object(name: str, *components: bytes) -> bytes:
    body = b"".join(components)
    return name.encode() + b"\0" + struct.pack("<I", len(body)) + body


def _gwy_text(name: str, text: str) -> bytes:
    return name.encode() + b"\0s" + text.encode() + b"\0"


def gwy_field(plane: NDArray[Any], unit: str, *, unit_xy: str = "m") -> bytes:
    """Serialise one data field."""
    height, width = plane.shape
    return _gwy_object(
        "GwyDataField",
        b"xres\0i" + struct.pack("<i", width),
        b"yres\0i" + struct.pack("<i", height),
        b"xreal\0d" + struct.pack("<d", SIZE_NM[1] * 1e-9),
        b"yreal\0d" + struct.pack("<d", SIZE_NM[0] * 1e-9),
        b"si_unit_xy\0o" + _gwy_object("GwySIUnit", _gwy_text("unitstr", unit_xy)),
        b"si_unit_z\0o" + _gwy_object("GwySIUnit", _gwy_text("unitstr", unit)),
        b"data\0D" + struct.pack("<I", plane.size) + plane.astype("<f8").tobytes(),
    )


def write_gwy(
    path: Path, channels: Planes, *, unit: str = "m", mode: str = "PFM Mode", unit_xy: str = "m"
) -> None:
    """Write a Gwyddion 2 file, with a mask and a visibility flag that are no channels."""
    parts = []
    for index, (name, plane) in enumerate(channels.items()):
        parts += [
            f"/{index}/data".encode() + b"\0o" + gwy_field(plane, unit, unit_xy=unit_xy),
            _gwy_text(f"/{index}/data/title", name),
            f"/{index}/data/visible".encode() + b"\0b\1",
            f"/{index}/mask".encode() + b"\0o" + gwy_field(plane > 0, ""),
            f"/{index}/meta".encode()
            + b"\0o"
            + _gwy_object("GwyContainer", _gwy_text("ImagingMode", mode)),
        ]
    path.write_bytes(b"GWYP" + _gwy_object("GwyContainer", *parts))


def write_gsf(path: Path, name: str, plane: NDArray[Any], *, unit: str = "m") -> None:
    """Write a Gwyddion simple field."""
    height, width = plane.shape
    text = (
        f"Gwyddion Simple Field 1.0\nXRes = {width}\nYRes = {height}\nXReal = {SIZE_NM[1] * 1e-9}\n"
        f"YReal = {SIZE_NM[0] * 1e-9}\nXYUnits = m\nZUnits = {unit}\nTitle = {name}\n"
    ).encode()
    padding = b"\0" * (4 - len(text) % 4)
    path.write_bytes(text + padding + plane.astype("<f4").tobytes())


NANOSCOPE_HEADER_BYTES = 8192


def write_nanoscope(
    path: Path,
    channels: Mapping[tuple[str, str, str], NDArray[Any]],
    *,
    n_bytes: int = 2,
    says_bytes: int | None = None,
    scale: str = "V [Sens. Zsens] (0.005 V/LSB) 131.072 V",
    sensitivity: str = "V 10.0 nm/V",
    scan_size: str = "",
) -> None:
    """Write counts under (name, line direction, scan line), the lowest row first."""
    height, width = next(iter(channels.values())).shape
    size = scan_size or f"{SIZE_NM[1]:g} {SIZE_NM[0]:g} nm"
    lines = [
        "\\*File list", "\\Version: 0x09200000", "\\*Scanner list",
        f"\\@Sens. Zsens: {sensitivity}", "\\*Ciao scan list",
        '\\@MicroscopeList: S [PFMMode] "PFM"', "\\Scan size: 99 um",
    ]  # fmt: skip
    for index, (name, direction, line) in enumerate(channels):
        lines += [
            "\\*Ciao image list",
            f"\\Data offset: {NANOSCOPE_HEADER_BYTES + index * height * width * n_bytes}",
            f"\\Data length: {height * width * n_bytes}",
            f"\\Bytes/pixel: {says_bytes or n_bytes}",
            f"\\Samps/line: {width}", f"\\Number of lines: {height}", f"\\Scan Size: {size}",
            f"\\Scan Line: {line}", f"\\Line Direction: {direction}",
            f'\\@2:Image Data: S [Short] "{name}"', f"\\@2:Z scale: {scale}",
        ]  # fmt: skip
    head = "\r\n".join([*lines, "\\*File list end", "\x1a"]).encode("latin-1")
    data = b"".join(plane[::-1].astype(f"<i{n_bytes}").tobytes() for plane in channels.values())
    path.write_bytes(head.ljust(NANOSCOPE_HEADER_BYTES, b"\0") + data)


def write_sxm(
    path: Path, forward: Planes, backward: Planes, *, scan_dir: str = "up", order: str = ">"
) -> None:
    """Write a Nanonis scan: rows in the order of the scan, backward ones from right to left."""
    height, width = next(iter(forward.values())).shape
    rows = []
    for index, name in enumerate(forward):
        unit, both = "m" if name == "Z" else "V", "both" if name in backward else "forward"
        rows.append(f"\t{index}\t{name}\t{unit}\t{both}\t1.0\t0.0")
    text = "\n".join(
        [
            ":NANONIS_VERSION:", "2", ":SCANIT_TYPE:",
            f"      FLOAT            {'MSBFIRST' if order == '>' else 'LSBFIRST'}",
            ":SCAN_PIXELS:", f"       {width}       {height}",
            ":SCAN_RANGE:", f"   {SIZE_NM[1] * 1e-9:.6E}   {SIZE_NM[0] * 1e-9:.6E}",
            ":SCAN_DIR:", scan_dir, ":COMMENT:", "a comment: of two", "lines",
            ":DATA_INFO:", "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset", *rows,
            "", ":SCANIT_END:", "", "", "",
        ]
    )  # fmt: skip
    data = b""
    for name, plane in forward.items():
        rows_first = -1 if scan_dir == "up" else 1
        data += plane[::rows_first].astype(f"{order}f4").tobytes()
        if name in backward:
            data += backward[name][::rows_first, ::-1].astype(f"{order}f4").tobytes()
    path.write_bytes(text.encode("latin-1") + b"\x1a\x04" + data)


def write_park(
    path: Path, name: str, plane: NDArray[Any], *, dtype: int = 2, gain: float = -2.0
) -> None:
    """Write a Park scan: a preview, and the rows from the lowest on in a private tag."""
    height, width = plane.shape
    header = bytearray(580)
    for start, layout, value in (
        (4, "<64s", name.encode("utf-16-le")), (68, "<16s", "PFM".encode("utf-16-le")),
        (100, "<2i", (width, height)), (140, "<2d", (SIZE_NM[1] / 1e3, SIZE_NM[0] / 1e3)),
        (220, "<3d", (gain, 1.0, 0.5)), (244, "<16s", "um".encode("utf-16-le")),
        (348, "<i", dtype),
    ):  # fmt: skip
        struct.pack_into(layout, header, start, *(value if isinstance(value, tuple) else (value,)))
    data = plane[::-1].astype(("<i2", "<i4", "<f4")[dtype]).tobytes()
    tifffile.imwrite(
        path,
        np.zeros((8, 8), np.uint8),
        byteorder="<",
        photometric="minisblack",
        metadata=None,
        extratags=[
            (50432, 4, 1, 0x0E031301, True),
            (50434, 1, len(data), data, True),
            (50435, 7, len(header), bytes(header), True),
        ],
    )


def write_jpk(path: Path, channels: Mapping[tuple[str, bool], NDArray[Any]]) -> None:
    """Write a JPK scan: a preview, then counts under (name, retrace), the lowest row first."""
    scan = [
        (32768, 2, 0, "6.0.41", True),
        (32816, 2, 0, "contact", True),
        (32834, 12, 1, SIZE_NM[1] * 1e-9, True),
        (32835, 12, 1, SIZE_NM[0] * 1e-9, True),
    ]
    with tifffile.TiffWriter(path, byteorder=">") as file:
        options: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
        file.write(np.zeros((8, 8), np.uint8), extratags=scan, **options)
        for (name, is_retrace), plane in channels.items():
            tags = [
                (32848, 2, 0, name.lower(), True),
                (32849, 8, 1, int(is_retrace), True),
                (32850, 2, 0, name, True),
                (32896, 9, 1, 2, True),
                (32897, 2, 0, "nominal", True),
                (32912, 2, 0, "raw", True),
                (32912 + 19, 2, 0, "NullScaling", True),
                (32960, 2, 0, "nominal", True),
                (32960 + 18, 2, 0, "m", True),
                (32960 + 19, 2, 0, "LinearScaling", True),
                (32960 + 20, 12, 1, 2e-9, True),
                (32960 + 21, 12, 1, 1e-6, True),
            ]
            file.write(plane[::-1].astype(">i4"), extratags=tags, **options)

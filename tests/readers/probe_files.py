"""Scanning probe files of known contents, written byte by byte after their formats' descriptions.

Every writer takes planes by name, shape (height, width) with row 0 on top, and turns them into what
the microscope's program would have stored.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
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


def write_nid(path: Path, channels: Mapping[tuple[str, str], NDArray[Any]], bits: int = 32) -> None:
    """Write a Nanosurf scan under (frame, name): counts, the lowest line first."""
    frames = list(dict.fromkeys(frame for frame, _ in channels))
    lines = ["[DataSet]", "Version=2", f"GroupCount={len(frames)}"]
    data, sections = b"", []
    for group, frame in enumerate(frames):
        named = [(name, plane) for (of, name), plane in channels.items() if of == frame]
        # the numbers of channels that were not recorded are left out
        lines += [f"Gr{group}-Name={frame}", f"Gr{group}-Count={2 * len(named)}"]
        for index, (name, plane) in enumerate(named):
            lines.append(f"Gr{group}-Ch{2 * index}=DataSet-{group}:{2 * index}")
            sections += [
                "", f"[DataSet-{group}:{2 * index}]", f"Points={plane.shape[1]}",
                f"Lines={plane.shape[0]}", f"Frame={frame}", "Dim0Unit=m",
                f"Dim0Range={SIZE_NM[1] * 1e-9}", "Dim1Unit=m", f"Dim1Range={SIZE_NM[0] * 1e-9}",
                f"Dim2Name={name}", "Dim2Unit=m", "Dim2Range=4e-06", "Dim2Min=-1e-06",
                "SaveMode=Binary", f"SaveBits={bits}", "SaveSign=Signed", "SaveOrder=Intel",
            ]  # fmt: skip
            data += plane[::-1].astype(f"<i{bits // 8}").tobytes()
    path.write_bytes("\r\n".join([*lines, *sections, "", ""]).encode() + b"#!" + data)


def write_mi(
    path: Path, channels: Mapping[tuple[str, str], NDArray[Any]], kind: str = "BINARY_32"
) -> None:
    """Write a PicoView scan under (name, direction): counts, the lowest line first."""
    height, width = next(iter(channels.values())).shape
    entries = [
        ("fileType", "Image"), ("mode", "PFM"), ("xNonlinearity2", "1.0"), ("xPixels", width),
        ("yPixels", height), ("xLength", SIZE_NM[1] * 1e-9), ("yLength", SIZE_NM[0] * 1e-9),
    ]  # fmt: skip
    for name, direction in channels:
        entries += [
            ("bufferLabel", name), ("direction", direction), ("acqMode", "Main"),
            ("bufferRange", 4.0), ("bufferUnit", "um"),
        ]  # fmt: skip
    text = "\n".join(f"{key:14}{value}" for key, value in [*entries, ("data", kind)])
    dtype = "<i4" if kind == "BINARY_32" else "<i2"
    data = b"".join(plane[::-1].astype(dtype).tobytes() for plane in channels.values())
    path.write_bytes(text.encode() + b"\n" + data)


def write_wsxm(path: Path, name: str, plane: NDArray[Any], kind: str = "short") -> None:
    """Write a WSxM image, from the lower right corner on; its Z amplitude is 50 nm."""
    height, width = plane.shape
    text = (
        "WSxM file copyright UAM\r\nSxM Image file\r\nImage header size: {:6d}\r\n\r\n[Control]\r\n"
        f"\r\n    X Amplitude: {SIZE_NM[1]:g} nm\r\n    Y Amplitude: {SIZE_NM[0]:g} nm\r\n"
        f"\r\n[General Info]\r\n\r\n    Acquisition channel: {name}\r\n"
        f"    Image Data Type: {kind}\r\n    Number of columns: {width}\r\n"
        f"    Number of rows: {height}\r\n    X scanning direction: Backward\r\n"
        "    Z Amplitude: 50.0 nm\r\n\r\n[Header end]\r\n"
    )
    text = text.format(len(text.format(0)))
    dtype = {"short": "<i2", "float": "<f4", "double": "<f8"}[kind]
    path.write_bytes(text.encode("latin-1") + plane[::-1, ::-1].astype(dtype).tobytes())


def write_usid(path: Path, movies: Mapping[str, NDArray[Any]], axis: str = "Index") -> None:
    """Write movies, shape (frames, height, width): one row a position, y pointing up."""
    n_frames, height, width = next(iter(movies.values())).shape
    y, x = np.divmod(np.arange(height * width), width)
    with h5py.File(path, "w") as file:
        scan = file.create_group("Measurement_000")
        tables = {
            "Position_Indices": (np.stack([x, y], 1).astype("u4"), ["X", "Y"]),
            "Position_Values": (
                np.stack([x * PIXEL_NM[1], y * PIXEL_NM[0]], 1) * 1e-9 - 5e-8,
                ["X", "Y"],
            ),
            "Spectroscopic_Indices": (np.arange(n_frames, dtype="u4")[None], [axis]),
            "Spectroscopic_Values": (np.arange(n_frames, dtype="f4")[None], [axis]),
        }
        for name, (table, labels) in tables.items():
            scan[name] = table
            scan[name].attrs["labels"] = np.array(labels, "S")
            scan[name].attrs["units"] = np.array(["m"] * len(labels), "S")
        for index, (name, movie) in enumerate(movies.items()):
            group = scan.create_group(f"Channel_{index:03d}")
            group[name] = movie[:, ::-1].reshape(n_frames, -1).T
            group[name].attrs["quantity"] = name
            group[name].attrs["units"] = "V"
            for table in tables:
                group[name].attrs[table] = scan[table].ref


def make_jpk_movie(path: Path, *, factor: float, summand: float) -> None:
    """Turn a USID file into JPK's kind: a mark, and a calibration and a direction a channel."""
    with h5py.File(path, "r+") as file:
        file.attrs["file-format-info"] = np.bytes_(b"JPK SCAN")
        for index, group in enumerate(file["Measurement_000"].values()):
            if isinstance(group, h5py.Group):
                group.attrs["retrace"] = np.bytes_(b"true" if index % 2 else b"false")
                group.attrs["net-encoder.scaling.multiplier"] = factor
                group.attrs["net-encoder.scaling.offset"] = summand
                group.attrs["net-encoder.scaling.unit.unit"] = np.bytes_(b"m")


def write_topostats(path: Path, plane: NDArray[Any]) -> None:
    """Write a TopoStats height map; its pixels are square."""
    with h5py.File(path, "w") as file:
        file["image"] = plane.astype(float)
        file["pixel_to_nm_scaling"] = 2.5
        file["topostats_file_version"] = 0.2

"""MRC and its relatives: a header of 1024 bytes, perhaps another one, and the pixels.

The layout is MRC2014 (Cheng et al., J. Struct. Biol. 192, 146, 2015), with what IMOD and FEI add.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import complex_image
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_mrc"]

FORMAT = "MRC"
HEADER_BYTES = 1024
DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
COMPLEX = (3, 4)
BIG_ENDIAN_STAMP = b"\x11\x11"
IMOD_STAMP = b"IMOD"
MRC2014 = 20140  # versions from here on say so in word 27
# FEI's older header of 1024 records of 128 bytes holds the pixel in metres; its cell is not used.
FEI_BYTES, FEI_PIXEL_SIZE = 128 * 1024, 11
LARGEST_PIXEL_M = 1e-3
LARGEST_SIDE = 2**20


@reads(FORMAT, ".mrc", ".mrcs", ".st", recognises=lambda header: header[208:212] == b"MAP ")
def read_mrc(path: Path) -> Sequence[Channel]:
    """Read images and stacks; the cell of the header is in Å, and 0 where it is not known."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        order = ">" if header[212:214] == BIG_ENDIAN_STAMP else "<"
        words = np.frombuffer(header.ljust(HEADER_BYTES, b"\0"), f"{order}i4")
        n_extended = int(words[23])
        extended = file.read(FEI_BYTES) if n_extended == FEI_BYTES else b""
    width, height, n_frames = (int(n) for n in words[:3])
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE and n_frames > 0):
        raise ValueError(f"{n_frames} images of {height} x {width} pixels")
    if n_extended < 0:
        raise ValueError(f"an extended header of {n_extended} bytes")
    dtype = _dtype(words, header, order, path)
    start = HEADER_BYTES + n_extended
    frame_bytes = height * width * dtype.itemsize
    check_extent(path, FORMAT, start + n_frames * frame_bytes, path.stat().st_size)
    _refuse_turned_axes(tuple(int(n) for n in words[16:19]), path)

    def load(index: int) -> RealImage:
        offset = start + index * frame_bytes
        pixels: NDArray[Any] = np.fromfile(path, dtype, count=height * width, offset=offset)
        return pixels.reshape(height, width)

    return [
        Channel(
            name="",
            shape=(height, width),
            load=load,
            n_frames=n_frames,
            bytes_per_pixel=dtype.itemsize,
            pixel_size_nm=_pixel_size(words, extended, order),
        )
    ]


def _dtype(words: NDArray[np.int32], header: bytes, order: str, path: Path) -> np.dtype[Any]:
    mode = int(words[3])
    if mode == 0 and not _bytes_have_a_sign(words, header, order):
        return np.dtype("u1")
    if mode in DTYPES:
        return np.dtype(order + DTYPES[mode])
    if mode in COMPLEX:
        raise complex_image(path, FORMAT)
    raise Unsupported(
        path,
        f"its numbers are of mode {mode}, which is not read.",
        format=FORMAT,
        hint="Export it as TIFF.",
    )


def _bytes_have_a_sign(words: NDArray[np.int32], header: bytes, order: str) -> bool:
    """Whether bytes reach below 0: as IMOD's flag says, the standard of 2014, or the minimum.

    Before the standard, most programs wrote them without a sign.
    """
    if header[152:156] == IMOD_STAMP:
        return bool(words[39] & 1)
    lowest = float(words[19:20].view(f"{order}f4")[0])
    return int(words[27]) >= MRC2014 or lowest < 0


def _refuse_turned_axes(axes: tuple[int, ...], path: Path) -> None:
    """Columns, rows and sections are x, y and z in every image of a microscope."""
    if axes not in ((1, 2, 3), (0, 0, 0)):
        raise Unsupported(
            path,
            f"its columns, rows and sections are the axes {axes}, which only maps of molecules "
            "have.",
            format=FORMAT,
            hint="Export the image as TIFF.",
        )


def _pixel_size(
    words: NDArray[np.int32], extended: bytes, order: str
) -> tuple[float, float] | None:
    """Cell over number of intervals, in Å; FEI's own entry where there is one."""
    if extended:
        side_m = np.frombuffer(extended[: 4 * (FEI_PIXEL_SIZE + 1)], f"{order}f4")[-1]
        if 0 < side_m < LARGEST_PIXEL_M:
            return pixel_size_nm(float(side_m), float(side_m), "m")
    cell = words[10:12].view(f"{order}f4").astype(float)
    n_intervals = words[7:9].astype(int)
    if not (n_intervals > 0).all():
        return None
    along_x, along_y = cell / n_intervals
    return pixel_size_nm(along_y, along_x, "Å")

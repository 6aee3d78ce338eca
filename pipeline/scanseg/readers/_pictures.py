"""PNG, JPEG and BMP: pictures of images, by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.errors import Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import NOT_GREY_HINT, grey
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_fits_memory, silence

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["LOSSY", "picture_pixels", "read_bmp", "read_jpeg", "read_png"]

LOSSY = (
    "JPEG compression alters the values: positions and intensities are less exact than the "
    "error bars say."
)


@reads("PNG", ".png", starts_with=[b"\x89PNG\r\n\x1a\n"])
def read_png(path: Path) -> Sequence[Channel]:
    """Read a grey PNG of 8 or 16 bits; the dpi of its header is no calibration."""
    from PIL.PngImagePlugin import PngImageFile

    return _read_picture(path, "PNG", PngImageFile)


@reads("JPEG", ".jpg", ".jpeg", starts_with=[b"\xff\xd8\xff"])
def read_jpeg(path: Path) -> Sequence[Channel]:
    """Read a grey JPEG, with a warning."""
    from PIL.JpegImagePlugin import JpegImageFile

    return _read_picture(path, "JPEG", JpegImageFile, warnings=(LOSSY,))


@reads("BMP", ".bmp", recognises=lambda header: header[:2] == b"BM" and header[6:10] == bytes(4))
def read_bmp(path: Path) -> Sequence[Channel]:
    """Read a grey Windows bitmap."""
    from PIL.BmpImagePlugin import BmpImageFile

    return _read_picture(path, "BMP", BmpImageFile)


def _read_picture(
    path: Path, format: str, opener: Any, *, warnings: tuple[str, ...] = ()
) -> Sequence[Channel]:
    silence("PIL")
    # The plugin's class is called directly because Image.open refuses more than 179 megapixels;
    # the memory check below is ours.
    with path.open("rb") as file, opener(file) as picture:
        width, height = picture.size
        check_fits_memory(path, format, width * height * 8)
        pixels, doubts = picture_pixels(picture, path, format)
    return [
        Channel(
            name="",
            shape=(height, width),
            bytes_per_pixel=pixels.dtype.itemsize,
            load=lambda index: pixels,
            warnings=(*warnings, *doubts),
        )
    ]


def picture_pixels(
    picture: ImageFile, path: Path, format: str
) -> tuple[RealImage, tuple[str, ...]]:
    """Grey values of an open picture, and what a user must know of them.

    Parameters
    ----------
    picture
        Opened by Pillow. A palette is undone: its indices are in no order.
    """
    if picture.mode in ("L", "I;16", "I;16B", "I;16L", "I", "F", "1"):
        return np.array(picture), ()
    if picture.mode == "LA":
        return np.array(picture)[..., 0], ()
    if picture.mode in ("P", "PA", "RGB", "RGBA", "RGBX"):
        colours = np.array(picture.convert("RGB"))
        return grey(colours, path, format)
    raise Unsupported(
        path,
        f"it is a colour picture (mode {picture.mode}), whose colours are not measured values.",
        format=format,
        hint=NOT_GREY_HINT,
    )

"""Pictures small enough to lie in a page by the hundred."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Thumbnails", "ThumbnailSize", "address_of", "thumbnail_sizes"]

# Rings of columns stay rings; at 85 a picture has twice the bytes.
JPEG_QUALITY = 70
MAX_PICTURES = 600
MAX_DETAILS = 60


@dataclass(frozen=True, slots=True)
class ThumbnailSize:
    """Sides in pixels: longest one of the whole picture, and that of the detail; 0 for none."""

    whole_px: int
    detail_px: int


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """A picture as ``data:`` addresses.

    Parameters
    ----------
    whole
        The picture, reduced.
    detail
        A part of it at its full resolution; empty where the whole shows as much.
    """

    whole: str = ""
    detail: str = ""

    @property
    def n_bytes(self) -> int:
        """Length of both."""
        return len(self.whole) + len(self.detail)

    @classmethod
    def of(
        cls,
        picture: Path,
        size: ThumbnailSize,
        *,
        shape_px: tuple[int, int],
        centre_px: tuple[float, float] | None,
    ) -> Thumbnails:
        """Reduce an overlay.

        Parameters
        ----------
        picture
            The file; what is below the image (its caption) is cut off.
        size
            How large they become.
        shape_px
            Shape of the image that was measured.
        centre_px
            (y, x) in that image that the detail shows, or None for the middle.
        """
        from PIL import Image

        with Image.open(picture) as opened:
            scale = opened.width / shape_px[1]
            height = min(opened.height, round(shape_px[0] * scale))
            drawn = opened.crop((0, 0, opened.width, height))
        factor = min(1.0, size.whole_px / max(drawn.size))
        small = (max(1, round(drawn.width * factor)), max(1, round(drawn.height * factor)))
        whole = drawn.resize(small, Image.Resampling.BOX, reducing_gap=2.0)
        if not size.detail_px or factor > 0.7:
            return cls(address_of(whole))
        y_px, x_px = centre_px or (shape_px[0] / 2, shape_px[1] / 2)
        left = _start(x_px * scale, size.detail_px, drawn.width)
        top = _start(y_px * scale, size.detail_px, drawn.height)
        right = min(left + size.detail_px, drawn.width)
        bottom = min(top + size.detail_px, drawn.height)
        return cls(address_of(whole), address_of(drawn.crop((left, top, right, bottom))))


def thumbnail_sizes(n_images: int) -> list[ThumbnailSize]:
    """Sizes for images, most doubtful first, so that the page stays below about 20 MB.

    Examples
    --------
    >>> len(thumbnail_sizes(10_000))
    600
    """
    n_pictures = min(n_images, MAX_PICTURES)
    whole_px = 340 if n_images <= MAX_DETAILS else 220
    return [ThumbnailSize(whole_px, 240 if rank < MAX_DETAILS else 0) for rank in range(n_pictures)]


def _start(centre: float, length: int, available: int) -> int:
    return max(0, min(round(centre - length / 2), available - length))


def address_of(picture: Image) -> str:
    """A picture as a ``data:`` address."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()

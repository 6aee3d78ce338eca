"""Arrays without axes: which of their dimensions are rows, columns, frames and colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import Unsupported
from scanseg.micrograph import RealImage

__all__ = ["Layout", "complex_image", "grey", "layout_of"]

# A coloured scale bar or label may cover this part of a grey picture; more is a colour picture.
ANNOTATION_FRACTION = 0.05

NOT_GREY_HINT = (
    "Export the measured values from the microscope's program, as 16- or 32-bit grey TIFF or in "
    "its own format."
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array is cut into frames.

    Parameters
    ----------
    n_frames, height, width
        Frames of one measured value a pixel.
    n_samples
        Values a pixel on the last axis, as stored: 1, or 3 and 4 for colours.
    """

    n_frames: int
    height: int
    width: int
    n_samples: int = 1

    @property
    def stored(self) -> tuple[int, ...]:
        """The array's shape once its axes of length 1 are dropped: frames first, samples last."""
        samples = (self.n_samples,) if self.n_samples > 1 else ()
        return (self.n_frames, self.height, self.width, *samples)


def layout_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layout | None:
    """Take an array of unnamed axes apart.

    The frames of a movie come first. An axis of length 1 before or after the image is no axis:
    network inputs are stored as (1, height, width, 1).

    Returns
    -------
    layout
        None where the array is no image and no stack of images.

    Examples
    --------
    >>> layout_of((1, 256, 256, 1), np.dtype("f4"))
    Layout(n_frames=1, height=256, width=256, n_samples=1)
    >>> layout_of((64, 48, 3), np.dtype("u1"))
    Layout(n_frames=1, height=64, width=48, n_samples=3)
    """
    if dtype.kind not in "buif" or len(shape) < 2 or 0 in shape:
        return None
    if len(shape) == 4 and shape[-1] == 1:
        shape = shape[:-1]
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 3 and shape[-1] == 1 and min(shape[:2]) > 1:
        shape = shape[:-1]
    samples = 1
    if _has_colours(shape, dtype):
        *shape_without, samples = shape
        shape = tuple(shape_without)
    if len(shape) == 2:
        return None if _is_table(shape) else Layout(1, *shape, samples)
    return Layout(*shape, samples) if len(shape) == 3 else None


def _is_table(shape: tuple[int, int]) -> bool:
    """Whether a 2-D array is rather a list of positions than an image: (465, 2), (3, 4000)."""
    return min(shape) <= 4 and max(shape) > 8 * min(shape)


def _has_colours(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return len(shape) in (3, 4) and shape[-1] in (3, 4) and dtype in (np.uint8, np.uint16)


def grey(colours: NDArray[Any], path: Path, format: str) -> tuple[RealImage, tuple[str, ...]]:
    """Undo a grey picture's conversion to colour; refuse a real colour picture.

    Parameters
    ----------
    colours
        Shape (height, width, 3 or 4): red, green, blue and perhaps opacity.

    Returns
    -------
    image
        Shape (height, width). Where a coloured label covers the picture nothing is known: NaN.
    warnings
        What was left out.

    Raises
    ------
    Unsupported
        For photographs and colour-mapped pictures: their colours are not measured values, and
        a conversion to grey would make up an order between them.
    """
    red, green, blue = (colours[..., index] for index in range(3))
    coloured = (red != green) | (red != blue)
    n_coloured = int(np.count_nonzero(coloured))
    if n_coloured > ANNOTATION_FRACTION * coloured.size:
        raise Unsupported(
            path,
            f"it is a colour picture ({n_coloured / coloured.size:.0%} of its pixels are not "
            "grey): colours of a photograph or a colour map are not measured values.",
            format=format,
            hint=NOT_GREY_HINT,
        )
    if not n_coloured:
        return np.ascontiguousarray(red), ()
    image = np.where(coloured, np.float32(np.nan), red).astype(np.float32)
    return image, (
        f"{n_coloured} pixels are covered by a coloured label and count as not measured.",
    )


def complex_image(path: Path, format: str) -> Unsupported:
    """Error for images of pairs of numbers."""
    return Unsupported(
        path,
        "its images are complex (a Fourier transform or a vector map), and an image has one real "
        "value a pixel.",
        format=format,
        hint="Export the image itself, or the amplitude or the phase.",
    )

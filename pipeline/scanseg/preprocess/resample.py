"""Windows of an image on a model's grid, equal to the same windows of the whole resampled image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from scanseg.micrograph import FloatImage, RealImage
from scanseg.preprocess.grid import Grid
from scanseg.preprocess.normalise import IntensityRange, repair

__all__ = ["Window", "resample_window"]


class Window(NamedTuple):
    """A rectangle of a grid, in grid pixels; it may reach beyond the grid."""

    top: int
    left: int
    height: int
    width: int


def resample_window(
    data: RealImage, grid: Grid, window: Window, intensity: IntensityRange
) -> FloatImage:
    """Sample one window of an image on a grid.

    Bicubic where the grid is finer than the image; where it is coarser the kernel widens with the
    step, which averages noise instead of aliasing it. The margin of the kernel is cut along, so
    neighbouring windows agree where they overlap.

    Parameters
    ----------
    data
        The measured image, shape (height, width), of any real type.
    grid
        How the image is sampled.
    window
        What part of the grid is wanted; beyond its border the image is mirrored.
    intensity
        What fills gaps and which pixels are spikes.

    Returns
    -------
    sampled
        Shape (window.height, window.width).
    """
    rows = _inside(window.top, window.height, grid.shape[0])
    columns = _inside(window.left, window.width, grid.shape[1])
    inner = _resize(data, grid, rows, columns, intensity)
    pad = (
        (rows[0] - window.top, window.top + window.height - rows[1]),
        (columns[0] - window.left, window.left + window.width - columns[1]),
    )
    if not any(map(any, pad)):
        return inner
    # "symmetric" repeats the border pixel, so that even a one-pixel image can be padded.
    return np.pad(inner, pad, mode="symmetric")


def _inside(start: int, length: int, size: int) -> tuple[int, int]:
    first, last = max(start, 0), min(start + length, size)
    if first >= last:
        raise ValueError(f"the window {start}..{start + length} misses the grid of {size} pixels")
    return first, last


def _resize(
    data: RealImage, grid: Grid, rows: tuple[int, int], columns: tuple[int, int],
    intensity: IntensityRange,
) -> FloatImage:  # fmt: skip
    (top, bottom), y_span = _source(rows, grid.scale[0], data.shape[0])
    (left, right), x_span = _source(columns, grid.scale[1], data.shape[1])
    part = repair(data[top:bottom, left:right], intensity)
    shape = (rows[1] - rows[0], columns[1] - columns[0])
    if grid.shape == grid.image_shape:
        first_y, first_x = rows[0] - top, columns[0] - left
        return np.ascontiguousarray(
            part[first_y : first_y + shape[0], first_x : first_x + shape[1]]
        )
    box = (  # rounding may leave the image by the last digit, which Pillow refuses
        max(x_span[0] - left, 0.0),
        max(y_span[0] - top, 0.0),
        min(x_span[1] - left, float(part.shape[1])),
        min(y_span[1] - top, float(part.shape[0])),
    )
    resized = Image.fromarray(part).resize(shape[::-1], Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized, np.float32)


def _source(
    span: tuple[int, int], scale: float, size: int
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Pixels of the image that a span of the grid needs, and the span's edges in image pixels."""
    first, last = span[0] / scale, span[1] / scale
    # A cubic kernel reaches two pixels of the coarser sampling; one more keeps spikes findable.
    margin = int(np.ceil(2.0 * max(1.0, 1.0 / scale))) + 2
    return (
        (max(int(np.floor(first)) - margin, 0), min(int(np.ceil(last)) + margin, size)),
        (first, last),
    )

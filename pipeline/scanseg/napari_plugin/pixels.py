"""Pixels of layers as the images that scanseg reads: with units, signals and companions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph, Stack
from scanseg.micrograph import Signal as Detected
from scanseg.napari_plugin.calibration import pixel_size_nm_of
from scanseg.napari_plugin.viewing import facts_of

__all__ = [
    "Region",
    "canvas_size",
    "frame_in_view",
    "image_of",
    "plane_of",
    "region_in_view",
    "whole_region",
]

# (top, left, height, width) in pixels of a layer
Region = tuple[int, int, int, int]
SMALLEST_PX = 8


def image_of(
    layers: list[Any], *, frame: int | None, rows: slice, columns: slice
) -> Micrograph | Stack:
    """Pixels of layers as the readers would give them; the first is the main one.

    Parameters
    ----------
    layers
        Image layers of one scan.
    frame
        Of a movie; None takes all of them.
    rows, columns
        What of it.
    """
    first = layers[0]
    planes = [plane_of(each, frame or 0)[rows, columns] for each in layers]
    size = pixel_size_nm_of(first)
    names = [facts_of(each).get("signal", "UNKNOWN") for each in layers]
    companions = {
        Detected(name): Micrograph(plane, pixel_size_nm=size, signal=Detected(name))
        for name, plane in zip(names[1:], planes[1:], strict=True)
        if name not in (names[0], "UNKNOWN")
    }
    image = Micrograph(
        planes[0], pixel_size_nm=size, signal=Detected(names[0]), companions=companions
    )
    n_frames = first.data.shape[0] if first.ndim > 2 else 1
    if frame is not None or n_frames == 1:
        return image
    return Stack(lambda index: plane_of(first, index)[rows, columns], n_frames, image)


def plane_of(layer: Any, frame: int) -> NDArray[Any]:
    """One frame of a layer; of a colour picture the mean of red, green and blue."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    pixels = np.asarray(data[frame] if layer.ndim > 2 else data)
    if getattr(layer, "rgb", False):
        pixels = pixels[..., :3].mean(axis=-1)
    return pixels.astype(np.uint8) if pixels.dtype == np.bool_ else pixels


def whole_region(layer: Any) -> Region:
    """All of a layer."""
    return 0, 0, *_plane_shape(layer)


def region_in_view(viewer: Any, layer: Any) -> Region:
    """What of a layer is on the canvas.

    Raises
    ------
    ValueError
        When it is not.
    """
    rows, columns = _plane_shape(layer)
    y, x = viewer.camera.center[-2:]
    height, width = (side / viewer.camera.zoom for side in canvas_size(viewer))
    place = np.array([[y - height / 2, x - width / 2], [y + height / 2, x + width / 2]])
    corners = (place - np.asarray(layer.translate[-2:])) / np.asarray(layer.scale[-2:])
    top, left = (int(max(0, np.floor(each))) for each in corners[0])
    bottom = int(min(rows, np.ceil(corners[1][0])))
    right = int(min(columns, np.ceil(corners[1][1])))
    if bottom - top < SMALLEST_PX or right - left < SMALLEST_PX:
        raise ValueError("it is not in view")
    return top, left, bottom - top, right - left


def canvas_size(viewer: Any) -> tuple[float, float]:
    """(height, width) of the canvas in pixels of the screen."""
    size = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    return float(size[0]), float(size[1])


def frame_in_view(viewer: Any, layer: Any) -> int:
    """The frame of a movie that is shown; 0 for others."""
    if layer.ndim < 3:
        return 0
    step = viewer.dims.point[-3] / float(layer.scale[-3])
    return int(np.clip(round(step), 0, layer.data.shape[0] - 1))


def _plane_shape(layer: Any) -> tuple[int, int]:
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    shape = data.shape[:-1] if getattr(layer, "rgb", False) else data.shape
    return int(shape[-2]), int(shape[-1])

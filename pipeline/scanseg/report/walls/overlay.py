"""The picture of a scan: its walls as lines in the colours of their classes, junctions as dots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Micrograph, RealImage, Signal
from scanseg.report.canvas import LegendEntry, annotate, grey_canvas, on_canvas, rgb
from scanseg.report.marks import Mark, draw_segments, stamp
from scanseg.report.walls.lengths import class_lengths, length_text

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

__all__ = ["draw_walls", "scan_ground"]

COMFORTABLE_SIDE_PX = 768  # scans have 256 pixels a side: enlarged three times, walls stay apart
# Of amplitude over amplitude plus median: the median is middle grey, where lines show best.
AMPLITUDE_LIMITS = (0.0, 1.0)
# Of the cosine of the phase, so that domains are not black and white but dark and light grey.
PHASE_LIMITS = (-2.0, 2.0)
JUNCTION_COLOUR = (255, 255, 255)


def draw_walls(
    image: Micrograph,
    walls: pd.DataFrame,
    points: pd.DataFrame,
    *,
    colours: Mapping[str, str],
    junction_px: NDArray[np.float64],
    longest_px: int = 2048,
    title: str = "",
) -> Image:
    """Draw every wall at its sub-pixel position on the grey amplitude.

    Parameters
    ----------
    image
        What was measured; without an amplitude its phase is drawn.
    walls
        One row a wall: ``class, length_px, length_nm``.
    points
        One row a point, in order along each wall: ``branch, y_px, x_px, class``.
    colours
        Colour of a class as "#rrggbb".
    junction_px
        (y, x) where walls meet, shape (N, 2).
    longest_px
        Longest side of the picture; a larger scan is reduced.
    title
        Written below, beside the number of walls.

    Returns
    -------
    picture
        RGB. Small scans are enlarged by a whole number.
    """
    scale = _canvas_scale(image.shape, longest_px)
    ground, limits = scan_ground(image)
    canvas = grey_canvas(ground, scale, limits=limits)
    to_canvas = np.array(canvas.shape[:2]) / np.array(image.shape)
    half_width_px = float(np.clip(0.3 * scale, 0.6, 1.2))
    _draw_lines(canvas, points, colours, to_canvas, half_width_px)
    places = on_canvas(np.array(junction_px, np.float64).reshape(-1, 2), to_canvas)
    stamp(canvas, places, Mark(0.0, half_width_px + 0.7), JUNCTION_COLOUR)
    n_walls = f"{len(walls):,} walls" if len(walls) != 1 else "1 wall"
    return annotate(canvas, image, [title, n_walls], _legend(image, walls, colours))


def _canvas_scale(shape: tuple[int, int], longest_px: int) -> float:
    longest = max(shape)
    if longest > longest_px:
        return longest_px / longest
    return float(max(1, min(int(np.ceil(COMFORTABLE_SIDE_PX / longest)), longest_px // longest)))


def scan_ground(image: Micrograph) -> tuple[FloatImage, tuple[float, float]]:
    """What the lines are drawn on: the amplitude, else the phase; and what is black and white."""
    scan = image.channels()
    if Signal.PFM_AMPLITUDE not in scan and Signal.PFM_PHASE in scan:
        return _two_shades(scan[Signal.PFM_PHASE].data), PHASE_LIMITS
    return _compressed(scan.get(Signal.PFM_AMPLITUDE, image).data), AMPLITUDE_LIMITS


def _compressed(amplitude: RealImage) -> FloatImage:
    """A / (A + median): a few bright grains do not push all other domains into the dark."""
    size = np.maximum(amplitude.astype(np.float32), 0)
    return np.asarray(size / np.maximum(size + np.nanmedian(size), 1e-30), np.float32)


def _two_shades(phase_deg: RealImage) -> FloatImage:
    """Cosine of the phase from the direction that both polarities have, if one is turned by 180°.

    The phase has no fixed zero and wraps; so drawn, domains are bright and dark, and evenly so.
    """
    phase = np.deg2rad(phase_deg.astype(np.float32))
    axis = np.angle(np.nanmean(np.exp(2j * phase))) / 2
    return np.asarray(np.cos(phase - axis), np.float32)


def _draw_lines(
    canvas: NDArray[np.uint8],
    points: pd.DataFrame,
    colours: Mapping[str, str],
    to_canvas: NDArray[np.float64],
    half_width_px: float,
) -> None:
    places = on_canvas(points[["y_px", "x_px"]].to_numpy(np.float64, copy=True), to_canvas)
    branch, names = points["branch"].to_numpy(), points["class"].to_numpy(object)
    joined = branch[1:] == branch[:-1]
    segments = np.stack([places[:-1], places[1:]], axis=1)
    for name, colour in colours.items():
        draw_segments(canvas, segments[joined & (names[1:] == name)], half_width_px, rgb(colour))


def _legend(
    image: Micrograph, walls: pd.DataFrame, colours: Mapping[str, str]
) -> list[LegendEntry]:
    """Class and total length of each class that occurs."""
    in_nm = image.pixel_size_nm is not None
    return [
        # The font that comes with Pillow has no µ.
        LegendEntry(
            f"{name} {length_text(length, in_nm=in_nm).replace('µ', 'u')}", colours[name], "line"
        )
        for name, length in class_lengths(walls, colours, in_nm=in_nm).items()
        if length
    ]

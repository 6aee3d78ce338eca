"""Pictures of what was found rightly, wrongly, and not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scanseg.micrograph import FloatImage, Mask, Micrograph
from scanseg.report.canvas import LegendEntry, annotate, grey_canvas, on_canvas, rgb
from scanseg.report.marks import Mark, stamp
from scanseg.report.walls.overlay import scan_ground

if TYPE_CHECKING:
    from PIL.Image import Image

    from scanseg.evaluate import JudgedColumns

__all__ = ["draw_judged_columns", "draw_judged_walls"]

RIGHT, FALSE, MISSED = "#35d07f", "#ff9f1c", "#ff3df2"
SMALLEST_SIDE_PX = 320  # smaller pictures are enlarged


def draw_judged_columns(
    image: Micrograph | tuple[int, int], judged: JudgedColumns, *, title: str,
    longest_px: int = 640,
) -> Image:  # fmt: skip
    """Draw found and missed columns on the image, or on grey where only its shape is known."""
    image = _plain(image)
    scale = _scale(image.shape, longest_px)
    canvas = grey_canvas(image.data, scale)
    to_canvas = np.array(canvas.shape[:2]) / np.array(image.shape)
    spacing = float(np.sqrt(canvas[..., 0].size / max(1, len(judged.true_px))))
    radius = float(np.clip(0.3 * spacing, 2.5, 11.0))
    kinds = [
        ("found", judged.found_px[judged.matches.found_index], RIGHT, Mark(radius, 0.7)),
        ("not there", judged.found_px[judged.false_index], FALSE, Mark(radius + 1, 1.1)),
        ("missed", judged.true_px[judged.missed_index], MISSED, Mark(radius, 1.0, cross=True)),
    ]  # fmt: skip
    legend = []
    for text, position, colour, mark in kinds:
        places = on_canvas(np.array(position, float).reshape(-1, 2), to_canvas)
        stamp(canvas, places, mark, rgb(colour))
        kind: Literal["cross", "ring"] = "cross" if mark.cross else "ring"
        legend.append(LegendEntry(f"{text} {len(position):,}", colour, kind))
    return annotate(canvas, image, [title], legend)


def draw_judged_walls(
    image: Micrograph | tuple[int, int], judged: tuple[Mask, Mask, Mask], *, title: str,
    longest_px: int = 640,
) -> Image:  # fmt: skip
    """Draw pixels of walls that were found rightly, wrongly and not at all.

    Parameters
    ----------
    image
        The scan, or the shape of one that is not at hand.
    judged
        Right, false and missed pixels, see ``scanseg.evaluate.judge_skeleton``.
    title
        Written below.
    longest_px
        Longest side of the picture; a larger scan is reduced.
    """
    plain = not isinstance(image, Micrograph)
    image = _plain(image)
    scale = _scale(image.shape, longest_px)
    ground, limits = (image.data, None) if plain else scan_ground(image)
    canvas = grey_canvas(ground, scale, limits=limits)
    to_canvas = np.array(canvas.shape[:2]) / np.array(image.shape)
    mark = Mark(0.0, float(np.clip(0.45 * scale, 0.6, 1.6)))
    legend = []
    for text, mask, colour in zip(
        ("found", "not there", "missed"), judged, (RIGHT, FALSE, MISSED), strict=True
    ):
        stamp(canvas, on_canvas(np.argwhere(mask).astype(float), to_canvas), mark, rgb(colour))
        legend.append(LegendEntry(f"{text} {int(mask.sum()):,} px", colour, "line"))
    return annotate(canvas, image, [title], legend)


def _plain(image: Micrograph | tuple[int, int]) -> Micrograph:
    from scanseg.micrograph import Signal

    if isinstance(image, Micrograph):
        return image
    grey: FloatImage = np.zeros(image, np.float32)
    return Micrograph(grey, None, Signal.UNKNOWN)


def _scale(shape: tuple[int, int], longest_px: int) -> float:
    longest = max(shape)
    if longest > longest_px:
        return longest_px / longest
    return float(max(1, min(-(-SMALLEST_SIDE_PX // longest), longest_px // longest)))

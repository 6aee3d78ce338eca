"""The grey picture that marks are drawn on, and the strip of text with its legend below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.mapped import let_go, thinned
from scanseg.micrograph import FloatImage, Micrograph, RealImage

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LegendEntry", "annotate", "grey_canvas", "on_canvas", "rgb"]

MISSING_COLOUR = (38, 42, 66)
PERCENTILES = (0.3, 99.7)
SAMPLE = 65_000  # pixels; fixes the black level to 0.3 % of the range and takes 1 ms


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A word of the legend, the colour "#rrggbb" of its mark, and what the mark looks like."""

    text: str
    colour: str
    mark: Literal["ring", "cross", "line"] = "ring"


def grey_canvas(
    data: RealImage, scale: float, *, limits: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """The image at the scale of the canvas, RGB; what was not measured is bluish.

    Parameters
    ----------
    data
        Shape (height, width).
    scale
        Pixels of the canvas for one of the image.
    limits
        What becomes black and white; by default almost the whole range.
    """
    low, high = limits or _limits(data)
    # Reducing by a whole number first keeps a 16,384 px image from passing through float32 at once.
    reduction = max(1, int(1 / scale))
    reduced = _block_mean(data, reduction)
    span = max(float(high - low), 1e-30)
    stretched = np.nan_to_num((reduced - np.float32(low)) * np.float32(255 / span))
    shape = max(1, round(data.shape[0] * scale)), max(1, round(data.shape[1] * scale))
    grey = _resized(np.clip(stretched, 0, 255).astype(np.uint8), shape, smooth=True)
    canvas = np.repeat(grey[:, :, None], 3, axis=2)
    missing = ~np.isfinite(reduced)
    if missing.any():
        canvas[_resized(missing.astype(np.uint8), shape, smooth=False) > 0] = MISSING_COLOUR
    return canvas


def _limits(data: RealImage) -> tuple[float, float]:
    step = max(1, int(np.sqrt(data.size / SAMPLE)))
    sample = thinned(data, step).astype(np.float32)
    finite = sample[np.isfinite(sample)]
    return tuple(np.percentile(finite, PERCENTILES)) if finite.size else (0.0, 1.0)


def _resized(
    image: NDArray[np.uint8], shape: tuple[int, int], *, smooth: bool
) -> NDArray[np.uint8]:
    from PIL import Image

    if image.shape == shape:
        return image
    kind = Image.Resampling.NEAREST
    if smooth:
        larger = shape[0] > image.shape[0]
        kind = Image.Resampling.BICUBIC if larger else Image.Resampling.BOX
    resized: NDArray[np.uint8] = np.asarray(Image.fromarray(image).resize(shape[::-1], kind))
    return resized


def _block_mean(data: RealImage, factor: int) -> FloatImage:
    if factor == 1:
        return data.astype(np.float32)
    height, width = data.shape[0] // factor, data.shape[1] // factor
    reduced = np.empty((height, width), np.float32)
    for row in range(height):
        strip = data[row * factor : (row + 1) * factor, : width * factor]
        reduced[row] = strip.reshape(factor, width, factor).mean(axis=(0, 2), dtype=np.float32)
        let_go(data)
    return reduced


def on_canvas(position_px: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions of the image, shape (N, 2), in pixels of the canvas; the array is changed."""
    position_px += 0.5
    position_px *= scale
    position_px -= 0.5
    return position_px


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb".

    Examples
    --------
    >>> rgb("#ffb000")
    (255, 176, 0)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def annotate(
    canvas: NDArray[np.uint8],
    image: Micrograph,
    caption: Sequence[str],
    legend: Sequence[LegendEntry],
) -> Image:
    """Add the scale bar and, below the image, lines of text with the legend.

    Parameters
    ----------
    canvas
        RGB, shape (height, width, 3).
    image
        What was measured, for the length of the scale bar.
    caption
        Parts of the text; each stays on one line.
    legend
        At the right of the last line, or on a line of its own.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = canvas.shape[:2]
    size = int(np.clip(max(height, width) / 64, 13, 26))
    font = ImageFont.load_default(size)
    legend_px = sum(font.getlength(entry.text) + 2.5 * size for entry in legend)
    lines = _lines([part for part in caption if part], width - 2 * size, font)
    own_line = font.getlength(lines[-1]) + legend_px + 2 * size > width
    line_px = 2 * size
    strip_px = line_px * (len(lines) + own_line)
    picture = Image.new("RGB", (width, height + strip_px), (20, 22, 28))
    picture.paste(Image.fromarray(canvas), (0, 0))
    draw = ImageDraw.Draw(picture)
    for number, text in enumerate(lines):
        place = (size, height + size + number * line_px)
        draw.text(place, text, (225, 228, 235), font, anchor="lm")
    legend_left = size if own_line else width - int(legend_px)
    _draw_legend(draw, legend, (legend_left, height + strip_px - size), size, font)
    if image.pixel_size_nm is not None:
        _draw_scale_bar(draw, image.pixel_size_nm[1] * image.shape[1] / width, canvas, size, font)
    return picture


def _lines(parts: list[str], width_px: float, font: Any) -> list[str]:
    """Put parts on as few lines as they fit; of a name that is too long the end is kept."""
    lines: list[str] = []
    for part in (_shortened(part, width_px, font) for part in parts):
        joined = f"{lines[-1]}   {part}" if lines else part
        if lines and font.getlength(joined) <= width_px:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _shortened(text: str, width_px: float, font: Any) -> str:
    while font.getlength(text) > width_px and len(text) > 4:
        text = "…" + text[2:]
    return text


def _draw_legend(
    draw: Any, legend: Sequence[LegendEntry], start: tuple[int, int], size: int, font: Any
) -> None:
    left, middle = start
    radius = size // 3
    for entry in legend:
        box = (left, middle - radius, left + 2 * radius, middle + radius)
        line = max(2, size // 7)
        if entry.mark == "cross":
            draw.line(box, entry.colour, line)
            draw.line((box[0], box[3], box[2], box[1]), entry.colour, line)
        elif entry.mark == "line":
            draw.line((box[0], middle, box[2], middle), entry.colour, line + 1)
        else:
            draw.ellipse(box, outline=entry.colour, width=line)
        left += size
        draw.text((left, middle), entry.text, (225, 228, 235), font, anchor="lm")
        left += int(draw.textlength(entry.text, font) + 1.5 * size)


def _draw_scale_bar(
    draw: Any, nm_per_px: float, canvas: NDArray[np.uint8], size: int, font: Any
) -> None:
    height, width = canvas.shape[:2]
    wanted_nm = 0.22 * width * nm_per_px
    power = 10.0 ** np.floor(np.log10(wanted_nm))
    length_nm = max(step * power for step in (1, 2, 5) if step * power <= wanted_nm)
    length_px = round(length_nm / nm_per_px)
    left, bottom, thick = size, height - size, max(4, size // 4)
    draw.rectangle((left - 2, bottom - thick - 2, left + length_px + 2, bottom + 1), fill=(0, 0, 0))
    draw.rectangle((left, bottom - thick, left + length_px, bottom - 1), fill=(255, 255, 255))
    draw.text(
        (left + length_px / 2, bottom - thick - size // 3),
        _length(length_nm),
        (255, 255, 255),
        font,
        anchor="ms",
        stroke_width=2,
        stroke_fill=(0, 0, 0),
    )


def _length(length_nm: float) -> str:
    """A length in letters of the font that comes with Pillow, which has no µ."""
    if length_nm < 0.1:
        return f"{length_nm * 1000:g} pm"
    return f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} um"

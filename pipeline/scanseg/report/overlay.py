"""The picture a person looks at: the image, every atom on it, a scale bar, a legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Micrograph, RealImage
from scanseg.report.marks import Mark, stamp

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

__all__ = ["draw_overlay"]

FLAGGED_COLOUR = "#ff3df2"  # magenta: in no palette of classes
MISSING_COLOUR = (38, 42, 66)
COMFORTABLE_SPACING_PX = 10.0  # from here on a ring leaves its column visible
SMALLEST_SIDE_PX = 400  # smaller pictures are enlarged
PERCENTILES = (0.3, 99.7)
SAMPLE = 200_000  # pixels; fixes a percentile to 1e-3


def draw_overlay(
    image: Micrograph,
    atoms: pd.DataFrame,
    *,
    colours: Mapping[str, str],
    spacing_px: float | None = None,
    longest_px: int = 2048,
    title: str = "",
) -> Image:
    """Draw every atom at its refined position on the stretched grey image.

    Parameters
    ----------
    image
        What was measured.
    atoms
        One row an atom: ``y_px, x_px, class`` and, where known, ``fit_ok``. Atoms whose fit failed
        are crosses in magenta.
    colours
        Colour of a class as "#rrggbb".
    spacing_px
        Distance of neighbouring columns, from which the size of the marks follows.
    longest_px
        Longest side of the picture; a larger image is reduced.
    title
        Written below, beside the number of atoms.

    Returns
    -------
    picture
        RGB. Images with narrow spacings are enlarged by a whole number.
    """
    spacing_px = spacing_px if spacing_px and np.isfinite(spacing_px) else None
    scale = _canvas_scale(image.shape, spacing_px, longest_px)
    canvas = _grey_canvas(image.data, scale)
    counts = _draw_marks(canvas, image.shape, atoms, colours, spacing_px)
    return _annotate(canvas, image, counts, title, spacing_px)


def _canvas_scale(shape: tuple[int, int], spacing_px: float | None, longest_px: int) -> float:
    longest = max(shape)
    if longest > longest_px:
        return longest_px / longest
    wanted = max(
        COMFORTABLE_SPACING_PX / spacing_px if spacing_px else 1.0, SMALLEST_SIDE_PX / longest
    )
    return float(max(1, min(int(np.ceil(wanted)), longest_px // longest, 16)))


def _grey_canvas(data: RealImage, scale: float) -> NDArray[np.uint8]:
    """The stretched image at the scale of the canvas, RGB; what was not measured is bluish."""
    step = max(1, int(np.sqrt(data.size / SAMPLE)))
    sample = data[::step, ::step].astype(np.float32)
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, PERCENTILES) if finite.size else (0.0, 1.0)
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
    return reduced


def _draw_marks(
    canvas: NDArray[np.uint8],
    shape: tuple[int, int],
    atoms: pd.DataFrame,
    colours: Mapping[str, str],
    spacing_px: float | None,
) -> dict[str, tuple[int, str]]:
    """Draw all atoms; return the number and the colour of every legend entry."""
    if not len(atoms):
        return {}
    scale = np.array(canvas.shape[:2]) / np.array(shape)
    ring, cross = _mark_sizes(spacing_px, float(scale.mean()), min(canvas.shape[:2]))
    ok = atoms["fit_ok"].to_numpy(bool) if "fit_ok" in atoms else np.ones(len(atoms), bool)
    legend: dict[str, tuple[int, str]] = {}
    for name in dict.fromkeys([*colours, *sorted(map(str, atoms["class"].unique()))]):
        chosen = (atoms["class"] == name).to_numpy(bool)
        if chosen.any():
            colour = colours.get(name, "#ffd23f")
            legend[name] = (int(chosen.sum()), colour)
            stamp(canvas, _on_canvas(atoms, chosen & ok, scale), ring, _rgb(colour))
    if not ok.all():
        legend["not fitted"] = (int((~ok).sum()), FLAGGED_COLOUR)
        stamp(canvas, _on_canvas(atoms, ~ok, scale), cross, _rgb(FLAGGED_COLOUR))
    return legend


def _on_canvas(
    atoms: pd.DataFrame, chosen: NDArray[np.bool_], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Positions of the chosen atoms on the canvas, shape (n, 2)."""
    places = np.empty((int(chosen.sum()), 2))
    for axis, name in enumerate(("y_px", "x_px")):
        places[:, axis] = atoms[name].to_numpy(np.float64)[chosen]
    places += 0.5
    places *= scale
    places -= 0.5
    return places


def _mark_sizes(spacing_px: float | None, scale: float, smallest: int) -> tuple[Mark, Mark]:
    on_canvas = spacing_px * scale if spacing_px else smallest / 40
    width = 0.65 if on_canvas < 24 else 0.85
    if on_canvas < 9:
        # Rings would touch: a dot a column, small enough to leave gaps.
        radius = max(0.5, 0.16 * on_canvas)
        return Mark(0.0, radius), Mark(max(1.5, 0.4 * on_canvas), 0.6, cross=True)
    radius = float(np.clip(0.30 * on_canvas, 3.0, 11.0))
    return Mark(radius, width), Mark(radius, width + 0.1, cross=True)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _annotate(
    canvas: NDArray[np.uint8],
    image: Micrograph,
    counts: Mapping[str, tuple[int, str]],
    title: str,
    spacing_px: float | None,
) -> Image:
    """Add the scale bar and, below the image, a line of text with the legend."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = canvas.shape[:2]
    size = int(np.clip(max(height, width) / 64, 13, 26))
    font = ImageFont.load_default(size)
    entries = [(f"{name} {number:,}", colour) for name, (number, colour) in counts.items()]
    legend_px = sum(font.getlength(entry) + 2.5 * size for entry, _ in entries)
    lines = _lines(_caption(image, counts, title, spacing_px), width - 2 * size, font)
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
    _draw_legend(draw, entries, (legend_left, height + strip_px - size), size, font)
    if image.pixel_size_nm is not None:
        _draw_scale_bar(draw, image.pixel_size_nm[1] * image.shape[1] / width, canvas, size, font)
    return picture


def _caption(
    image: Micrograph,
    counts: Mapping[str, tuple[int, str]],
    title: str,
    spacing_px: float | None,
) -> list[str]:
    n_atoms = sum(number for name, (number, _) in counts.items() if name != "not fitted")
    parts = [title, f"{n_atoms:,} atoms" if n_atoms != 1 else "1 atom"]
    if spacing_px:
        spacing = f"spacing {spacing_px:.1f} px"
        if image.pixel_size_nm is not None:
            spacing += f" = {spacing_px * float(np.sqrt(np.prod(image.pixel_size_nm))):.3g} nm"
        parts.append(spacing)
    return [part for part in parts if part]


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
    draw: Any, entries: list[tuple[str, str]], start: tuple[int, int], size: int, font: Any
) -> None:
    left, middle = start
    radius = size // 3
    for text, colour in entries:
        box = (left, middle - radius, left + 2 * radius, middle + radius)
        line = max(2, size // 7)
        if colour == FLAGGED_COLOUR:
            draw.line(box, colour, line)
            draw.line((box[0], box[3], box[2], box[1]), colour, line)
        else:
            draw.ellipse(box, outline=colour, width=line)
        left += size
        draw.text((left, middle), text, (225, 228, 235), font, anchor="lm")
        left += int(draw.textlength(text, font) + 1.5 * size)


def _draw_scale_bar(
    draw: Any, nm_per_px: float, canvas: NDArray[np.uint8], size: int, font: Any
) -> None:
    height, width = canvas.shape[:2]
    wanted_nm = 0.22 * width * nm_per_px
    power = 10.0 ** np.floor(np.log10(wanted_nm))
    length_nm = max(step * power for step in (1, 2, 5) if step * power <= wanted_nm)
    length_px = round(length_nm / nm_per_px)
    left, bottom, thick = size, height - size, max(4, size // 4)
    text = f"{length_nm:g} nm" if length_nm >= 0.1 else f"{length_nm * 1000:g} pm"
    draw.rectangle((left - 2, bottom - thick - 2, left + length_px + 2, bottom + 1), fill=(0, 0, 0))
    draw.rectangle((left, bottom - thick, left + length_px, bottom - 1), fill=(255, 255, 255))
    draw.text(
        (left + length_px / 2, bottom - thick - size // 3),
        text,
        (255, 255, 255),
        font,
        anchor="ms",
        stroke_width=2,
        stroke_fill=(0, 0, 0),
    )

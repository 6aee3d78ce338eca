"""The picture a person looks at: the image, every atom on it, a scale bar, a legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph
from scanseg.report.canvas import LegendEntry, annotate, grey_canvas, on_canvas, rgb
from scanseg.report.marks import Mark, stamp

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

__all__ = ["draw_atoms"]

FLAGGED_COLOUR = "#ff3df2"  # magenta: in no palette of classes
COMFORTABLE_SPACING_PX = 10.0  # from here on a ring leaves its column visible
SMALLEST_SIDE_PX = 400  # smaller pictures are enlarged


def draw_atoms(
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
    canvas = grey_canvas(image.data, scale)
    legend = _draw_marks(canvas, image.shape, atoms, colours, spacing_px)
    return annotate(canvas, image, _caption(image, len(atoms), title, spacing_px), legend)


def _canvas_scale(shape: tuple[int, int], spacing_px: float | None, longest_px: int) -> float:
    longest = max(shape)
    if longest > longest_px:
        return longest_px / longest
    wanted = max(
        COMFORTABLE_SPACING_PX / spacing_px if spacing_px else 1.0, SMALLEST_SIDE_PX / longest
    )
    return float(max(1, min(int(np.ceil(wanted)), longest_px // longest, 16)))


def _draw_marks(
    canvas: NDArray[np.uint8],
    shape: tuple[int, int],
    atoms: pd.DataFrame,
    colours: Mapping[str, str],
    spacing_px: float | None,
) -> list[LegendEntry]:
    """Draw all atoms; return the legend with the number of each class."""
    if not len(atoms):
        return []
    scale = np.array(canvas.shape[:2]) / np.array(shape)
    ring, cross = _mark_sizes(spacing_px, float(scale.mean()), min(canvas.shape[:2]))
    ok = atoms["fit_ok"].to_numpy(bool) if "fit_ok" in atoms else np.ones(len(atoms), bool)
    legend: list[LegendEntry] = []
    for name in dict.fromkeys([*colours, *sorted(map(str, atoms["class"].unique()))]):
        chosen = (atoms["class"] == name).to_numpy(bool)
        if chosen.any():
            colour = colours.get(name, "#ffd23f")
            legend.append(LegendEntry(f"{name} {chosen.sum():,}", colour))
            stamp(canvas, _places(atoms, chosen & ok, scale), ring, rgb(colour))
    if not ok.all():
        legend.append(LegendEntry(f"not fitted {(~ok).sum():,}", FLAGGED_COLOUR, "cross"))
        stamp(canvas, _places(atoms, ~ok, scale), cross, rgb(FLAGGED_COLOUR))
    return legend


def _places(
    atoms: pd.DataFrame, chosen: NDArray[np.bool_], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Positions of the chosen atoms on the canvas, shape (n, 2)."""
    places = np.empty((int(chosen.sum()), 2))
    for axis, name in enumerate(("y_px", "x_px")):
        places[:, axis] = atoms[name].to_numpy(np.float64)[chosen]
    return on_canvas(places, scale)


def _mark_sizes(spacing_px: float | None, scale: float, smallest: int) -> tuple[Mark, Mark]:
    on_canvas_px = spacing_px * scale if spacing_px else smallest / 40
    width = 0.65 if on_canvas_px < 24 else 0.85
    if on_canvas_px < 9:
        # Rings would touch: a dot a column, small enough to leave gaps.
        radius = max(0.5, 0.16 * on_canvas_px)
        return Mark(0.0, radius), Mark(max(1.5, 0.4 * on_canvas_px), 0.6, cross=True)
    radius = float(np.clip(0.30 * on_canvas_px, 3.0, 11.0))
    return Mark(radius, width), Mark(radius, width + 0.1, cross=True)


def _caption(image: Micrograph, n_atoms: int, title: str, spacing_px: float | None) -> list[str]:
    parts = [title, f"{n_atoms:,} atoms" if n_atoms != 1 else "1 atom"]
    if spacing_px:
        spacing = f"spacing {spacing_px:.1f} px"
        if image.pixel_size_nm is not None:
            spacing += f" = {spacing_px * float(np.sqrt(np.prod(image.pixel_size_nm))):.3g} nm"
        parts.append(spacing)
    return parts

"""The picture a person looks at: the image, every atom on it, a scale bar, a legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph
from scanseg.report.canvas import LegendEntry, annotate, grey_canvas, on_canvas, rgb
from scanseg.report.marks import Mark, stamp_all

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

__all__ = ["draw_atoms"]

FLAGGED_COLOUR = "#ff3df2"  # magenta: in no palette of classes
COMFORTABLE_SPACING_PX = 10.0  # from here on a ring leaves its column visible
SMALLEST_SIDE_PX = 400  # smaller pictures are enlarged


def draw_atoms(
    image: Micrograph,
    atoms: pd.DataFrame | Iterable[pd.DataFrame],
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
        One row an atom: ``y_px, x_px, class`` and, where known, ``fit_ok``; or such tables one
        after the other. Atoms whose fit failed are crosses in magenta.
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
    from pandas import DataFrame

    spacing_px = spacing_px if spacing_px and np.isfinite(spacing_px) else None
    scale = _canvas_scale(image.shape, spacing_px, longest_px)
    canvas = grey_canvas(image.data, scale)
    parts = [atoms] if isinstance(atoms, DataFrame) else atoms
    legend, n_atoms = _draw_marks(canvas, image.shape, parts, colours, spacing_px)
    return annotate(canvas, image, _caption(image, n_atoms, title, spacing_px), legend)


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
    parts: Iterable[pd.DataFrame],
    colours: Mapping[str, str],
    spacing_px: float | None,
) -> tuple[list[LegendEntry], int]:
    """Draw all atoms; return the legend with the number of each class, and that of all."""
    scale = np.array(canvas.shape[:2]) / np.array(shape)
    ring, cross = _mark_sizes(spacing_px, float(scale.mean()), min(canvas.shape[:2]))
    # What is drawn of an atom takes a quarter of its row in the table.
    marks = [_Marks.of(part, scale) for part in parts]
    numbers = sum((part.numbers for part in marks), Counter[str]())
    legend: list[LegendEntry] = []
    for name in dict.fromkeys([*colours, *sorted(numbers)]):
        if numbers[name]:
            colour = colours.get(name, "#ffd23f")
            legend.append(LegendEntry(f"{name} {numbers[name]:,}", colour))
            stamp_all(canvas, (part.fitted(name) for part in marks), ring, rgb(colour))
    if n_not_fitted := sum(int((~part.ok).sum()) for part in marks):
        legend.append(LegendEntry(f"not fitted {n_not_fitted:,}", FLAGGED_COLOUR, "cross"))
        not_fitted = (part.places[~part.ok] for part in marks)
        stamp_all(canvas, not_fitted, cross, rgb(FLAGGED_COLOUR))
    return legend, numbers.total()


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """N atoms on the canvas.

    Parameters
    ----------
    places
        (y, x) on the canvas, shape (N, 2).
    kind
        Index of the name of the class, shape (N,).
    names
        Of the classes.
    ok
        Whether the position was fitted, shape (N,).
    """

    places: NDArray[np.float64]
    kind: NDArray[Any]
    names: tuple[str, ...]
    ok: NDArray[np.bool_]

    @classmethod
    def of(cls, atoms: pd.DataFrame, scale: NDArray[np.float64]) -> _Marks:
        kind = atoms["class"].astype("category").cat
        ok = atoms["fit_ok"].to_numpy(bool) if "fit_ok" in atoms else np.ones(len(atoms), bool)
        places = np.stack([atoms["y_px"], atoms["x_px"]], axis=1).astype(np.float64)
        return cls(on_canvas(places, scale), kind.codes.to_numpy(), tuple(kind.categories), ok)

    @property
    def numbers(self) -> Counter[str]:
        """Atoms of each class."""
        count = np.bincount(self.kind, minlength=len(self.names))
        return Counter(dict(zip(map(str, self.names), count.tolist(), strict=True)))

    def fitted(self, name: str) -> NDArray[np.float64]:
        """Places of the atoms of a class that were fitted."""
        if name not in self.names:
            return np.empty((0, 2))
        places: NDArray[np.float64] = self.places[(self.kind == self.names.index(name)) & self.ok]
        return places


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

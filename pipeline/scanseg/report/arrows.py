"""A field of displacements as arrows on the image, coloured by their direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph
from scanseg.report.image_axes import WIDTH_IN, image_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["draw_arrows"]

# Right, up, left and down again: sky blue, yellow, vermilion, purple (Okabe and Ito), whose
# neighbours differ in brightness too.
DIRECTION_COLOURS = ("#56b4e9", "#f0e442", "#e8601c", "#cc79a7", "#56b4e9")
ARROWS_IN = 0.5  # height of the strip above the image, for the key


def draw_arrows(
    image: Micrograph, table: pd.DataFrame, magnify: float | None, label: str
) -> Figure:
    """Draw arrows, with a wheel of directions and a key of length.

    Parameters
    ----------
    image
        What was measured.
    table
        A row an arrow: its middle ``y_px, x_px`` and the displacement ``dy_px, dx_px``.
    magnify
        Arrows are so many times as long as the displacements; None for as much as there is room.
    label
        What the displacements are against.
    """
    figure, axes = image_figure(image, head_in=ARROWS_IN)
    place = table[["y_px", "x_px"]].to_numpy(float)
    dy, dx = table["dy_px"].to_numpy(float), table["dx_px"].to_numpy(float)
    spacing, long = _spacing(place), _long(np.hypot(dy, dx))
    magnify = magnify or _rounded(spacing / long)
    colours = _cyclic()
    arrows = axes.quiver(
        place[:, 1] - 0.5 * magnify * dx, place[:, 0] - 0.5 * magnify * dy, magnify * dx,
        magnify * dy, np.arctan2(-dy, dx), cmap=colours, clim=(-np.pi, np.pi), angles="xy",
        scale_units="xy", scale=1, units="xy", width=max(0.11 * spacing, 0.0035 * image.shape[1]),
        headwidth=3, headlength=3.2, headaxislength=2.8, pivot="tail", ec="black", lw=0.3,
    )  # fmt: skip
    nm = image.pixel_size_nm
    pm_per_px = 1000 * nm[1] if nm else 1.0
    key = _rounded(long * pm_per_px)
    axes.quiverkey(
        arrows, 1 - 1.2 / WIDTH_IN, 1 + 0.5 * ARROWS_IN / _height_in(figure),
        magnify * key / pm_per_px, f"{key:g} {'pm' if nm else 'px'}", labelpos="E", color="black",
        fontproperties={"size": 9}, labelsep=0.06,
    )  # fmt: skip
    axes.text(
        0.006, 1 + 0.5 * ARROWS_IN / _height_in(figure), f"displacement {label}, x {magnify:g}",
        transform=axes.transAxes, fontsize=9, va="center",
    )  # fmt: skip
    side = ARROWS_IN - 0.04
    across, down = side / figure.get_figwidth(), side / figure.get_figheight()
    wheel: Any = figure.add_axes(
        (0.995 - across, 1 - down - 0.02 / figure.get_figheight(), across, down),
        projection="polar",
    )
    angle = np.linspace(-np.pi, np.pi, 121)
    wheel.pcolormesh(angle, [0.45, 1], 0.5 * (angle[None, :-1] + angle[None, 1:]), cmap=colours,
                     vmin=-np.pi, vmax=np.pi)  # fmt: skip
    wheel.set_axis_off()
    return figure


def _height_in(figure: Figure) -> float:
    """Of the image below the strip."""
    return float(figure.get_figheight()) - ARROWS_IN


def _cyclic() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    # Angles run from -180 degrees, which is left.
    right, up, left, down, _ = DIRECTION_COLOURS
    return LinearSegmentedColormap.from_list("directions", [left, down, right, up, left])


def _spacing(place: NDArray[np.float64]) -> float:
    """Median distance of nearest places; of fewer than two, 10 px."""
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(place).query(place, k=2)[0][:, 1])) if len(place) > 1 else 10.0


def _long(length: NDArray[np.float64]) -> float:
    """What four of five lengths stay within: strays and interfaces are not to shorten the rest."""
    return max(float(np.percentile(length, 80)), 1e-9) if len(length) else 1.0


def _rounded(value: float) -> float:
    """1, 2 or 5 times a power of ten, not above the value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)))

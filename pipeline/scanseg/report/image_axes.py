"""Axes that show an image or a map of it: true proportions, a scale bar, room for a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.micrograph import Micrograph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "WIDTH_IN", "head_legend", "image_figure", "map_axes", "map_panels", "outlined", "scale_bar",
]  # fmt: skip

WIDTH_IN = 7.0
TALLEST_IN = 12.0
HEAD_IN = 0.27
PERCENTILES = (0.5, 99.7)
Size = tuple[float, float]


def image_figure(image: Micrograph, *, head_in: float = HEAD_IN) -> tuple[Figure, Axes]:
    """The image in grey, its pixels as large as they are, below a strip for a legend.

    Parameters
    ----------
    image
        What was measured.
    head_in
        Height of the strip in inches.
    """
    from matplotlib.figure import Figure

    height, width = image.shape
    tall = (image.pixel_size_nm[0] / image.pixel_size_nm[1]) if image.pixel_size_nm else 1.0
    height_in = min(max(WIDTH_IN * tall * height / width, 1.0), TALLEST_IN)
    figure = Figure(figsize=(WIDTH_IN, height_in + head_in))
    axes = figure.add_axes((0, 0, 1, height_in / (height_in + head_in)))
    data = np.asarray(image.data, np.float32)
    low, high = np.nanpercentile(
        data[:: max(1, height // 500), :: max(1, width // 500)], PERCENTILES
    )
    axes.imshow(data, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect=tall)
    axes.set_axis_off()
    if image.pixel_size_nm is not None:
        scale_bar(axes, image.pixel_size_nm[1], image.shape)
    return figure, axes


def head_legend(axes: Axes) -> None:
    """What the marks mean, in the strip above the image."""
    handles = axes.get_legend_handles_labels()[0]
    if handles:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles), fontsize=8, frameon=False,
            borderaxespad=0.1, borderpad=0.2, handletextpad=0.2, columnspacing=1.2,
        )  # fmt: skip


def scale_bar(
    axes: Axes, nm_per_px: float, shape: tuple[int, int], *, colour: str = "white"
) -> None:
    """A bar about a fifth as long as the image is wide, at the lower left.

    Parameters
    ----------
    axes
        Where it goes; one unit is a pixel.
    nm_per_px
        Along x.
    shape
        (height, width) of the image.
    colour
        White gets a dark outline, anything else a white one.
    """
    wanted = 0.2 * shape[1] * nm_per_px
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    left, bottom = 0.03 * shape[1], shape[0] - 0.04 * max(shape[0], 0.3 * shape[1])
    style: dict[str, Any] = {"path_effects": outlined("black" if colour == "white" else "white")}
    axes.plot([left, left + length / nm_per_px], [bottom, bottom], color=colour, lw=3,
              solid_capstyle="butt", **style)  # fmt: skip
    axes.annotate(
        f"{length:g} nm", (left + 0.5 * length / nm_per_px, bottom), (0, 3), color=colour,
        textcoords="offset points", ha="center", va="bottom", fontsize=8, **style,
    )  # fmt: skip


def outlined(rim: str = "black") -> Sequence[Any]:
    """A rim, so that white is seen on white."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=2.5, foreground=rim, alpha=0.7)]


def map_panels(
    count: int, shape: tuple[int, int], *, columns: int | None = None
) -> tuple[Figure, list[Axes]]:
    """Panels for maps of an image: side by side, or below each other where the image is wide."""
    from matplotlib.figure import Figure

    wide = shape[1] > 2.5 * shape[0]
    columns = columns or (1 if wide else 2)
    rows = -(-count // columns)
    height = WIDTH_IN / columns * min(shape[0] / shape[1], 2.0) * 0.85 + 0.3
    figure = Figure(
        figsize=(WIDTH_IN, min(max(rows * height, 2.0), TALLEST_IN)), layout="constrained"
    )
    return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


def map_axes(
    axes: Axes, shape: tuple[int, int], title: str, *, pixel_size_nm: Size | None = None
) -> None:
    """Make axes those of a map: the frame of the image, no ticks, a title, a scale bar."""
    tall = pixel_size_nm[0] / pixel_size_nm[1] if pixel_size_nm else 1.0
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5), aspect=tall,
             xticks=[], yticks=[], facecolor="0.93")  # fmt: skip
    axes.set_title(title, fontsize=9)
    if pixel_size_nm:
        scale_bar(axes, pixel_size_nm[1], shape, colour="black")

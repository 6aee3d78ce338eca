"""Tables and the picture of scan distortion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from scanseg.report.tables import TableFormat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DISTORTION_TABLES", "LineShifts", "draw_distortion"]

FloatArray = NDArray[np.float64]

_DECIMALS = dict.fromkeys(
    ("y_px", "x_px", "y_scan_px", "x_scan_px", "shift_y_px", "shift_x_px"), 4
) | dict.fromkeys(
    ("y_scan_err_px", "x_scan_err_px", "shift_y_err_px", "shift_x_err_px"), 5
) | dict.fromkeys(("y_scan_nm", "x_scan_nm"), 6)  # fmt: skip
DISTORTION_TABLES = {
    "distortion.csv": TableFormat({}),
    "scan_lines.csv": TableFormat(
        _DECIMALS, ("line", "shift_y_px", "shift_x_px", "shift_y_err_px", "shift_x_err_px")
    ),
    "atoms_corrected.csv": TableFormat(
        _DECIMALS,
        ("atom", "class", "y_px", "x_px", "y_scan_px", "x_scan_px", "y_scan_nm", "x_scan_nm",
         "y_scan_err_px", "x_scan_err_px"),
    ),
}  # fmt: skip


class LineShifts(Protocol):
    """What the picture needs of a measured distortion."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the image."""

    def shift(self, y_px: FloatArray) -> FloatArray:
        """Shift (y, x) of lines."""

    def shift_err(self, y_px: FloatArray) -> FloatArray:
        """One standard deviation of it."""


def draw_distortion(
    found: LineShifts,
    place_px: FloatArray,
    displacement_px: FloatArray,
    *,
    title: str = "",
    reference: str = "the lattice",
) -> Figure:
    """Draw the shift of the lines, and displacements before and after.

    Parameters
    ----------
    found
        What was measured.
    place_px
        Columns, (y, x), shape (N, 2).
    displacement_px
        Of each, shape (N, 2); NaN where it is not known.
    title
        Written above.
    reference
        What displacements are against.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 4.4), layout="constrained")
    lines, before, after = figure.subplots(1, 3, width_ratios=(0.8, 1, 1))
    y = np.arange(found.shape[0], dtype=float)
    shift, err = found.shift(y), found.shift_err(y)
    for axis, name, colour in ((0, "along y", "#1f77b4"), (1, "along x", "#d62728")):
        lines.plot(shift[:, axis], y, lw=0.8, color=colour, label=name)
        lines.fill_betweenx(y, shift[:, axis] - err[:, axis], shift[:, axis] + err[:, axis],
                            color=colour, alpha=0.25, lw=0)  # fmt: skip
    lines.set(xlabel="shift of a line, px", ylabel="line", ylim=(found.shape[0] - 0.5, -0.5))
    lines.legend(frameon=False, fontsize=8)
    known = np.isfinite(displacement_px).all(1)
    place, moved = place_px[known], displacement_px[known]
    left = moved - found.shift(place[:, 0])
    limit = float(np.percentile(np.abs(moved), 95)) if len(moved) else 1.0
    for axes, values, name in ((before, moved, "as measured"), (after, left, "lines corrected")):
        points = axes.scatter(place[:, 1], place[:, 0], 9, values[:, 1], cmap="RdBu_r",
                              vmin=-limit, vmax=limit, lw=0)  # fmt: skip
        rms = np.sqrt(np.mean(values**2, axis=0)) if len(values) else np.zeros(2)
        axes.set_title(f"x from {reference}, {name}: rms {rms[1]:.3f} px (y {rms[0]:.3f})",
                       fontsize=9)  # fmt: skip
        axes.set(xlim=(-0.5, found.shape[1] - 0.5), ylim=(found.shape[0] - 0.5, -0.5),
                 aspect="equal", xticks=[], yticks=[], facecolor="0.93")  # fmt: skip
    figure.colorbar(points, ax=after, shrink=0.8, label="px")
    figure.suptitle(title, fontsize=9)
    return figure

"""The picture of a pair of scans: walls before and after, and how far each part has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph, Signal

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from scanseg.motion import WallFrame, WallMotion

__all__ = ["draw_motion"]

AFTER_COLOUR = "#35d0ff"
PINNED_COLOUR = "#2b4bff"
VANISHED_COLOUR = "#ff3df2"
APPEARED_COLOUR = "#7dff5a"
COLOUR_MAP = "RdYlGn"
PERCENTILES = (1.0, 99.0)
SMALLEST_LIMIT_PX = 1.0


def draw_motion(
    motion: WallMotion, frames: Sequence[WallFrame], *, frame: int = 0, title: str = ""
) -> Figure:
    """Draw how walls moved between a scan and the next.

    Parameters
    ----------
    motion, frames
        What :func:`scanseg.motion.track_walls` gave, and what it was given.
    frame
        The earlier scan of the pair.
    title
        Written above.

    Returns
    -------
    figure
        Left, the earlier scan with its walls in the colour of their displacement (green where up
        grows), those of the later scan as thin lines, drift removed, pinned parts edged in blue,
        what vanished in magenta and what appeared in light green. Right, the histogram of
        displacements. Without windows: ``figure.savefig`` writes it.
    """
    from matplotlib.figure import Figure

    points = motion.points[motion.points["frame"] == frame]
    image = _ground(frames[frame])
    unit = "nm" if image.pixel_size_nm is not None else "px"
    limit = _colour_limit(points)
    figure = Figure(figsize=(12.0, 6.6), layout="constrained")
    chart, side = figure.subplots(1, 2, width_ratios=(2.1, 1.0))
    _draw_ground(chart, image)
    _draw_after(chart, motion, frames[frame + 1], frame)
    coloured = _draw_before(chart, points, limit)
    _draw_events(chart, points, motion.events[motion.events["frame"] == frame])
    height, width = image.shape
    chart.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    chart.legend(loc="upper left", bbox_to_anchor=(0, -0.01), ncols=4, fontsize=8, frameon=False)
    bar = figure.colorbar(coloured, ax=chart, shrink=0.7, pad=0.01)
    bar.set_label("displacement, px (positive: up grows)")
    _draw_histogram(side, points, unit)
    figure.suptitle(_caption(motion, frame, title), fontsize=10)
    return figure


def _ground(frame: WallFrame) -> Micrograph:
    """Amplitude, or what there is."""
    for signal in (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY):
        if signal in frame.scan:
            return frame.scan[signal]
    return next(iter(frame.scan.values()))


def _colour_limit(points: DataFrame) -> float:
    """Displacement in px of the ends of the colour scale: that of 98 % of the points."""
    moved = np.abs(points["displacement_px"].to_numpy(float))
    moved = moved[np.isfinite(moved)]
    return max(float(np.percentile(moved, 98)) if moved.size else 0.0, SMALLEST_LIMIT_PX)


def _draw_ground(chart: Any, image: Micrograph) -> None:
    data = np.asarray(image.data, float)
    if image.signal is Signal.PFM_PHASE:
        data = np.cos(np.deg2rad(data))
    finite = data[np.isfinite(data)]
    low, high = np.percentile(finite, PERCENTILES) if finite.size else (0.0, 1.0)
    size = image.pixel_size_nm or (1.0, 1.0)
    chart.imshow(data, cmap="gray", vmin=low, vmax=high, aspect=size[0] / size[1])
    chart.set_xticks([])
    chart.set_yticks([])
    if image.pixel_size_nm is not None:
        _draw_scale_bar(chart, image)


def _draw_scale_bar(chart: Any, image: Micrograph) -> None:
    height, width = image.shape
    nm_per_px = (image.pixel_size_nm or (1.0, 1.0))[1]
    wanted_nm = 0.25 * width * nm_per_px
    power = 10.0 ** np.floor(np.log10(wanted_nm))
    length_nm = max(step * power for step in (1, 2, 5) if step * power <= wanted_nm)
    left, y = 0.03 * width, 0.96 * height
    ends = (left, left + length_nm / nm_per_px)
    chart.plot(ends, (y, y), color="white", lw=4, solid_capstyle="butt")
    chart.text(np.mean(ends), y - 0.015 * height, f"{length_nm:g} nm", color="white", ha="center")


def _draw_after(chart: Any, motion: WallMotion, later: WallFrame, frame: int) -> None:
    drift = motion.drifts[frame]
    for n, line in enumerate(later.lines):
        y, x = drift.to_first(np.asarray(line.position_px, float)).T
        chart.plot(x, y, color=AFTER_COLOUR, lw=0.9, label="after" if n == 0 else None)


def _draw_before(chart: Any, points: DataFrame, limit: float) -> Any:
    known = points[points["displacement_px"].notna()]
    pinned = known[known["pinned"]]
    chart.scatter(
        pinned["x_px"], pinned["y_px"], s=26, color=PINNED_COLOUR, linewidths=0,
        label="pinned" if len(pinned) else None,
    )  # fmt: skip
    return chart.scatter(
        known["x_px"], known["y_px"], c=known["displacement_px"], s=5, cmap=COLOUR_MAP,
        vmin=-limit, vmax=limit, linewidths=0, label="before",
    )  # fmt: skip


def _draw_events(chart: Any, points: DataFrame, events: DataFrame) -> None:
    lost = points[points["state"] == "vanished"]
    if len(lost):
        chart.scatter(
            lost["x_px"], lost["y_px"], s=5, color=VANISHED_COLOUR, linewidths=0, label="vanished"
        )
    markers = {"appeared": "+", "nucleated": "*", "merged": "D", "split": "d", "collapsed": "x"}
    for kind, marker in markers.items():
        some = events[events["event"] == kind]
        if len(some):
            colour = VANISHED_COLOUR if kind == "collapsed" else APPEARED_COLOUR
            chart.scatter(some["x_px"], some["y_px"], s=42, marker=marker, color=colour, label=kind)


def _draw_histogram(chart: Any, points: DataFrame, unit: str) -> None:
    known = points[points["displacement_px"].notna()]
    column = f"displacement_{unit}"
    values = known[column].to_numpy(float)
    moved = (known["state"] == "moved").to_numpy(bool)
    edges = _edges(values)
    parts = [values[~moved], values[moved]]
    chart.hist(parts, edges, stacked=True, color=["#8a8f99", "#2f6f9f"], label=["not", "moved"])
    chart.axvline(0, color="black", lw=0.8)
    chart.set_xlabel(f"displacement, {unit}")
    chart.set_ylabel("points of walls")
    chart.legend(frameon=False)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not values.size:
        return np.linspace(-1, 1, 41)
    reach = max(float(np.percentile(np.abs(values), 99.5)), 1e-9)
    return np.asarray(np.linspace(-reach, reach, 41))


def _caption(motion: WallMotion, frame: int, title: str) -> str:
    row = motion.frames.iloc[frame]
    drift = f"drift ({row['drift_y_px']:.2f}, {row['drift_x_px']:.2f}) px"
    if row["drift_from"]:
        drift += f" ± {row['drift_err_px']:.2f} from {row['drift_from']}"
    else:
        drift += ", not measured"
    numbers = (
        f"rms displacement {row['displacement_rms_px']:.2f} px, moved "
        f"{100 * row['moved_fraction']:.0f} %, pinned {100 * row['pinned_fraction']:.0f} %"
    )
    return "   ".join(part for part in (title, drift, numbers) if part)

"""The picture of a pair of scans: walls before and after, and how far each part has moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
SWITCHED_RGBA = (255, 200, 10, 96)
PINNED_COLOUR = "#2b4bff"
VANISHED_COLOUR = "#ff3df2"
APPEARED_COLOUR = "#7dff5a"
COLOUR_MAP = "RdYlGn"
PERCENTILES = (1.0, 99.0)
# The scan takes the lower part of the grey scale, so that lines stand out from it.
HEADROOM = 0.3
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
        grows), those of the later scan as thin lines, drift removed, pinned parts edged in blue and
        what vanished in magenta. In the middle, the later scan with its walls, what switched shaded
        and what appeared or nucleated in light green. Right, the histogram of displacements.
        Without windows: ``figure.savefig`` writes it.
    """
    from matplotlib.figure import Figure

    points = motion.points[motion.points["frame"] == frame]
    unit = "nm" if _ground(frames[frame]).pixel_size_nm is not None else "px"
    figure = Figure(figsize=(16.0, 7.2), layout="constrained")
    before, after, side = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 0.6))
    _draw_ground(before, _ground(frames[frame]))
    _draw_lines(before, motion.drifts[frame].to_first, frames[frame + 1])
    coloured = _draw_before(before, points)
    _draw_ground(after, _ground(frames[frame + 1]))
    _draw_switched(after, motion, frame)
    _draw_lines(after, np.asarray, frames[frame + 1])
    _draw_events(after, motion, frame)
    before.set_title("before", fontsize=10)
    after.set_title("after", fontsize=10)
    bar = figure.colorbar(coloured, ax=before, location="bottom", shrink=0.6, aspect=40, pad=0.01)
    bar.set_label("displacement, px (positive: up grows)")
    _draw_histogram(side, points, unit)
    _draw_legend(figure, (before, after))
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
    high += HEADROOM * (high - low)
    chart.imshow(data, cmap="gray", vmin=low, vmax=high, aspect=size[0] / size[1])
    chart.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
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


def _draw_lines(
    chart: Any, place: Callable[[NDArray[np.float64]], NDArray[np.float64]], later: WallFrame
) -> None:
    """Walls of the later scan where they are in the picture."""
    for n, line in enumerate(later.lines):
        y, x = place(np.asarray(line.position_px, float)).T
        chart.plot(x, y, color=AFTER_COLOUR, lw=0.8, label="walls after" if n == 0 else None)


def _draw_before(chart: Any, points: DataFrame) -> Any:
    limit = _colour_limit(points)
    known = points[points["displacement_px"].notna()]
    for which, colour, size, label in (
        (known[known["pinned"]], PINNED_COLOUR, 16, "pinned"),
        (points[points["state"] == "vanished"], VANISHED_COLOUR, 4, "vanished"),
    ):
        if len(which):
            chart.scatter(which["x_px"], which["y_px"], s=size, color=colour, linewidths=0)
            chart.scatter([], [], s=30, color=colour, label=label)  # large enough for the legend
    return chart.scatter(
        known["x_px"], known["y_px"], c=known["displacement_px"], s=5, cmap=COLOUR_MAP,
        vmin=-limit, vmax=limit, linewidths=0,
    )  # fmt: skip


def _draw_switched(chart: Any, motion: WallMotion, frame: int) -> None:
    """Shade what has switched between the two scans, where it is in the later one."""
    if motion.switched_in is None:
        return
    shape = motion.switched_in.shape
    place = np.argwhere(np.ones(shape, bool)).astype(float)
    for drift in reversed(motion.drifts[: frame + 1]):
        place = drift.to_first(place)
    y, x = np.rint(place).astype(int).T
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    number = motion.switched_in[np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)]
    switched = (inside & (number == frame + 1)).reshape(shape)
    shade = switched[..., None] * np.array(SWITCHED_RGBA, np.uint8)
    chart.imshow(shade, aspect=chart.get_aspect())
    if switched.any():
        colour = np.array(SWITCHED_RGBA) / 255
        chart.scatter([], [], s=60, marker="s", color=[colour], label="switched")


def _draw_events(chart: Any, motion: WallMotion, frame: int) -> None:
    events = motion.events[motion.events["frame"] == frame]
    markers = {"appeared": "+", "nucleated": "*", "merged": "D", "split": "d", "collapsed": "x"}
    for kind, marker in markers.items():
        some = events[events["event"] == kind]
        if len(some):
            y, x = motion.drifts[frame].to_second(some[["y_px", "x_px"]].to_numpy(float)).T
            colour = VANISHED_COLOUR if kind == "collapsed" else APPEARED_COLOUR
            size = 28 if kind == "appeared" else 90
            chart.scatter(x, y, s=size, marker=marker, color=colour, label=kind)


def _draw_legend(figure: Figure, charts: Sequence[Any]) -> None:
    """One for all scans, each word once."""
    entries: dict[str, Any] = {}
    for chart in charts:
        for handle, label in zip(*chart.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=8,
        fontsize=9, frameon=False, markerscale=1.3,
    )  # fmt: skip


def _draw_histogram(chart: Any, points: DataFrame, unit: str) -> None:
    known = points[points["displacement_px"].notna()]
    column = f"displacement_{unit}"
    values = known[column].to_numpy(float)
    moved = (known["state"] == "moved").to_numpy(bool)
    edges = _edges(values)
    parts = [values[~moved], values[moved]]
    chart.hist(
        parts, edges, stacked=True, color=["#8a8f99", "#2f6f9f"], label=["not moved", "moved"]
    )
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
    points = motion.points[motion.points["frame"] == frame]
    kind = "ferroelectric walls" if "ferroelectric" in set(points["class"]) else "walls"
    numbers = (
        f"{kind}: rms displacement {row['displacement_rms_px']:.2f} px, moved "
        f"{100 * row['moved_fraction']:.0f} %, pinned {100 * row['pinned_fraction']:.0f} %"
    )
    return "   ".join(part for part in (title, drift, numbers) if part)

"""Tables and the picture of a movie's tracks: trajectories over the mean frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph
from scanseg.report.tables import TableFormat

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["TRACK_TABLES", "FollowedAtoms", "MeanFrame", "draw_tracks"]

_PLACES = dict.fromkeys(
    ("y_px", "x_px", "y_still_px", "x_still_px", "step_y_px", "step_x_px", "to_y_px", "to_x_px",
     "distance_px", "rms_y_px", "rms_x_px", "path_px", "net_px", "bond_px", "drift_y_px",
     "drift_x_px", "class_fraction", "probability", "probability_err"), 4,
)  # fmt: skip
_DECIMALS = {**_PLACES, "distance_nm": 6, "drift_err_px": 5}
TRACK_TABLES = {
    "track_points.csv": TableFormat(
        _DECIMALS,
        ("atom", "track", "class", "y_px", "x_px", "y_still_px", "x_still_px", "step_y_px",
         "step_x_px", "gap"),
    ),
    "tracks.csv": TableFormat(_DECIMALS),
    "track_events.csv": TableFormat(
        _DECIMALS,
        ("event", "track", "other_track", "class_before", "class_after", "y_px", "x_px", "to_y_px",
         "to_x_px", "distance_px", "distance_nm"),
    ),
    "track_frames.csv": TableFormat(_DECIMALS),
    "neighbourhoods.csv": TableFormat(
        _DECIMALS,
        ("atom", "track", "class", "y_px", "x_px", "n_neighbours", "state", "bond_px"),
    ),
    "transitions.csv": TableFormat(_DECIMALS),
}  # fmt: skip

COLOURS = ("#3ec6ff", "#ff5a5f", "#ffd23f", "#7bed8d", "#d78bff", "#ff9f43")
PERCENTILES = (0.5, 99.7)
WIDTH_IN = 9.0


class FollowedAtoms(Protocol):
    """What the picture needs of a movie."""

    @property
    def tracks(self) -> DataFrame:
        """One row a track."""

    @property
    def frames(self) -> DataFrame:
        """One row a frame."""

    @property
    def event_counts(self) -> dict[str, int]:
        """How often each kind of event occurred."""

    @property
    def dopants(self) -> tuple[str, ...]:
        """Classes that are followed with a thick line."""


@dataclass(slots=True)
class MeanFrame:
    """Mean of frames in the place of the first one; where no frame was, NaN."""

    like_: Micrograph
    total: NDArray[np.float64]
    count: NDArray[np.int64]

    @classmethod
    def like(cls, image: Micrograph) -> MeanFrame:
        """An empty one."""
        return cls(image, np.zeros(image.shape), np.zeros(image.shape, np.int64))

    def add(self, image: Micrograph, drift_px: NDArray[np.float64]) -> None:
        """Add a frame that has drifted; whole pixels are enough for a picture."""
        dy, dx = (round(float(each)) for each in drift_px)
        height, width = self.total.shape
        y, x = (
            slice(max(0, -dy), min(height, height - dy)),
            slice(max(0, -dx), min(width, width - dx)),
        )
        if y.stop <= y.start or x.stop <= x.start:
            return
        part = np.asarray(image.data[y.start + dy : y.stop + dy, x.start + dx : x.stop + dx], float)
        known = np.isfinite(part)
        self.total[y, x] += np.where(known, part, 0.0)
        self.count[y, x] += known

    def image(self) -> Micrograph:
        """The mean, with the calibration of the frames."""
        with np.errstate(invalid="ignore"):
            mean = np.where(self.count > 0, self.total / np.maximum(self.count, 1), np.nan)
        return Micrograph(mean, pixel_size_nm=self.like_.pixel_size_nm, signal=self.like_.signal)


def draw_tracks(
    points: DataFrame, movie: FollowedAtoms, mean: MeanFrame | None, *,
    jumps: DataFrame | None = None, title: str = "",
) -> Figure:  # fmt: skip
    """Draw trajectories over the mean frame, and the drift and the number of atoms against time.

    Parameters
    ----------
    points
        ``frame``, ``track``, ``class``, ``y_still_px``, ``x_still_px`` of the tracks to draw.
    movie
        Tracks, frames and counts.
    mean
        What lies below; None for white.
    jumps
        Rows of events with a start and an end.
    title
        Written above.
    """
    from matplotlib.figure import Figure

    height, width = mean.total.shape if mean is not None else _box(points)
    tall = WIDTH_IN * 0.72 * height / width
    figure = Figure(figsize=(WIDTH_IN, float(np.clip(tall, 3.5, 9.0)) + 0.6), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(2.6, 1))
    chart = figure.add_subplot(grid[:, 0])
    _draw_ground(chart, mean, (height, width))
    _draw_lines(chart, points, movie.dopants)
    if jumps is not None:
        _draw_jumps(chart, jumps, movie)
    chart.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    drift, atoms, lengths = (figure.add_subplot(grid[row, 1]) for row in range(3))
    frames = movie.frames
    drift.plot(frames["frame"], frames["drift_y_px"], label="y", lw=1)
    drift.plot(frames["frame"], frames["drift_x_px"], label="x", lw=1)
    drift.set_ylabel("drift, px")
    drift.legend(frameon=False, fontsize=7)
    atoms.plot(frames["frame"], frames["n_atoms"], color="#555555", lw=1)
    atoms.set_ylabel("atoms")
    atoms.set_xlabel("frame")
    lengths.hist(movie.tracks["n_frames"], bins=30, color="#8a8f99")
    lengths.set(xlabel="frames of a track", ylabel="tracks", yscale="log")
    for axes in (drift, atoms, lengths):
        axes.tick_params(labelsize=7)
    events = ", ".join(f"{name} {count}" for name, count in sorted(movie.event_counts.items()))
    figure.suptitle("   ".join(part for part in (title, events) if part), fontsize=8)
    return figure


def _box(points: DataFrame) -> tuple[int, int]:
    if not len(points):
        return 1, 1
    return int(points["y_still_px"].max()) + 2, int(points["x_still_px"].max()) + 2


def _draw_ground(chart: Any, mean: MeanFrame | None, shape: tuple[int, int]) -> None:
    if mean is None:
        chart.set(aspect="equal")
        return
    image = mean.image()
    finite = image.data[np.isfinite(image.data)]
    low, high = np.percentile(finite, PERCENTILES) if finite.size else (0.0, 1.0)
    size = image.pixel_size_nm or (1.0, 1.0)
    # Grey up to three quarters, so that lines stand out.
    chart.imshow(image.data, cmap="gray", vmin=low, vmax=high + 0.35 * (high - low),
                 aspect=size[0] / size[1])  # fmt: skip


def _draw_lines(chart: Any, points: DataFrame, dopants: tuple[str, ...]) -> None:
    from matplotlib.collections import LineCollection

    points = points.sort_values(["track", "frame"], kind="stable")
    names = sorted(points["class"].fillna("").unique(), key=lambda name: (name in dopants, name))
    ends = np.flatnonzero(np.diff(points["track"].to_numpy())) + 1
    place = points[["x_still_px", "y_still_px"]].to_numpy(float)
    kinds = points["class"].fillna("").to_numpy()
    lines = [line for line in np.split(place, ends) if len(line)]
    last = [_most(part) for part in np.split(kinds, ends) if len(part)]
    for number, name in enumerate(names):
        own = [line for line, kind in zip(lines, last, strict=True) if kind == name]
        heavy = name in dopants
        collection = LineCollection(
            own, colors=COLOURS[number % len(COLOURS)], linewidths=1.1 if heavy else 0.5,
            alpha=1.0 if heavy else 0.8,
        )  # fmt: skip
        chart.add_collection(collection)
        chart.plot([], [], color=COLOURS[number % len(COLOURS)], lw=1.5,
                   label=f"{name or 'atom'} ({len(own)})")  # fmt: skip
    if names:
        chart.legend(loc="upper right", fontsize=7, framealpha=0.8)


def _most(kinds: NDArray[np.object_]) -> str:
    names, counts = np.unique(kinds.astype(str), return_counts=True)
    return str(names[counts.argmax()])


def _draw_jumps(chart: Any, jumps: DataFrame, movie: FollowedAtoms) -> None:
    drift = movie.frames.set_index("frame")[["drift_x_px", "drift_y_px"]]
    at = drift.reindex(jumps["frame"]).to_numpy(float)
    before = drift.reindex(jumps["frame"] - 1).to_numpy(float)
    start = jumps[["x_px", "y_px"]].to_numpy(float) - before
    end = jumps[["to_x_px", "to_y_px"]].to_numpy(float) - at
    colours = np.where(jumps["event"] == "jump", "#ffffff", "#ff3df2")
    for name, colour in (("jump", "#ffffff"), ("exchange", "#ff3df2")):
        own = colours == colour
        if own.any():
            chart.quiver(*start[own].T, *(end - start)[own].T, angles="xy", scale_units="xy",
                         scale=1, color=colour, width=0.003, edgecolor="black", linewidth=0.3,
                         label=f"{name} ({int(own.sum())})")  # fmt: skip
    if len(jumps):
        chart.legend(loc="upper right", fontsize=7, framealpha=0.8, facecolor="#cccccc")

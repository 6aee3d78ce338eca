"""Figures of what was found, for those who look rather than read.

Each function returns a matplotlib figure; nothing is shown and no state of pyplot is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_column",
    "draw_displacement_map",
    "draw_orientations",
    "draw_spacings",
    "nearest_distances",
]

SIZE_IN = (3.4, 2.4)
N_BINS = 60
FEWEST_BINS = 5
NARROWEST = 1e-3  # of the values: below that, they are one
TEXT_PT = 8
# Of spacings: what is farther is beyond a defect or an edge.
SHOWN_SPACINGS = 3.0
STEP_PX = 1.0
# Directions within 5 degrees are one; the walls of a scan turn by less along their way.
N_DIRECTIONS = 36


def draw_column(
    features: Any, name: str, colours: Mapping[str, str], *, marked: float | None = None
) -> Figure:
    """Distribution of a column of a table: one outline a class, over bins they share.

    Parameters
    ----------
    features
        The table; ``class`` parts it where it is there.
    name
        The column.
    colours
        Colour of each class.
    marked
        A value to point at.
    """
    figure, axes = _figure()
    values = features[name].to_numpy(float)
    classes = features["class"].astype(str).to_numpy() if "class" in features else None
    finite = values[np.isfinite(values)]
    if finite.size:
        _stairs(axes, values, classes, _edges(finite), colours)
        median = float(np.median(finite))
        axes.set_xlabel(f"{name}  (median {median:.4g}, {finite.size:,} objects)")
    if marked is not None and np.isfinite(marked):
        axes.axvline(marked, color="#1a1a1a", lw=1)
    return figure


def nearest_distances(
    position_px: NDArray[np.float64], pixel_size_nm: tuple[float, float] | None
) -> NDArray[np.float64]:
    """Distance of each atom to the closest one of its frame, in nm, or in px without a calibration.

    Parameters
    ----------
    position_px
        (y, x) or (frame, y, x), shape (N, 2) or (N, 3).
    pixel_size_nm
        (y, x).
    """
    from scipy.spatial import cKDTree

    if len(position_px) < 2:
        return np.empty(0)
    place = position_px[:, -2:] * (pixel_size_nm or (1.0, 1.0))
    if position_px.shape[1] > 2:  # other frames are further away than anything in this one
        far = 1e3 * (np.ptp(place, axis=0).max() + 1)
        place = np.column_stack([position_px[:, 0] * far, place])
        distance = cKDTree(place).query(place, k=2)[0][:, 1]
        return np.asarray(distance[distance < far])
    return np.asarray(cKDTree(place).query(place, k=2)[0][:, 1])


def draw_spacings(
    position_px: NDArray[np.float64], pixel_size_nm: tuple[float, float] | None
) -> Figure:
    """Distribution of the distances of nearest neighbours; arguments of ``nearest_distances``."""
    figure, axes = _figure()
    distance = nearest_distances(position_px, pixel_size_nm)
    unit = "px" if pixel_size_nm is None else "nm"
    axes.set_xlabel(f"distance of nearest neighbours ({unit})")
    if distance.size:
        median, spread = float(np.median(distance)), float(np.std(distance))
        shown = distance[distance <= SHOWN_SPACINGS * median]
        counts, edges = np.histogram(shown, _edges(shown))
        axes.stairs(counts, edges, fill=True, color="#2f6f9f", alpha=0.8)
        axes.axvline(median, color="#1a1a1a", lw=1)
        label = f"{axes.get_xlabel()}\nmedian {median:.4g}, s.d. {spread:.2g}, {distance.size:,}"
        axes.set_xlabel(label)
    return figure


def draw_orientations(
    lines: Iterable[tuple[str, NDArray[np.float64]]],
    pixel_size_nm: tuple[float, float] | None,
    colours: Mapping[str, str],
) -> Figure:
    """Rose of the directions of walls: length by direction, both ways along a wall.

    Parameters
    ----------
    lines
        Class and points (y, x) in pixels of each wall.
    pixel_size_nm
        (y, x).
    colours
        Colour of each class.
    """
    from matplotlib.figure import Figure

    from scanseg.walls.directions import line_orientations

    dense = [(name, _dense(line)) for name, line in lines]
    rose = line_orientations(dense, pixel_size_nm=pixel_size_nm, n_bins=N_DIRECTIONS)
    figure = Figure(figsize=(SIZE_IN[0], SIZE_IN[0]), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    axes.set_theta_direction(-1)  # y is downward, as in the image
    base = np.zeros(2 * N_DIRECTIONS)
    for name, rows in rose.groupby("class", sort=False):
        angle = np.deg2rad(np.concatenate([rows["orientation_deg"], rows["orientation_deg"] + 180]))
        length = np.tile(rows["length"].to_numpy(), 2)
        total = f"{rows['length'].sum():,.0f} {'px' if pixel_size_nm is None else 'nm'}"
        axes.bar(
            angle, length, np.pi / N_DIRECTIONS, bottom=base, label=f"{name}, {total}",
            color=colours.get(str(name)), alpha=0.85,
        )  # fmt: skip
        base += length
    axes.set_yticklabels([])
    axes.tick_params(labelsize=TEXT_PT)
    if len(rose):
        axes.legend(
            frameon=False, fontsize=TEXT_PT, loc="upper center", bbox_to_anchor=(0.5, -0.08)
        )
    return figure


def draw_displacement_map(atoms: Any, image: Any) -> Figure:
    """Displacement of each atom from its site of the mean lattice, on the image.

    Parameters
    ----------
    atoms
        Table of one image.
    image
        The micrograph.
    """
    from scanseg.lattice import index_atoms
    from scanseg.report.lattice import draw_displacements

    return draw_displacements(image, index_atoms(atoms, shape=image.shape))


def _figure() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, layout="constrained")
    axes = figure.add_subplot()
    axes.xaxis.label.set_fontsize(TEXT_PT)
    axes.tick_params(labelsize=TEXT_PT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _stairs(
    axes: Axes, values: NDArray[Any], classes: NDArray[Any] | None, edges: NDArray[Any],
    colours: Mapping[str, str],
) -> None:  # fmt: skip
    names = [""] if classes is None else sorted(set(classes))
    for each in names:
        chosen = values if classes is None else values[classes == each]
        counts, _ = np.histogram(chosen[np.isfinite(chosen)], edges)
        axes.stairs(counts, edges, fill=True, alpha=0.6, color=colours.get(each), label=each)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=TEXT_PT)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of bins; of values that are all the same, around these."""
    n_bins = min(N_BINS, max(FEWEST_BINS, int(np.sqrt(values.size))))
    low, high = float(values.min()), float(values.max())
    if high - low < NARROWEST * max(abs(low), abs(high)):
        low, high = low - NARROWEST * abs(low), high + NARROWEST * abs(high)
    if high == low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n_bins + 1)


def _dense(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points a pixel apart along a line; one drawn by hand has them where it was clicked."""
    line = np.asarray(line, float)[:, -2:]
    step = np.hypot(*np.diff(line, axis=0).T)
    if not step.size or step.max() <= 2 * STEP_PX:
        return line
    along = np.concatenate([[0.0], np.cumsum(step)])
    wanted = np.linspace(0, along[-1], max(2, int(along[-1] / STEP_PX) + 1))
    return np.column_stack([np.interp(wanted, along, line[:, axis]) for axis in (0, 1)])

"""Figures of lattices: sites, strain, displacements, polarisation, groups, rings, pairs.

Each function returns a matplotlib figure for ``figure.savefig("name.pdf")``; nothing is shown and
no state of pyplot is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scanseg.lattice.intensity import IntensityGroups
    from scanseg.lattice.model import IndexedAtoms
    from scanseg.lattice.phase import StrainMaps
    from scanseg.lattice.rings import Rings

__all__ = [
    "draw_displacements",
    "draw_intensity_groups",
    "draw_lattice",
    "draw_pair_distribution",
    "draw_polarisation",
    "draw_rings",
    "draw_strain",
    "draw_strain_comparison",
]

# Colours that stay apart for most kinds of colour blindness, bright on grey.
SITE_COLOURS = ("#ff5a5f", "#3ec6ff", "#ffd23f", "#7bed8d", "#d78bff", "#ff9f43", "#f8f8f8")
GRAIN_COLOURS = ("#ff5a5f", "#3ec6ff", "#ffd23f", "#7bed8d", "#d78bff", "#ff9f43", "#9aa5ff")
RING_COLOURS = {3: "#c084fc", 4: "#ff9f43", 5: "#ff5a5f", 6: "#8da0b3", 7: "#3ec6ff", 8: "#7bed8d"}
WIDTH_IN = 7.0
PERCENTILES = (0.5, 99.7)
STRAIN_NAMES = ("exx", "eyy", "exy", "rotation_deg")
STRAIN_TITLES = {
    "exx": r"$\varepsilon_{xx}$ (%)",
    "eyy": r"$\varepsilon_{yy}$ (%)",
    "exy": r"$\varepsilon_{xy}$ (%)",
    "rotation_deg": "rotation (°)",
}


def draw_lattice(
    image: Micrograph, indexed: IndexedAtoms, *, missing: pd.DataFrame | None = None,
    by: str = "sublattice",
) -> Figure:  # fmt: skip
    """Draw the columns on the image, by sublattice or by grain, with cells and vacancies.

    Parameters
    ----------
    image
        What was measured.
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    missing
        See :func:`scanseg.lattice.find_missing_sites`; drawn as squares.
    by
        What colours mean: ``sublattice`` or ``grain``.
    """
    figure, axes = _image_figure(image)
    atoms = indexed.atoms
    size = _mark_size(indexed, image)
    values = atoms[by].cat.codes.to_numpy() if by == "sublattice" else atoms[by].to_numpy()
    colours = SITE_COLOURS if by == "sublattice" else GRAIN_COLOURS
    for value in np.unique(values):
        own = atoms[values == value]
        if value < 0:
            axes.scatter(own["x_px"], own["y_px"], size, c="#ff3df2", marker="x", lw=0.9,
                         label=f"on no site ({len(own)})")  # fmt: skip
            continue
        name = f"{atoms[by].cat.categories[value]}" if by == "sublattice" else f"grain {value}"
        axes.scatter(own["x_px"], own["y_px"], size, facecolors="none", lw=0.8,
                     edgecolors=colours[value % len(colours)],
                     label=f"{name} ({len(own)})")  # fmt: skip
    if missing is not None and len(missing):
        axes.scatter(missing["x_px"], missing["y_px"], 1.6 * size, facecolors="none", marker="s",
                     edgecolors="#7bed8d", lw=1.0,
                     label=f"empty site ({len(missing)})")  # fmt: skip
    for lattice in indexed.lattices:
        _draw_cell(axes, indexed, lattice.grain)
    _legend(axes)
    return figure


def draw_strain(
    strain: pd.DataFrame, *, shape: tuple[int, int] | None = None,
    limit_percent: float | None = None,
) -> Figure:  # fmt: skip
    """Draw the strain tensor and the rotation at every column.

    Parameters
    ----------
    strain
        See :func:`scanseg.lattice.measure_strain`.
    shape
        (height, width) of the image, for the frame.
    limit_percent
        Where the colours of strain end; by default what 98 % of the columns stay within.
    """
    shape = shape or (int(strain["y_px"].max()) + 2, int(strain["x_px"].max()) + 2)
    figure, panels = _panels(4, shape)
    limits = _strain_limits(strain, limit_percent)
    size = _dot_size(len(strain), panels[0], shape)
    for axes, name in zip(panels, STRAIN_NAMES, strict=True):
        scale = 1 if name == "rotation_deg" else 100
        limit = limits[name]
        points = axes.scatter(strain["x_px"], strain["y_px"], size, scale * strain[name],
                              cmap="RdBu_r", vmin=-limit, vmax=limit, lw=0)  # fmt: skip
        _frame(axes, shape, STRAIN_TITLES[name])
        figure.colorbar(points, ax=axes, shrink=0.8)
    return figure


def draw_strain_comparison(strain: pd.DataFrame, maps: StrainMaps) -> Figure:
    """Draw strain from positions beside strain from phases, and one against the other.

    Parameters
    ----------
    strain
        See :func:`scanseg.lattice.measure_strain`.
    maps
        See :func:`scanseg.lattice.geometric_phase`.
    """
    shape = (maps.exx.shape[0], maps.exx.shape[1])
    figure, panels = _panels(6, shape, columns=1 if shape[1] > 2.5 * shape[0] else 3)
    limits = _strain_limits(strain, None)
    there = maps.at(strain["y_px"].to_numpy(), strain["x_px"].to_numpy())
    size = _dot_size(len(strain), panels[0], shape)
    for row, name in enumerate(("exx", "eyy")):
        by_atoms, by_phase, both = panels[3 * row : 3 * row + 3]
        limit = limits[name]
        by_atoms.scatter(strain["x_px"], strain["y_px"], size, 100 * strain[name], cmap="RdBu_r",
                         vmin=-limit, vmax=limit, lw=0)  # fmt: skip
        _frame(by_atoms, shape, f"{STRAIN_TITLES[name]}, positions")
        drawn = by_phase.imshow(100 * getattr(maps, name), cmap="RdBu_r", vmin=-limit, vmax=limit)
        _frame(by_phase, shape, "phases")
        figure.colorbar(drawn, ax=by_phase, shrink=0.8)
        both.scatter(100 * there[name], 100 * strain[name], 4, c="#33658a", lw=0, alpha=0.4)
        both.plot([-limit, limit], [-limit, limit], color="0.5", lw=0.8)
        both.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        both.set_xlabel("phases (%)", fontsize=8)
        both.set_ylabel("positions (%)", fontsize=8)
        both.tick_params(labelsize=7)
    return figure


def draw_displacements(image: Micrograph, indexed: IndexedAtoms, *, magnify: float = 10) -> Figure:
    """Draw the displacement of every column from its site of the mean lattice.

    Parameters
    ----------
    image
        What was measured.
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    magnify
        Arrows are so many times as long as the displacements.
    """
    own = indexed.atoms[indexed.atoms["grain"] >= 0]
    figure, axes = _image_figure(image)
    return _arrows(figure, axes, own, image, magnify, "displacement from the mean lattice")


def draw_polarisation(
    image: Micrograph, displacements: pd.DataFrame, *, magnify: float = 10,
    label: str = "displacement from the centre of the cage",
) -> Figure:  # fmt: skip
    """Draw displacements of one sublattice as arrows, coloured by their direction.

    Parameters
    ----------
    image
        What was measured.
    displacements
        See :func:`scanseg.lattice.measure_polarisation`.
    magnify
        Arrows are so many times as long as the displacements.
    label
        What the arrows are.
    """
    figure, axes = _image_figure(image)
    return _arrows(figure, axes, displacements, image, magnify, label)


def draw_intensity_groups(groups: IntensityGroups) -> Figure:
    """Draw the distribution of brightness of each sublattice, and the groups in it.

    Parameters
    ----------
    groups
        See :func:`scanseg.lattice.group_by_intensity`.
    """
    from matplotlib.figure import Figure

    kinds = list(groups.groups.groupby(["grain", "sublattice"]))[:8]
    figure = Figure(figsize=(WIDTH_IN, 1.9 * max(1, (len(kinds) + 1) // 2)), layout="constrained")
    panels = np.ravel(figure.subplots(max(1, (len(kinds) + 1) // 2), 2, squeeze=False))
    for axes, (_, table) in zip(panels, kinds, strict=False):
        grain, sublattice = int(table["grain"].iloc[0]), str(table["sublattice"].iloc[0])
        atoms = groups.atoms
        own = (atoms["grain"] == grain) & atoms["sublattice"].isin(sublattice.split("+"))
        values = atoms.loc[own, "relative_amplitude"].to_numpy()
        low, high = values.min(), values.max()
        edges = np.linspace(low, high + 1e-9, 60)
        axes.hist(values, edges, color="0.75")
        fine = np.linspace(low, high, 400)
        rows = table.to_dict("records")
        for colour, row in zip(("#33658a", "#d1495b", "#66a182"), rows, strict=False):
            height = row["share"] * len(values) * (edges[1] - edges[0])
            curve = np.exp(-0.5 * ((fine - row["mean"]) / row["width"]) ** 2)
            curve *= height / (np.sqrt(2 * np.pi) * row["width"])
            host = " (host)" if row["host"] else ""
            axes.plot(fine, curve, color=colour, lw=1.2,
                      label=f"{row['mean']:.2f}: {row['n_atoms']}{host}")  # fmt: skip
        axes.set_title(f"grain {grain}, {sublattice}", fontsize=8)
        axes.set_xlabel("amplitude over that of neighbours", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_yscale("symlog", linthresh=5)
        axes.legend(frameon=False, fontsize=7)
    for axes in panels[len(kinds) :]:
        axes.remove()
    return figure


def draw_rings(image: Micrograph, rings: Rings, graph_place_px: NDArray[np.float64]) -> Figure:
    """Draw the rings of the neighbour graph, coloured by their size.

    Parameters
    ----------
    image
        What was measured.
    rings
        See :func:`scanseg.lattice.find_rings`.
    graph_place_px
        (y, x) of the atoms in pixels of the image, shape (N, 2).
    """
    from matplotlib.collections import PolyCollection

    figure, axes = _image_figure(image)
    sizes = rings.table["size"].to_numpy()
    for size in np.unique(sizes):
        corners = [graph_place_px[rings.corners[n]][:, ::-1] for n in np.flatnonzero(sizes == size)]
        usual = size == rings.usual
        colour = RING_COLOURS.get(int(size), "#f8f8f8")
        axes.add_collection(
            PolyCollection(corners, facecolors=colour, edgecolors=colour, lw=0.7,
                           alpha=0.15 if usual else 0.6)
        )  # fmt: skip
        axes.scatter([], [], 30, c=colour, marker="h", label=f"{size} ({len(corners)})")
    named = rings.defects[rings.defects["n_rings"] > 1]
    for row in named[named["n_rings"] <= 6].to_dict("records"):
        axes.text(row["x_px"], row["y_px"], row["kind"], color="white", fontsize=6, ha="center",
                  va="center")  # fmt: skip
    _legend(axes)
    return figure


def draw_pair_distribution(pairs: pd.DataFrame) -> Figure:
    """Draw g(r), one curve a kind of pair.

    Parameters
    ----------
    pairs
        See :func:`scanseg.lattice.pair_distribution`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, 2.8), layout="constrained")
    axes = figure.subplots()
    calibrated = bool(pairs["r_nm"].notna().any())
    for name, own in pairs.groupby("pair", sort=False):
        axes.plot(own["r_nm" if calibrated else "r_px"], own["g"], lw=1, label=str(name))
    axes.axhline(1, color="0.7", lw=0.8)
    axes.set(xlabel="r (nm)" if calibrated else "r (px)", ylabel="g(r)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _image_figure(image: Micrograph) -> tuple[Figure, Axes]:
    """The image in grey, its pixels as large as they are, without axes."""
    from matplotlib.figure import Figure

    height, width = image.shape
    tall = (image.pixel_size_nm[0] / image.pixel_size_nm[1]) if image.pixel_size_nm else 1.0
    figure = Figure(figsize=(WIDTH_IN, min(max(WIDTH_IN * tall * height / width, 1.0), 12)))
    axes = figure.add_axes((0, 0, 1, 1))
    data = np.asarray(image.data, np.float32)
    low, high = np.nanpercentile(
        data[:: max(1, height // 500), :: max(1, width // 500)], PERCENTILES
    )
    axes.imshow(data, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect=tall)
    axes.set_axis_off()
    if image.pixel_size_nm is not None:
        _scale_bar(axes, image.pixel_size_nm[1], image.shape)
    return figure, axes


def _scale_bar(axes: Axes, nm_per_px: float, shape: tuple[int, int]) -> None:
    wanted = 0.2 * shape[1] * nm_per_px
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    left, bottom = 0.03 * shape[1], shape[0] - 0.04 * max(shape[0], 0.3 * shape[1])
    style: dict[str, Any] = {"path_effects": _outline()}
    axes.plot([left, left + length / nm_per_px], [bottom, bottom], color="white", lw=3,
              solid_capstyle="butt", **style)  # fmt: skip
    axes.text(left + 0.5 * length / nm_per_px, bottom, f"{length:g} nm\n", color="white",
              ha="center", va="center", fontsize=8, **style)  # fmt: skip


def _outline() -> Sequence[Any]:
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=4.5, foreground="black", alpha=0.6)]


def _mark_size(indexed: IndexedAtoms, image: Micrograph) -> float:
    """Area of a ring that leaves its column visible, in points squared."""
    nearest = indexed.lattices[0].nearest_px if indexed.lattices else 0.02 * image.shape[1]
    points = 72 * WIDTH_IN * nearest / image.shape[1]
    return float(np.clip(0.5 * points, 1.2, 12) ** 2)


def _draw_cell(axes: Axes, indexed: IndexedAtoms, grain: int) -> None:
    """The unit cell near the middle of a grain, with its vectors."""
    lattice = indexed.lattices[grain]
    own = indexed.atoms[(indexed.atoms["grain"] == grain) & (indexed.atoms["sublattice"] == "A")]
    place = own[["y_px", "x_px"]].to_numpy()
    if not len(place):
        return
    corner = place[np.hypot(*(place - np.median(place, axis=0)).T).argmin()]
    for vector, name in zip(lattice.vectors_px, ("a1", "a2"), strict=True):
        axes.annotate(
            "", corner[::-1] + vector[::-1], corner[::-1],
            arrowprops={"arrowstyle": "-|>", "color": "white", "lw": 1.4, "shrinkA": 0,
                        "shrinkB": 0},
        )  # fmt: skip
        end = corner + 1.25 * vector
        axes.text(end[1], end[0], name, color="white", fontsize=8, ha="center", va="center",
                  path_effects=_outline())  # fmt: skip


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", fontsize=7, framealpha=0.75, borderpad=0.3)


def _arrows(
    figure: Figure, axes: Axes, table: pd.DataFrame, image: Micrograph, magnify: float, label: str
) -> Figure:
    """Arrows (dy_px, dx_px) at (y_px, x_px), with a wheel of directions and a key of length."""
    dy, dx = table["dy_px"].to_numpy(float), table["dx_px"].to_numpy(float)
    direction = np.arctan2(-dy, dx)
    axes.quiver(
        table["x_px"] - 0.5 * magnify * dx, table["y_px"] - 0.5 * magnify * dy, magnify * dx,
        magnify * dy, direction, cmap="hsv", clim=(-np.pi, np.pi), angles="xy",
        scale_units="xy", scale=1, width=0.003, headwidth=3.5, pivot="tail",
    )  # fmt: skip
    length = np.hypot(dy, dx)
    usual = float(np.median(length)) if len(length) else 0.0
    text = f"{label}, x {magnify:g}: median length {usual:.2f} px"
    if image.pixel_size_nm is not None:
        text += f" = {1000 * usual * float(np.sqrt(np.prod(image.pixel_size_nm))):.1f} pm"
    axes.text(0.01, 0.99, text, transform=axes.transAxes, color="white", fontsize=8, va="top",
              path_effects=_outline())  # fmt: skip
    side = min(0.5, 0.3 * figure.get_figheight())  # inches
    across, down = side / figure.get_figwidth(), side / figure.get_figheight()
    wheel = figure.add_axes((0.99 - across, 0.01, across, down), projection="polar")
    angle = np.linspace(-np.pi, np.pi, 121)
    wheel.pcolormesh(angle, [0.45, 1], angle[None, :-1] * np.ones((1, 1)), cmap="hsv",
                     vmin=-np.pi, vmax=np.pi)  # fmt: skip
    wheel.set_axis_off()
    return figure


def _panels(
    count: int, shape: tuple[int, int], *, columns: int | None = None
) -> tuple[Figure, list[Axes]]:
    """Panels for maps of an image: side by side, or below each other where the image is wide."""
    from matplotlib.figure import Figure

    wide = shape[1] > 2.5 * shape[0]
    columns = columns or (1 if wide else 2)
    rows = -(-count // columns)
    height = WIDTH_IN / columns * min(shape[0] / shape[1], 2.0) * 0.85 + 0.3
    figure = Figure(figsize=(WIDTH_IN, min(max(rows * height, 2.0), 12)), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


def _frame(axes: Axes, shape: tuple[int, int], title: str) -> None:
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5), aspect="equal",
             xticks=[], yticks=[], facecolor="0.93")  # fmt: skip
    axes.set_title(title, fontsize=9)


def _dot_size(count: int, axes: Axes, shape: tuple[int, int]) -> float:
    """Area of dots that nearly touch, in points squared."""
    columns = axes.get_subplotspec()
    n_columns = columns.get_gridspec().ncols if columns is not None else 1
    points = 72 * WIDTH_IN / n_columns * 0.8
    return float(np.clip(0.9 * points**2 * shape[0] / shape[1] / max(count, 1), 0.5, 60))


def _strain_limits(strain: pd.DataFrame, limit_percent: float | None) -> dict[str, float]:
    """Where the colours end: one limit for all strains, in per cent, and one for the rotation."""
    values = np.abs(strain[["exx", "eyy", "exy"]].to_numpy(float))
    usual = 100 * float(np.nanpercentile(values, 98)) if np.isfinite(values).any() else 1.0
    limit = limit_percent or max(usual, 1e-3)
    turned = np.abs(strain["rotation_deg"].to_numpy(float))
    rotation = float(np.nanpercentile(turned, 98)) if np.isfinite(turned).any() else 1.0
    return {"exx": limit, "eyy": limit, "exy": limit, "rotation_deg": max(rotation, 1e-3)}

"""Figures of lattices: sites, defects, strain, displacements, groups, rings, pairs.

Each function returns a matplotlib figure for ``figure.savefig("name.pdf")``; nothing is shown and
no state of pyplot is touched. Colours stay apart for most kinds of colour blindness, and what they
say is said by shapes, arrows or numbers as well where it can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph
from scanseg.report.arrows import draw_arrows
from scanseg.report.image_axes import (
    WIDTH_IN,
    head_legend,
    image_figure,
    map_axes,
    map_panels,
    outlined,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scanseg.lattice.intensity import IntensityGroups
    from scanseg.lattice.model import IndexedAtoms
    from scanseg.lattice.phase import StrainMaps
    from scanseg.lattice.rings import Rings

__all__ = [
    "draw_coordination",
    "draw_defects",
    "draw_displacements",
    "draw_dumbbells",
    "draw_intensity_groups",
    "draw_lattice",
    "draw_pair_distribution",
    "draw_polarisation",
    "draw_rings",
    "draw_strain",
    "draw_strain_comparison",
]

SITE_COLOURS = ("#ff5a5f", "#3ec6ff", "#ffd23f", "#7bed8d", "#d78bff", "#ff9f43", "#c9d1d9")
GRAIN_COLOURS = ("#ff5a5f", "#3ec6ff", "#ffd23f", "#7bed8d", "#d78bff", "#ff9f43", "#9aa5ff")
COUNT_COLOURS = {3: "#c084fc", 4: "#ff9f43", 5: "#ff5a5f", 6: "#8da0b3", 7: "#3ec6ff", 8: "#7bed8d"}
OFF_SITE_COLOUR = "#ff3df2"
DEFECTS = {
    "empty site": {"marker": "s", "edgecolors": "#f0e442"},
    "brighter": {"marker": "o", "edgecolors": "#ff7f2a"},
    "darker": {"marker": "v", "edgecolors": "#3ec6ff"},
}
FEWEST, MOST = 2, 8  # neighbours that have a colour of their own
HEAD_IN = 0.5  # height of the strip above an image, for a bar of colours
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
        What colours mean: ``sublattice``, ``grain``, or any other categorical column of the table,
        such as the ``label`` of :func:`scanseg.lattice.label_sites`.
    """
    figure, axes = image_figure(image)
    atoms = indexed.atoms
    size = _mark_size(indexed, image)
    values = atoms[by].cat.codes.to_numpy() if by != "grain" else atoms[by].to_numpy()
    colours = SITE_COLOURS if by != "grain" else GRAIN_COLOURS
    for value in np.unique(values):
        own = atoms[values == value]
        if value < 0:
            axes.scatter(own["x_px"], own["y_px"], size, c=OFF_SITE_COLOUR, marker="x", lw=0.9,
                         label=f"on no site ({len(own)})")  # fmt: skip
            continue
        name = f"{atoms[by].cat.categories[value]}" if by != "grain" else f"grain {value}"
        axes.scatter(own["x_px"], own["y_px"], size, facecolors="none", lw=0.8,
                     edgecolors=colours[value % len(colours)],
                     label=f"{name} ({len(own)})")  # fmt: skip
    if missing is not None and len(missing):
        axes.scatter(missing["x_px"], missing["y_px"], 1.6 * size, facecolors="none", marker="s",
                     edgecolors="#7bed8d", lw=1.0,
                     label=f"empty site ({len(missing)})")  # fmt: skip
    for lattice in indexed.lattices:
        _draw_cell(axes, indexed, lattice.grain)
    head_legend(axes)
    return figure


def draw_defects(
    image: Micrograph, indexed: IndexedAtoms, *, missing: pd.DataFrame | None = None,
    groups: IntensityGroups | None = None,
) -> Figure:  # fmt: skip
    """Draw on the image what is not as the lattice has it: empty sites, substitutions, strays.

    Parameters
    ----------
    image
        What was measured.
    indexed
        See :func:`scanseg.lattice.index_atoms`; atoms on no site are crosses.
    missing
        See :func:`scanseg.lattice.find_missing_sites`; drawn as squares.
    groups
        See :func:`scanseg.lattice.group_by_intensity`; columns that are brighter than the others of
        their sublattice are drawn as rings, darker ones as triangles.
    """
    figure, axes = image_figure(image)
    size = 1.6 * _mark_size(indexed, image)
    tables: dict[str, pd.DataFrame] = {}
    if missing is not None:
        tables["empty site"] = missing
    if groups is not None:
        for name in ("brighter", "darker"):
            tables[name] = groups.atoms[groups.atoms["substitution"] == name]
    for name, table in tables.items():
        if len(table):
            style: dict[str, Any] = DEFECTS[name]
            axes.scatter(table["x_px"], table["y_px"], size, facecolors="none", lw=1.3,
                         label=f"{name} ({len(table)})", **style)  # fmt: skip
    stray = indexed.atoms[indexed.atoms["grain"] < 0]
    if len(stray):
        axes.scatter(stray["x_px"], stray["y_px"], 0.5 * size, c=OFF_SITE_COLOUR, marker="x",
                     lw=1.1, label=f"on no site ({len(stray)})")  # fmt: skip
    head_legend(axes)
    return figure


def draw_strain(
    strain: pd.DataFrame, *, shape: tuple[int, int] | None = None,
    pixel_size_nm: tuple[float, float] | None = None, limit_percent: float | None = None,
) -> Figure:  # fmt: skip
    """Draw the strain tensor and the rotation at every column.

    Parameters
    ----------
    strain
        See :func:`scanseg.lattice.measure_strain`.
    shape
        (height, width) of the image, for the frame.
    pixel_size_nm
        (y, x), for the proportions and the scale bar.
    limit_percent
        Where the colours of strain end; by default what 98 % of the columns stay within.
    """
    shape = shape or (int(strain["y_px"].max()) + 2, int(strain["x_px"].max()) + 2)
    figure, panels = map_panels(4, shape)
    limits = _strain_limits(strain, limit_percent)
    size = _dot_size(len(strain), panels[0], shape)
    for axes, name in zip(panels, STRAIN_NAMES, strict=True):
        scale = 1 if name == "rotation_deg" else 100
        limit = limits[name]
        points = axes.scatter(strain["x_px"], strain["y_px"], size, scale * strain[name],
                              cmap="RdBu_r", vmin=-limit, vmax=limit, lw=0)  # fmt: skip
        map_axes(axes, shape, STRAIN_TITLES[name], pixel_size_nm=pixel_size_nm)
        figure.colorbar(points, ax=axes, shrink=0.8).ax.tick_params(labelsize=8)
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
    figure, panels = map_panels(6, shape, columns=1 if shape[1] > 2.5 * shape[0] else 3)
    limits = _strain_limits(strain, None)
    there = maps.at(strain["y_px"].to_numpy(), strain["x_px"].to_numpy())
    size = _dot_size(len(strain), panels[0], shape)
    for row, name in enumerate(("exx", "eyy")):
        by_atoms, by_phase, both = panels[3 * row : 3 * row + 3]
        limit = limits[name]
        by_atoms.scatter(strain["x_px"], strain["y_px"], size, 100 * strain[name], cmap="RdBu_r",
                         vmin=-limit, vmax=limit, lw=0)  # fmt: skip
        map_axes(by_atoms, shape, f"{STRAIN_TITLES[name]}, positions")
        drawn = by_phase.imshow(100 * getattr(maps, name), cmap="RdBu_r", vmin=-limit, vmax=limit)
        map_axes(by_phase, shape, "phases")
        figure.colorbar(drawn, ax=by_phase, shrink=0.8).ax.tick_params(labelsize=7)
        both.scatter(100 * there[name], 100 * strain[name], 4, c="#33658a", lw=0, alpha=0.4)
        both.plot([-limit, limit], [-limit, limit], color="0.5", lw=0.8)
        both.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        both.set_xlabel("phases (%)", fontsize=8)
        both.set_ylabel("positions (%)", fontsize=8)
        both.tick_params(labelsize=7)
    return figure


def draw_displacements(
    image: Micrograph, indexed: IndexedAtoms, *, magnify: float | None = None
) -> Figure:
    """Draw the displacement of every column from its site of the mean lattice.

    Parameters
    ----------
    image
        What was measured.
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    magnify
        Arrows are so many times as long as the displacements; by default as much as there is room.
    """
    own = indexed.atoms[indexed.atoms["grain"] >= 0]
    return draw_arrows(image, own, magnify, "from the mean lattice")


def draw_polarisation(
    image: Micrograph, displacements: pd.DataFrame, *, magnify: float | None = None,
    label: str = "from the centre of the cage",
) -> Figure:  # fmt: skip
    """Draw displacements of one sublattice as arrows, coloured by their direction.

    Parameters
    ----------
    image
        What was measured.
    displacements
        See :func:`scanseg.lattice.measure_polarisation`.
    magnify
        Arrows are so many times as long as the displacements; by default as much as there is room.
    label
        What the displacements are against.
    """
    return draw_arrows(image, displacements, magnify, label)


def draw_dumbbells(image: Micrograph, dumbbells: pd.DataFrame) -> Figure:
    """Draw every pair of columns as a line, coloured by its length.

    Parameters
    ----------
    image
        What was measured.
    dumbbells
        See :func:`scanseg.lattice.measure_dumbbells`.
    """
    from matplotlib.collections import LineCollection

    figure, axes = image_figure(image, head_in=HEAD_IN)
    calibrated = bool(dumbbells["length_pm"].notna().any())
    values = dumbbells["length_pm" if calibrated else "length_px"].to_numpy(float)
    turn = np.deg2rad(dumbbells["direction_deg"].to_numpy(float))
    half = 0.5 * dumbbells["length_px"].to_numpy(float)[:, None] / _stretch(image)
    half *= np.stack([-np.sin(turn), np.cos(turn)], axis=1)
    middle = dumbbells[["y_px", "x_px"]].to_numpy(float)
    ends = np.stack([middle - half, middle + half], axis=1)[..., ::-1]
    lines = LineCollection(list(ends), cmap="viridis", lw=2.2, capstyle="round")
    lines.set_array(values)
    if len(values):
        low, high = np.percentile(values, (2, 98))
        lines.set_clim(float(low), float(high))
    axes.add_collection(lines)
    _head_bar(figure, lines, f"length ({'pm' if calibrated else 'px'})")
    return figure


def draw_coordination(image: Micrograph, atoms: pd.DataFrame) -> Figure:
    """Draw every atom in the colour of the number of its neighbours.

    Parameters
    ----------
    image
        What was measured.
    atoms
        See :meth:`scanseg.lattice.NeighbourGraph.table`. The usual number is drawn small.
    """
    figure, axes = image_figure(image)
    count = np.clip(atoms["coordination"].to_numpy(int), FEWEST, MOST)
    usual = int(np.bincount(count).argmax()) if len(count) else 0
    spacing = np.sqrt(image.data.size / max(len(atoms), 1))
    size = float(np.clip(0.35 * 72 * WIDTH_IN * spacing / image.shape[1], 1.2, 9) ** 2)
    for value in np.unique(count):
        own = atoms[count == value]
        axes.scatter(own["x_px"], own["y_px"], size * (0.25 if value == usual else 1),
                     c=COUNT_COLOURS.get(int(value), "#f8f8f8"), lw=0.4, edgecolors="black",
                     label=f"{_bounded(int(value))} neighbours ({len(own)})")  # fmt: skip
    head_legend(axes)
    return figure


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

    figure, axes = image_figure(image)
    sizes = rings.table["size"].to_numpy()
    for size in np.unique(sizes):
        corners = [graph_place_px[rings.corners[n]][:, ::-1] for n in np.flatnonzero(sizes == size)]
        usual = size == rings.usual
        colour = COUNT_COLOURS.get(int(size), "#f8f8f8")
        axes.add_collection(
            PolyCollection(corners, facecolors=colour, edgecolors=colour, lw=0.7,
                           alpha=0.15 if usual else 0.6)
        )  # fmt: skip
        axes.scatter([], [], 30, c=colour, marker="h", label=f"rings of {size} ({len(corners)})")
    # Triangles are where an atom too many was found, and have no name in the literature.
    named = rings.defects[rings.defects["n_rings"].between(2, 6)]
    named = named[~named["kind"].str.contains("3")]
    for row in named.to_dict("records"):
        axes.text(row["x_px"], row["y_px"], row["kind"], color="white", fontsize=7, ha="center",
                  va="center", path_effects=outlined())  # fmt: skip
    head_legend(axes)
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
                  path_effects=outlined())  # fmt: skip


def _bounded(count: int) -> str:
    if count in (FEWEST, MOST):
        return f"{'≤' if count == FEWEST else '≥'} {count}"
    return str(count)


def _head_bar(figure: Figure, drawn: Any, label: str) -> None:
    """A bar of colours in the strip above the image."""
    height = figure.get_figheight()
    axes = figure.add_axes((0.62, 1 - 0.2 / height, 0.36, 0.13 / height))
    figure.colorbar(drawn, cax=axes, orientation="horizontal")
    axes.tick_params(labelsize=8, pad=1, length=2)
    figure.text(0.61, 1 - 0.14 / height, label, fontsize=9, ha="right", va="center")


def _stretch(image: Micrograph) -> NDArray[np.float64]:
    """Square pixels of equal area a pixel of the image, along (y, x)."""
    size = np.array(image.pixel_size_nm or (1.0, 1.0))
    return np.asarray(size / np.sqrt(size.prod()))


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

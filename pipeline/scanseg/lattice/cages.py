"""Displacement of one sublattice against the cage of another, and dumbbells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ScansegError
from scanseg.lattice._cell import Cell
from scanseg.lattice._columns import FloatArray, IntArray
from scanseg.lattice._grain import GrainView, SiteLookup, view_grains
from scanseg.lattice.model import IndexedAtoms

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["measure_dumbbells", "measure_polarisation"]

SAME_SHELL = 1.3  # times the nearest cage column; B of a perovskite may sit a tenth off the middle


def measure_polarisation(
    indexed: IndexedAtoms, *, moved: str = "B", cage: str = "A", grain: int | None = None
) -> DataFrame:
    """Where each column of one sublattice is against the centre of its cage.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    moved
        Sublattice that is displaced: the B columns of a perovskite.
    cage
        Sublattice whose nearest columns make the cage.
    grain
        One grain; all of those that have both sublattices by default.

    Returns
    -------
    displacements
        One row a column whose cage is complete: ``grain``, ``h``, ``k``, ``y_px``, ``x_px``,
        ``dy_px``, ``dx_px`` (from the mean of the cage to the column), ``dy_err_px``,
        ``dx_err_px``; ``dy_pm``, ``dx_pm``, ``length_px`` (in square pixels), ``length_pm``,
        ``direction_deg`` (anticlockwise from x as the image is seen), ``cage_size``.

    Notes
    -----
    The centre is that of the nearest cage columns themselves, so strain and slow distortions of the
    scan, which move the cage along, do not count. The lengths of small displacements are biased
    upwards by noise (Rice); average the components, not the lengths.
    """
    from pandas import DataFrame, concat

    tables = []
    for view in _chosen(indexed, grain, moved, cage):
        names = view.lattice.sublattices
        own, other = names.index(moved), names.index(cage)
        steps = _shell(view.cell, own, other)
        column, partners = _partners(view, own, steps)
        centre = view.place[partners].mean(1)
        displacement = view.place[column] - centre
        error = np.sqrt(
            view.error[column] ** 2 + (view.error[partners] ** 2).sum(1) / len(steps) ** 2
        )
        stretch = view.lattice.stretch
        nm = view.lattice.nm_per_px or np.nan
        length = np.hypot(*displacement.T)
        direction = np.rad2deg(np.arctan2(-displacement[:, 0], displacement[:, 1]))
        atoms = indexed.atoms.iloc[view.rows[column]]
        tables.append(
            DataFrame(
                {
                    "grain": view.lattice.grain, "h": atoms["h"], "k": atoms["k"],
                    "y_px": atoms["y_px"], "x_px": atoms["x_px"],
                    "dy_px": displacement[:, 0] / stretch[0],
                    "dx_px": displacement[:, 1] / stretch[1],
                    "dy_err_px": error[:, 0] / stretch[0], "dx_err_px": error[:, 1] / stretch[1],
                    "dy_pm": 1000 * nm * displacement[:, 0],
                    "dx_pm": 1000 * nm * displacement[:, 1],
                    "length_px": length, "length_pm": 1000 * nm * length,
                    "direction_deg": direction,
                    "cage_size": len(steps),
                },
                index=atoms.index,
            )
        )  # fmt: skip
    return concat(tables)


def measure_dumbbells(
    indexed: IndexedAtoms, *, first: str = "A", second: str = "B", grain: int | None = None
) -> DataFrame:
    """Length, direction and balance of pairs of columns.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    first, second
        Sublattices of the two columns; each column of the first is paired with the nearest site of
        the second.
    grain
        One grain; all of those that have both sublattices by default.

    Returns
    -------
    dumbbells
        ``grain``, ``y_px``, ``x_px`` (middle), ``length_px`` (square pixels), ``length_err_px``,
        ``length_pm``, ``direction_deg`` (from first to second, anticlockwise from x),
        ``balance`` (amplitude of the second over that of the first).
    """
    from pandas import DataFrame, concat

    tables = []
    for view in _chosen(indexed, grain, first, second):
        names = view.lattice.sublattices
        steps = _shell(view.cell, names.index(first), names.index(second))[:1]
        column, partners = _partners(view, names.index(first), steps)
        partner = partners[:, 0]
        apart = view.place[partner] - view.place[column]
        length = np.hypot(*apart.T)
        variance = view.error[column] ** 2 + view.error[partner] ** 2
        middle = 0.5 * (view.place[partner] + view.place[column]) / view.lattice.stretch
        table = indexed.atoms.iloc[view.rows]
        light = table["amplitude"].to_numpy(float) if "amplitude" in table else np.ones(len(table))
        tables.append(
            DataFrame(
                {
                    "grain": view.lattice.grain, "y_px": middle[:, 0], "x_px": middle[:, 1],
                    "length_px": length,
                    "length_err_px": np.sqrt((apart**2 * variance).sum(1)) / length,
                    "length_pm": 1000 * (view.lattice.nm_per_px or np.nan) * length,
                    "direction_deg": np.rad2deg(np.arctan2(-apart[:, 0], apart[:, 1])),
                    "balance": light[partner] / light[column],
                }
            )
        )  # fmt: skip
    return concat(tables, ignore_index=True)


def _chosen(indexed: IndexedAtoms, grain: int | None, *names: str) -> list[GrainView]:
    """Grains that have all the named sublattices."""
    views = view_grains(indexed)
    chosen = [
        view for view in views
        if grain in (None, view.lattice.grain) and set(names) <= set(view.lattice.sublattices)
    ]  # fmt: skip
    if not chosen:
        found = {view.lattice.grain: "".join(view.lattice.sublattices) for view in views}
        raise ScansegError(
            f"No grain has the sublattices {' and '.join(names)}; found were {found or 'none'}.",
            hint="Name sublattices that lattices_table() lists.",
        )
    return chosen


def _shell(cell: Cell, own: int, other: int) -> IntArray:
    """Steps (h, k, site) to the nearest sites of another sublattice, shape (P, 3)."""
    grid = np.stack(np.meshgrid(np.arange(-3, 4), np.arange(-3, 4), indexing="ij"), -1)
    steps = np.concatenate([grid.reshape(-1, 2), np.full((49, 1), other)], axis=1)
    length = np.hypot(*(cell.at(steps) - cell.site[own]).T)
    length[length < 1e-9] = np.inf
    order = np.argsort(length)
    return np.asarray(steps[order[length[order] < SAME_SHELL * length[order[0]]]])


def _partners(view: GrainView, own: int, steps: IntArray) -> tuple[IntArray, IntArray]:
    """Columns of a sublattice whose partners are all there, and those, (n,) and (n, P)."""
    column = np.flatnonzero(view.index[:, 2] == own)
    target = np.tile(steps, (len(column), 1, 1))
    target[..., :2] += view.index[column, None, :2]
    partners = SiteLookup(view.index).row(target)
    complete = (partners >= 0).all(1) & _undivided(view, column, partners)
    return column[complete], partners[complete]


def _undivided(view: GrainView, column: IntArray, partners: IntArray) -> NDArray[np.bool_]:
    """Whether no seam behind a dislocation parts a column from its partners."""
    ideal = view.ideal()
    apart: FloatArray = view.place - ideal
    jump = apart[np.maximum(partners, 0)] - apart[column][:, None]
    return np.asarray(
        (np.hypot(jump[..., 0], jump[..., 1]) < 0.45 * view.lattice.nearest_px).all(1)
    )

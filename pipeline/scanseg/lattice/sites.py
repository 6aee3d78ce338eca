"""Sites without an atom, and atoms without a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.lattice._columns import FloatArray, IntArray, place_columns
from scanseg.lattice._grain import GrainView, SiteLookup, view_grains
from scanseg.lattice._local import LocalFits, fit_surroundings
from scanseg.lattice.model import IndexedAtoms

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["find_extra_atoms", "find_missing_sites"]

RADIUS_CELLS = 1.6
ENCLOSED = 0.65  # an inner corner of a square lattice has 5 of 8 neighbours and is still an edge
VACANT = 0.5  # distances of nearest sites without any atom
ROLES = ["interstitial", "boundary", "outside"]
INSIDE = 0.7  # of the eight nearest atoms in one grain: the atom is within that grain


def find_missing_sites(indexed: IndexedAtoms) -> DataFrame:
    """Vacancies: sites within a grain, and within sight, that hold no atom.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.

    Returns
    -------
    sites
        ``grain``, ``h``, ``k``, ``sublattice``, ``y_px``, ``x_px`` (where the neighbours expect the
        column), ``y_err_px``, ``x_err_px``, ``y_nm``, ``x_nm``, ``n_neighbours`` (that are there),
        ``enclosed`` (part of the neighbours that are there).

    Notes
    -----
    Places follow from the local deformation, not from the mean lattice, which may be off by more
    than a spacing in a strained image. A column that the finder missed is listed as well: look at
    the image before calling it a vacancy. The rims of grains and of holes are left out.
    """
    from pandas import Categorical, DataFrame, Index, concat

    everything = cKDTree(place_columns(indexed.atoms).place) if len(indexed.atoms) else None
    names = Index(list(indexed.atoms["sublattice"].cat.categories))
    tables = []
    for view in view_grains(indexed):
        fits = fit_surroundings(view, radius_cells=RADIUS_CELLS)
        index, place, count, possible = _empty_sites(view, fits, indexed)
        share = count / np.maximum(possible, 1)
        away = everything.query(place)[0] if everything is not None and len(place) else share
        stretch = view.lattice.stretch
        low, high = np.array(indexed.window_px) * stretch
        margin = 0.5 * view.lattice.nearest_px  # the finder lists no column centred outside
        inside = ((place > low + margin) & (place < high - margin)).all(1)
        kept = inside & (share >= ENCLOSED) & (away > VACANT * view.lattice.nearest_px)
        position = place[kept] / stretch
        error = fits.scatter / stretch / np.sqrt(np.maximum(count[kept], 1))[:, None]
        size = np.array(view.lattice.pixel_size_nm or (np.nan, np.nan))
        tables.append(
            DataFrame(
                {
                    "grain": view.lattice.grain, "h": index[kept, 0], "k": index[kept, 1],
                    "sublattice": Categorical.from_codes(index[kept, 2], categories=names),
                    "y_px": position[:, 0], "x_px": position[:, 1],
                    "y_err_px": error[:, 0], "x_err_px": error[:, 1],
                    "y_nm": position[:, 0] * size[0], "x_nm": position[:, 1] * size[1],
                    "n_neighbours": count[kept], "enclosed": share[kept],
                }
            )
        )  # fmt: skip
    columns = [
        "grain", "h", "k", "sublattice", "y_px", "x_px", "y_err_px", "x_err_px", "y_nm", "x_nm",
        "n_neighbours", "enclosed",
    ]  # fmt: skip
    return concat(tables, ignore_index=True) if tables else DataFrame(columns=columns)


def find_extra_atoms(indexed: IndexedAtoms) -> DataFrame:
    """Atoms that are on no site.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.

    Returns
    -------
    atoms
        Rows of the table without a grain, and ``role``: ``interstitial`` (within one grain),
        ``boundary`` (between grains), ``outside`` (neither); ``in_grain``; ``nearest_px`` (distance
        to the nearest atom in square pixels).
    """
    from pandas import Categorical, Index

    columns = place_columns(indexed.atoms)
    grain = indexed.atoms["grain"].to_numpy(np.int64)
    rows = np.flatnonzero(grain < 0)
    role, host = np.full(len(rows), 2), np.full(len(rows), -1)
    nearest = np.full(len(rows), np.nan)
    if len(rows) and len(columns) > 1:
        distance, near = cKDTree(columns.place).query(columns.place[rows], k=min(9, len(columns)))
        nearest = distance[:, 1]
        around = np.asarray(grain[near[:, 1:]])
        close = np.asarray(distance[:, 1:] < 3 * np.median(nearest))
        host, role = _roles(around, close)
    extra = indexed.atoms.iloc[rows]
    return extra.assign(
        role=Categorical.from_codes(
            role, categories=Index(["interstitial", "boundary", "outside"])
        ),
        in_grain=host,
        nearest_px=nearest,
    )


def _roles(around: IntArray, close: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Host grain and role of each atom from the grains of its neighbours."""
    host, role = np.full(len(around), -1), np.full(len(around), 2)
    for n in range(len(around)):
        grains, near = around[n], close[n]
        named, counts = np.unique(grains[near & (grains >= 0)], return_counts=True)
        if not len(named):
            continue
        most = int(counts.argmax())
        if len(named) > 1 and counts[most] < INSIDE * counts.sum():
            role[n] = 1
        elif counts[most] >= INSIDE * len(grains):
            host[n], role[n] = named[most], 0
        elif len(named) > 1:
            role[n] = 1
    return host, role


def _empty_sites(
    view: GrainView, fits: LocalFits, indexed: IndexedAtoms
) -> tuple[IntArray, FloatArray, IntArray, IntArray]:
    """Sites that bonds lead to and nobody is on.

    Returns
    -------
    index, place, count, possible
        h, k and site (E, 3); where the neighbours expect it (E, 2); how many do (E,); how many
        could, within sight (E,).
    """
    bonds = view.cell.bonds()
    lookup = SiteLookup(view.index)
    site = view.index[:, 2]
    step = bonds.step[site].copy()
    step[..., :2] += view.index[:, None, :2]
    known = np.asarray(np.isfinite(fits.frame).all((1, 2)))
    frame = np.where(known[:, None, None], fits.frame, np.eye(2))
    empty = bonds.real[site] & (lookup.row(step) < 0)
    source, bond = np.nonzero(empty)
    if not len(source):
        none = np.zeros((0, 3), np.int64)
        return none, np.zeros((0, 2)), none[:, 0], none[:, 0]
    vector = bonds.vector[site[source], bond]
    expected = view.place[source] + np.einsum("ni,nij->nj", vector, frame[source])
    index, where = np.unique(step[source, bond], axis=0, return_inverse=True)
    where = where.ravel()
    count = np.bincount(where)
    place = np.stack([np.bincount(where, axis) / count for axis in expected.T], axis=1)
    ends = place[:, None] + bonds.vector[index[:, 2]]
    low, high = np.array(indexed.window_px) * view.lattice.stretch
    seen = bonds.real[index[:, 2]] & ((ends > low) & (ends < high)).all(-1)
    return index, place, count, np.maximum(seen.sum(1), count)

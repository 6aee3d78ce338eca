"""Sites without an atom, and atoms without a site."""

from __future__ import annotations

from dataclasses import dataclass
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
VACANT = 0.4  # distances of nearest sites without any atom; silicon in a divacancy is 0.5 from both
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
        sites = _empty_sites(view, fits, indexed)
        share = sites.count / np.maximum(sites.possible, 1)
        spacing = view.lattice.nearest_px
        away = everything.query(sites.place)[0] if everything and len(share) else share
        stretch = view.lattice.stretch
        low, high = np.array(indexed.window_px) * stretch
        margin = 0.5 * spacing  # the finder lists no column centred outside
        inside = ((sites.place > low + margin) & (sites.place < high - margin)).all(1)
        kept = inside & (share >= ENCLOSED) & (away > VACANT * spacing)
        index, count = sites.index[kept], sites.count[kept]
        position, error = sites.place[kept] / stretch, sites.error[kept] / stretch
        size = np.array(view.lattice.pixel_size_nm or (np.nan, np.nan))
        tables.append(
            DataFrame(
                {
                    "grain": view.lattice.grain, "h": index[:, 0], "k": index[:, 1],
                    "sublattice": Categorical.from_codes(index[:, 2], categories=names),
                    "y_px": position[:, 0], "x_px": position[:, 1],
                    "y_err_px": error[:, 0], "x_err_px": error[:, 1],
                    "y_nm": position[:, 0] * size[0], "x_nm": position[:, 1] * size[1],
                    "n_neighbours": count, "enclosed": share[kept],
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


@dataclass(frozen=True, slots=True, eq=False)
class _EmptySites:
    index: IntArray  # (E, 3) h, k, site
    place: FloatArray  # (E, 2) where the neighbours expect it
    error: FloatArray  # (E, 2)
    count: IntArray  # (E,) neighbours that are there
    possible: IntArray  # (E,) that could be, within sight


def _empty_sites(view: GrainView, fits: LocalFits, indexed: IndexedAtoms) -> _EmptySites:
    """Sites that bonds lead to and nobody is on."""
    bonds = view.cell.bonds()
    site = view.index[:, 2]
    step = bonds.step[site].copy()
    step[..., :2] += view.index[:, None, :2]
    known = np.asarray(np.isfinite(fits.frame).all((1, 2)))
    empty = bonds.real[site] & (SiteLookup(view.index).row(step) < 0) & known[:, None]
    source, bond = np.nonzero(empty)
    index, where = np.unique(step[source, bond].reshape(-1, 3), axis=0, return_inverse=True)
    count = np.bincount(where.ravel(), minlength=len(index))

    def mean(values: FloatArray) -> FloatArray:
        flat = values.reshape(len(values), -1).T
        sums = [np.bincount(where.ravel(), each, minlength=len(index)) for each in flat]
        return (np.stack(sums, axis=1) / count[:, None]).reshape(-1, *values.shape[1:])

    # The mean of the neighbours, and the mean deformation for what they lie to one side: neighbours
    # all round cancel the errors of the deformation.
    vector = mean(bonds.vector[site[source], bond])
    place = mean(view.place[source]) + np.einsum("ni,nij->nj", vector, mean(fits.frame[source]))
    spread = np.einsum("ni,naij,nj->na", vector, mean(fits.covariance[source]), vector)
    error = np.sqrt(fits.scatter**2 / count[:, None] + spread)
    ends = place[:, None] + bonds.vector[index[:, 2]]
    low, high = np.array(indexed.window_px) * view.lattice.stretch
    seen = bonds.real[index[:, 2]] & ((ends > low) & (ends < high)).all(-1)
    return _EmptySites(index, place, error, count, np.maximum(seen.sum(1), count))

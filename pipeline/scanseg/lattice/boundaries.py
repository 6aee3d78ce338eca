"""Where grains meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from scanseg.lattice._columns import FloatArray, place_columns
from scanseg.lattice.model import IndexedAtoms, Lattice

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Boundaries", "find_boundaries", "misorientation_deg"]

ALIKE, ALIKE_DEG = 0.08, 8.0  # lengths and angles of one crystal in two grains of a drifting scan
REACH = 1.25  # longer lattice vectors; a grain within this distance is a neighbour


@dataclass(frozen=True, slots=True, eq=False)
class Boundaries:
    """Grain boundaries.

    Parameters
    ----------
    atoms
        The table with ``at_boundary`` and ``other_grain`` (-1 for none).
    table
        One row a pair of grains: ``grain``, ``other_grain``, ``misorientation_deg`` (smallest
        rotation that brings one lattice to the other), ``misorientation_err_deg``, ``n_atoms`` (of
        both sides), ``length_px`` (square pixels), ``length_nm``.
    """

    atoms: DataFrame
    table: DataFrame


def find_boundaries(indexed: IndexedAtoms) -> Boundaries:
    """Find the atoms at grain boundaries, and what lies on both sides.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.

    Notes
    -----
    An atom is at a boundary where an atom of another grain is nearer than 1.25 of the longer
    lattice vector. The length is that of the shortest tree over the middles of such pairs.
    """
    from pandas import DataFrame

    columns = place_columns(indexed.atoms)
    grain = indexed.atoms["grain"].to_numpy(np.int64)
    at_boundary, other_grain = np.zeros(len(grain), bool), np.full(len(grain), -1)
    rows = []
    for one in indexed.lattices:
        for two in indexed.lattices[one.grain + 1 :]:
            first = np.flatnonzero(grain == one.grain)
            second = np.flatnonzero(grain == two.grain)
            reach = REACH * max(_longest(one), _longest(two))
            distance, near = cKDTree(columns.place[second]).query(
                columns.place[first], distance_upper_bound=reach
            )
            close = np.isfinite(distance)
            back, _ = cKDTree(columns.place[first]).query(
                columns.place[second], distance_upper_bound=reach
            )
            facing = second[np.isfinite(back)]
            if not close.any():
                continue
            at_boundary[first[close]], other_grain[first[close]] = True, two.grain
            at_boundary[facing], other_grain[facing] = True, one.grain
            middle = 0.5 * (columns.place[first[close]] + columns.place[second[near[close]]])
            angle, error = misorientation_deg(one, two)
            length = _tree_length(middle, 0.3 * reach)
            rows.append(
                {
                    "grain": one.grain, "other_grain": two.grain, "misorientation_deg": angle,
                    "misorientation_err_deg": error, "n_atoms": int(close.sum()) + len(facing),
                    "length_px": length, "length_nm": length * (one.nm_per_px or np.nan),
                }
            )  # fmt: skip
    names = ["grain", "other_grain", "misorientation_deg", "misorientation_err_deg", "n_atoms",
             "length_px", "length_nm"]  # fmt: skip
    return Boundaries(
        indexed.atoms.assign(at_boundary=at_boundary, other_grain=other_grain),
        DataFrame(rows, columns=names),
    )


def misorientation_deg(one: Lattice, other: Lattice) -> tuple[float, float]:
    """Smallest rotation that brings one lattice onto the other, and its standard deviation.

    Returns
    -------
    angle_deg, error_deg
        nan where no rotation does: two crystals, or two zone axes.

    Notes
    -----
    Lengths may differ by 8 % and angles by 8 degrees, as through drift. Sites are not compared: a
    mirror twin whose lattice goes on has misorientation 0.
    """
    first, second = one.vectors_px * one.stretch
    grid = np.array([(i, j) for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2) if i or j])
    targets = grid @ (other.vectors_px * other.stretch)
    images = _directed(targets[_as_long(targets, first)])
    partners = _directed(targets[_as_long(targets, second)])
    # Turning a1 onto one vector must turn a2 nearly onto another.
    turn_first = _signed(images - _directed(first))
    turn_second = _signed(partners - _directed(second))
    apart = np.abs(_signed(turn_first[:, None] - turn_second))
    if not (apart < np.deg2rad(ALIKE_DEG)).any():
        return float("nan"), float("nan")
    pairs = np.argwhere(apart < np.deg2rad(ALIKE_DEG))
    both = turn_first[pairs[:, 0]]
    both = both + 0.5 * _signed(turn_second[pairs[:, 1]] - both)
    # Across a vector its error is that along it, about.
    errors = [each.lengths_err_px / each.lengths_px / 2 for each in (one, other)]
    return (
        float(np.rad2deg(np.abs(both).min())),
        float(np.rad2deg(np.linalg.norm(np.concatenate(errors)))),
    )


def _as_long(vectors: FloatArray, as_this: FloatArray) -> NDArray[np.bool_]:
    ratio = np.hypot(*vectors.T) / np.hypot(*as_this)
    return np.asarray(np.abs(ratio - 1) < ALIKE)


def _directed(vector: FloatArray) -> FloatArray:
    """Direction anticlockwise from x as the image is seen, in radians."""
    return np.asarray(np.arctan2(-vector[..., 0], vector[..., 1]))


def _signed(angle: FloatArray) -> FloatArray:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def _longest(lattice: Lattice) -> float:
    return float(lattice.lengths_px.max())


def _tree_length(point: FloatArray, merge: float) -> float:
    """Length of the shortest tree over points, those closer than `merge` taken as one."""
    cells = np.unique(np.floor(point / max(merge, 1e-9)), axis=0, return_inverse=True)[1].ravel()
    count = np.bincount(cells)
    middle = np.stack([np.bincount(cells, axis) / count for axis in point.T], axis=1)
    if len(middle) < 2:
        return 0.0
    distance, near = cKDTree(middle).query(middle, k=min(9, len(middle)))
    rows = np.repeat(np.arange(len(middle)), near.shape[1] - 1)
    graph = coo_array((distance[:, 1:].ravel(), (rows, near[:, 1:].ravel())),
                      shape=(len(middle),) * 2)  # fmt: skip
    return float(minimum_spanning_tree(graph.tocsr()).sum())

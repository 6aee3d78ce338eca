"""Rings of the neighbour graph, and the defects they form: 5-7, 5-8-5, 55-77."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from scanseg.lattice._columns import FloatArray, IntArray
from scanseg.lattice.neighbours import NeighbourGraph

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Rings", "find_rings"]

LARGEST = 12  # larger faces are holes


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Faces of a planar graph, R of them.

    Parameters
    ----------
    table
        One row a ring: ``ring``, ``size`` (atoms), ``y_px``, ``x_px`` (centre), ``area_px2``
        (square pixels), ``defect`` (number, -1 for a usual ring).
    corners
        Rows of the atoms of each ring, in order; a tuple of R arrays.
    defects
        One row a group of unusual rings that share bonds: ``defect``, ``kind`` as ``5-7`` or
        ``5-8-5``, ``n_rings``, ``y_px``, ``x_px``. Large holes and rings at the rim belong to none.
    usual
        The commonest ring size.
    """

    table: DataFrame
    corners: tuple[IntArray, ...]
    defects: DataFrame
    usual: int


def find_rings(graph: NeighbourGraph, *, largest: int = LARGEST) -> Rings:
    """Find the rings of a neighbour graph.

    Parameters
    ----------
    graph
        See :func:`scanseg.lattice.link_neighbours`.
    largest
        Faces with more corners are holes, not rings.

    Notes
    -----
    Every bond is walked in both directions. Turning at each atom into the next bond clockwise
    walks around a face; the walk around the outside has the other sense and is dropped.
    """
    from pandas import DataFrame

    pairs = _without_dangling(graph.pairs, len(graph.place))
    face, reverse, walks = _walk_faces(pairs, graph.place)
    area = np.array([_signed_area(graph.place[walk]) for walk in walks], float)
    size = np.array([len(walk) for walk in walks], int)
    simple = np.array([len(np.unique(walk)) == len(walk) for walk in walks], bool)
    kept = np.flatnonzero((area > 0) & (size <= largest) & simple)
    usual = int(np.bincount(size[kept]).argmax()) if len(kept) else 0
    number = np.full(len(walks), -1)
    number[kept] = np.arange(len(kept))
    centre = np.array([graph.place[walks[n]].mean(0) for n in kept]).reshape(-1, 2) / graph.stretch
    shared = _shared_bonds(number, face, reverse)
    member, defects = _defects(size[kept], shared, usual, centre)
    table = DataFrame(
        {
            "ring": np.arange(len(kept)), "size": size[kept],
            "y_px": centre[:, 0], "x_px": centre[:, 1], "area_px2": area[kept], "defect": member,
        }
    )  # fmt: skip
    return Rings(table, tuple(walks[n] for n in kept), defects, usual)


def _without_dangling(pairs: IntArray, n_atoms: int) -> IntArray:
    """Bonds that can be part of a ring: those to atoms with one bond are cut off, repeatedly."""
    while len(pairs):
        degree = np.bincount(pairs.ravel(), minlength=n_atoms)
        kept = (degree[pairs] > 1).all(1)
        if kept.all():
            break
        pairs = pairs[kept]
    return pairs


def _walk_faces(
    pairs: IntArray, place: FloatArray
) -> tuple[IntArray, IntArray, tuple[IntArray, ...]]:
    """Faces as walks over directed bonds.

    Returns
    -------
    face
        Of each directed bond, shape (2E,); bond e runs forth as e and back as e + E.
    reverse
        The same bond the other way round, shape (2E,).
    walks
        Atoms of each face in order.
    """
    count = len(pairs)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), ()
    start = np.concatenate([pairs[:, 0], pairs[:, 1]])
    end = np.concatenate([pairs[:, 1], pairs[:, 0]])
    reverse = (np.arange(2 * count) + count) % (2 * count)
    direction = place[end] - place[start]
    angle = np.arctan2(direction[:, 0], direction[:, 1])
    order = np.lexsort((angle, start))
    rank = np.empty(2 * count, np.int64)
    rank[order] = np.arange(2 * count)
    first = np.searchsorted(start[order], np.arange(len(place)))
    last = np.searchsorted(start[order], np.arange(len(place)), side="right") - 1
    # After bond i -> j comes, of the bonds that leave j, the one before j -> i in angle.
    back = rank[reverse]
    before = np.where(back == first[end], last[end], back - 1)
    following = order[before]
    links = coo_array((np.ones(2 * count, bool), (np.arange(2 * count), following)))
    _, face = connected_components(links, directed=True, connection="weak")
    return face.astype(np.int64), reverse, _in_order(face, following, start)


def _in_order(face: IntArray, following: IntArray, start: IntArray) -> tuple[IntArray, ...]:
    """Walk all faces at once, a step at a time, the long ones to their end."""
    n_faces = int(face.max()) + 1
    size = np.bincount(face, minlength=n_faces)
    begin = np.empty(n_faces, np.int64)
    begin[face[::-1]] = np.arange(len(face))[::-1]
    offset = np.concatenate([[0], np.cumsum(size)])
    atoms = np.empty(offset[-1], np.int64)
    alive, at, step = np.arange(n_faces), begin.copy(), 0
    while len(alive):
        atoms[offset[alive] + step] = start[at]
        at = following[at]
        step += 1
        more = size[alive] > step
        alive, at = alive[more], at[more]
    return tuple(np.split(atoms, offset[1:-1]))


def _signed_area(corner: FloatArray) -> float:
    y, x = corner.T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _shared_bonds(number: IntArray, face: IntArray, reverse: IntArray) -> IntArray:
    """Pairs of rings on the two sides of a bond, shape (B, 2)."""
    one, other = number[face], number[face[reverse]] if len(face) else np.zeros(0, np.int64)
    both = (one >= 0) & (other >= 0) & (one < other)
    return np.stack([one[both], other[both]], axis=1)


def _defects(
    size: IntArray, shared: IntArray, usual: int, centre: FloatArray
) -> tuple[IntArray, DataFrame]:
    """Group unusual rings that share bonds, and name each group."""
    from pandas import DataFrame

    unusual = size != usual
    member = np.full(len(size), -1)
    rows = []
    touching = shared[unusual[shared].all(1)] if len(shared) else shared
    links = coo_array(
        (np.ones(len(touching), bool), (touching[:, 0], touching[:, 1])), shape=(len(size),) * 2
    )
    _, label = connected_components(links, directed=False)
    for number, name in enumerate(np.unique(label[unusual])):
        rings = np.flatnonzero((label == name) & unusual)
        member[rings] = number
        y, x = centre[rings].mean(0)
        rows.append(
            {
                "defect": number, "kind": _kind(rings, size, touching), "n_rings": len(rings),
                "y_px": y, "x_px": x,
            }
        )  # fmt: skip
    return member, DataFrame(rows, columns=["defect", "kind", "n_rings", "y_px", "x_px"])


def _kind(rings: IntArray, size: IntArray, touching: IntArray) -> str:
    """Name of a defect: 5-8-5 for a chain of three, sizes from small to large otherwise."""
    own = touching[np.isin(touching, rings).all(1)]
    degree = np.bincount(own.ravel(), minlength=len(size))[rings]
    if len(rings) == 3 and sorted(degree) == [1, 1, 2]:
        middle = rings[degree == 2][0]
        ends = sorted(int(size[ring]) for ring in rings if ring != middle)
        return f"{ends[0]}-{size[middle]}-{ends[1]}"
    return "-".join(str(n) for n in sorted(size[rings]))

"""The cheapest links between two sets of places, where leaving both unlinked costs 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FloatArray", "IntArray", "cheapest_links", "near_pairs"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def near_pairs(
    first: FloatArray, second: FloatArray, reach: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """All pairs of N and M places (y, x) up to a distance apart, P of them.

    Parameters
    ----------
    first, second
        Shapes (N, 2) and (M, 2), in one unit.
    reach
        The largest distance, in that unit.

    Returns
    -------
    i, j, distance
        Rows of ``first`` and of ``second``, and how far apart they are; shape (P,) each.
    """
    from scipy.spatial import cKDTree

    if not len(first) or not len(second):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    pairs = cKDTree(first).sparse_distance_matrix(cKDTree(second), reach, output_type="coo_matrix")
    return pairs.row.astype(np.int64), pairs.col.astype(np.int64), np.asarray(pairs.data, float)


def cheapest_links(i: IntArray, j: IntArray, cost: FloatArray) -> IntArray:
    """Which of some pairs are links, none sharing an end.

    Parameters
    ----------
    i, j
        Ends of each pair, shape (P,).
    cost
        Of each pair; one of 1 or more is never linked.

    Returns
    -------
    chosen
        Rows of the pairs that are links.

    Notes
    -----
    Optimal within each group of pairs that compete; pairs that nothing competes with, nearly all of
    them in a crystal, take no assignment.
    """
    rows = np.flatnonzero(cost < 1)
    if not len(rows):
        return rows
    i, j, cost = i[rows], j[rows], cost[rows]
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    chosen = [rows[alone]]
    rest = np.flatnonzero(~alone)
    chosen += [rows[rest[part]] for part in _contested(i[rest], j[rest], cost[rest])]
    return np.sort(np.concatenate(chosen))


def _contested(i: IntArray, j: IntArray, cost: FloatArray) -> list[IntArray]:
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(i):
        return []
    a, i = np.unique(i, return_inverse=True)
    b, j = np.unique(j, return_inverse=True)
    nodes = len(a) + len(b)
    graph = coo_array((np.ones(len(i)), (i, j + len(a))), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1][i]
    order = np.argsort(label, kind="stable")
    chosen = []
    for group in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        rows, p = np.unique(i[group], return_inverse=True)
        columns, q = np.unique(j[group], return_inverse=True)
        # To link gains 1 - cost, and an empty cell nothing, so that no link is forced.
        gain = np.zeros((len(rows), len(columns)))
        gain[p, q] = 1 - cost[group]
        pair = np.full(gain.shape, -1)
        pair[p, q] = group
        best = pair[linear_sum_assignment(gain, maximize=True)]
        chosen.append(best[best >= 0])
    return chosen

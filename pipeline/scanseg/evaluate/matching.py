"""Which found column is which true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Matches", "match_positions"]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """One-to-one pairs of F found and T true positions; M of them match.

    Parameters
    ----------
    found_index
        Which found position, shape (M,), increasing.
    truth_index
        The true position it belongs to, shape (M,).
    offset_px
        Found minus true, (y, x), shape (M, 2).
    n_found, n_truth
        F and T.
    """

    found_index: NDArray[np.int64]
    truth_index: NDArray[np.int64]
    offset_px: NDArray[np.float64]
    n_found: int
    n_truth: int

    @property
    def precision(self) -> float:
        """Share of the found positions that are true; 1 where nothing was found."""
        return len(self.found_index) / self.n_found if self.n_found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true positions that were found; 1 where there is nothing to find."""
        return len(self.found_index) / self.n_truth if self.n_truth else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.n_found + self.n_truth
        return 2 * len(self.found_index) / total if total else 1.0

    @property
    def rms_px(self) -> float:
        """Root mean square of the offsets, per coordinate; NaN without a match."""
        return float(np.sqrt(np.mean(self.offset_px**2))) if len(self.offset_px) else float("nan")


def match_positions(found: ArrayLike, truth: ArrayLike, *, radius_px: float) -> Matches:
    """Pair found and true positions one to one: as many pairs as possible, then the closest.

    Parameters
    ----------
    found
        (y, x), shape (F, 2).
    truth
        (y, x), shape (T, 2).
    radius_px
        Positions farther apart never match.

    Notes
    -----
    Optimal within each cluster of positions that could compete, so no order of the input and no
    greedy choice decides.

    Examples
    --------
    >>> matches = match_positions([(0, 0), (0, 4), (9, 9)], [(0, 1), (0, 3.5)], radius_px=2)
    >>> matches.truth_index, matches.precision, matches.recall
    (array([0, 1]), 0.6666666666666666, 1.0)
    """
    some = np.asarray(found, float).reshape(-1, 2)
    true = np.asarray(truth, float).reshape(-1, 2)
    pairs = np.array(sorted(_assigned(some, true, radius_px)), np.int64).reshape(-1, 2)
    offset = some[pairs[:, 0]] - true[pairs[:, 1]]
    return Matches(pairs[:, 0], pairs[:, 1], offset, len(some), len(true))


def _assigned(
    found: NDArray[np.float64], truth: NDArray[np.float64], radius_px: float
) -> list[tuple[int, int]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(found) or not len(truth):
        return []
    near = cKDTree(found).sparse_distance_matrix(
        cKDTree(truth), radius_px, output_type="coo_matrix"
    )
    a, b, distance = near.row, near.col, near.data
    nodes = len(found) + len(truth)
    graph = coo_array((np.ones(len(a)), (a, b + len(found))), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1][a]
    order = np.argsort(label, kind="stable")
    clusters = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    pairs = []
    for cluster in clusters:
        pairs += _assigned_in_cluster(a[cluster], b[cluster], distance[cluster], radius_px)
    return pairs


def _assigned_in_cluster(
    a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.float64], radius_px: float
) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    if len(a) == 1:
        return [(int(a[0]), int(b[0]))]
    rows, i = np.unique(a, return_inverse=True)
    columns, j = np.unique(b, return_inverse=True)
    # A missing pair costs more than all real ones together, so the number of pairs comes first.
    missing = (radius_px + 1) * (min(len(rows), len(columns)) + 1)
    cost = np.full((len(rows), len(columns)), missing)
    cost[i, j] = distance
    chosen = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(rows[p]), int(columns[q])) for p, q in chosen if cost[p, q] < missing]

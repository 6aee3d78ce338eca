"""Found positions against true ones, without scanseg's own figures of merit: a second opinion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Score:
    """Counts over one or several images; scores of several images add up."""

    n_truth: int = 0
    n_found: int = 0
    n_matched: int = 0
    squared_error_px2: float = 0.0  # over both axes of the matched pairs

    def __add__(self, other: Score) -> Score:
        return Score(
            self.n_truth + other.n_truth,
            self.n_found + other.n_found,
            self.n_matched + other.n_matched,
            self.squared_error_px2 + other.squared_error_px2,
        )

    @property
    def recall(self) -> float:
        """Part of the true columns that was found."""
        return self.n_matched / self.n_truth if self.n_truth else float("nan")

    @property
    def precision(self) -> float:
        """Part of the found columns that is true."""
        return self.n_matched / self.n_found if self.n_found else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = self.n_truth + self.n_found
        return 2 * self.n_matched / total if total else float("nan")

    @property
    def rms_px(self) -> float:
        """Root mean square error along one axis."""
        return float(np.sqrt(self.squared_error_px2 / max(1, 2 * self.n_matched)))


def score(
    found_px: NDArray[np.float64],
    truth_px: NDArray[np.float64],
    radius_px: float | NDArray[np.float64],
    *,
    required: NDArray[np.bool_] | None = None,
) -> Score:
    """Match nearest pairs one to one.

    Parameters
    ----------
    found_px, truth_px
        (y, x), shapes (M, 2) and (N, 2).
    radius_px
        Largest distance of a pair: one number, or one for each true column.
    required
        Shape (N,): true columns that cannot be asked for are False. Finding one is neither right
        nor wrong.
    """
    found_px, truth_px = np.reshape(found_px, (-1, 2)), np.reshape(truth_px, (-1, 2))
    radius = np.broadcast_to(radius_px, len(truth_px))
    required = np.ones(len(truth_px), bool) if required is None else required
    found_index, truth_index = _nearest_pairs(found_px, truth_px, radius)
    asked = required[truth_index]
    error = found_px[found_index[asked]] - truth_px[truth_index[asked]]
    return Score(
        n_truth=int(required.sum()),
        n_found=len(found_px) - int((~asked).sum()),
        n_matched=int(asked.sum()),
        squared_error_px2=float((error**2).sum()),
    )


def _nearest_pairs(
    found: NDArray[np.float64], truth: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs in the order of their distance, each point used once."""
    if not len(found) or not len(truth):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    table = cKDTree(found).sparse_distance_matrix(
        cKDTree(truth), float(radius.max()), output_type="ndarray"
    )
    table = np.sort(table[table["v"] <= radius[table["j"]]], order="v")
    pairs, used_found, used_truth = [], set(), set()
    for i, j, _ in table:
        if i not in used_found and j not in used_truth:
            pairs.append((i, j))
            used_found.add(i)
            used_truth.add(j)
    index = np.array(pairs, np.intp).reshape(-1, 2)
    return index[:, 0], index[:, 1]

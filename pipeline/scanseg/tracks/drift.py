"""How far the sample drifted between two frames, from the atoms alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameShift", "measure_shift"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BIN = 0.2  # of the spacing, for the histogram of differences
CANDIDATES = 16  # shifts that are tried; a crystal offers one a lattice vector
NEAR = 0.35  # of the spacing: atoms that belong together for a trial shift
SETTLED = 0.9  # part of the atoms that find a partner at the expected shift; no other is tried
# A crystal fits itself again a lattice vector away. The one that was expected is left only for one
# that places five per cent more of the atoms, for each spacing of the difference.
DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class FrameShift:
    """Shift of a frame against the places that were expected.

    Parameters
    ----------
    shift
        (y, x), in the unit of the places.
    err
        One standard deviation of it along an axis; nan where nothing could be told.
    matched
        Part of the atoms in common view that found a partner, weighted by class.
    """

    shift: tuple[float, float]
    err: float
    matched: float


def measure_shift(
    expected: FloatArray,
    expected_class: IntArray,
    found: FloatArray,
    found_class: IntArray,
    *,
    spacing: float,
    largest: float,
    guess: tuple[float, float] = (0.0, 0.0),
) -> FrameShift:
    """Find the shift that brings expected places onto found ones.

    Parameters
    ----------
    expected, found
        (y, x), shapes (E, 2) and (F, 2).
    expected_class, found_class
        Shapes (E,) and (F,): atoms of a class go to atoms of that class, and rare classes count
        for more, so that a few dopants tell which lattice vector it was.
    spacing
        Distance of nearest atoms.
    largest
        How far to look, in spacings.
    guess
        Shift that is expected, such as that of the frame before.

    Notes
    -----
    In a perfect crystal that fills the frame a drift by a lattice vector cannot be seen by anybody;
    the candidate next to ``guess`` is then taken.
    """
    if len(expected) < 2 or len(found) < 2:
        return FrameShift(guess, float("nan"), 0.0)
    scene = _Scene.of(expected, expected_class, found, found_class, spacing)
    best = scene.trial(np.asarray(guess, float))
    if best.matched < SETTLED:
        centre = np.asarray(guess, float)
        trials = [scene.trial(shift) for shift in _candidates(scene, centre, largest)]
        best = max([best, *trials], key=lambda trial: _merit(trial, guess, spacing))
    return best


def _merit(trial: FrameShift, guess: tuple[float, float], spacing: float) -> float:
    apart = np.hypot(trial.shift[0] - guess[0], trial.shift[1] - guess[1])
    return float(trial.matched - DOUBT * apart / spacing)


@dataclass(frozen=True, slots=True)
class _Scene:
    """E places where atoms are expected and F where they were found, (y, x) in square pixels."""

    expected: FloatArray  # (E, 2)
    expected_class: IntArray  # (E,)
    found: FloatArray  # (F, 2)
    found_class: IntArray  # (F,)
    weight: FloatArray  # (E,) rare classes tell as much as frequent ones
    tree: object  # of the found places
    spacing: float

    @classmethod
    def of(
        cls, expected: FloatArray, expected_class: IntArray, found: FloatArray,
        found_class: IntArray, spacing: float,
    ) -> _Scene:  # fmt: skip
        from scipy.spatial import cKDTree

        counts = np.bincount(expected_class)
        weight = 1 / np.sqrt(counts[expected_class])
        return cls(expected, expected_class, found, found_class, weight, cKDTree(found), spacing)

    def trial(self, shift: FloatArray) -> FrameShift:
        """Improve a shift by the median offset of the nearest atoms, and judge it."""
        for reach in (1.4 * NEAR, NEAR, NEAR):
            near, offset = self._partners(shift, reach * self.spacing)
            if near.sum() < 2:
                return FrameShift((float(shift[0]), float(shift[1])), float("nan"), 0.0)
            shift = shift + np.median(offset[near], axis=0)
        near, offset = self._partners(shift, NEAR * self.spacing)
        low, high = self.found.min(0), self.found.max(0)
        moved = self.expected + shift
        margin = 0.5 * self.spacing
        seen = ((moved > low - margin) & (moved < high + margin)).all(1)
        common = float(self.weight[seen].sum())
        matched = float(self.weight[near & seen].sum()) / common if common else 0.0
        if not near.any():
            return FrameShift((float(shift[0]), float(shift[1])), float("nan"), 0.0)
        scatter = 1.4826 * np.median(np.abs(offset[near]), axis=0)
        # The median of normal deviates scatters 1.25 times as much as their mean.
        err = 1.25 * float(np.sqrt(np.mean(scatter**2) / near.sum()))
        return FrameShift((float(shift[0]), float(shift[1])), err, matched)

    def _partners(self, shift: FloatArray, reach: float) -> tuple[NDArray[np.bool_], FloatArray]:
        moved = self.expected + shift
        distance, index = self.tree.query(moved, distance_upper_bound=reach)  # type: ignore[attr-defined]
        there = np.isfinite(distance)
        index = np.where(there, index, 0)
        same = self.found_class[index] == self.expected_class
        return there & same, self.found[index] - moved


def _candidates(scene: _Scene, centre: FloatArray, largest: float) -> list[FloatArray]:
    """The fullest bins of the histogram of differences, the fullest first."""
    from scipy.ndimage import maximum_filter, uniform_filter
    from scipy.spatial import cKDTree

    reach = largest * scene.spacing
    pairs = cKDTree(scene.expected + centre).sparse_distance_matrix(
        scene.tree, reach, output_type="coo_matrix"
    )
    if not pairs.nnz:
        return []
    same = scene.expected_class[pairs.row] == scene.found_class[pairs.col]
    difference = (scene.found[pairs.col] - scene.expected[pairs.row] - centre)[same]
    n_bins = 2 * int(np.ceil(reach / (BIN * scene.spacing))) + 1
    edges = (np.arange(n_bins + 1) - n_bins / 2) * BIN * scene.spacing
    cell = np.clip(((difference - edges[0]) / (BIN * scene.spacing)).astype(int), 0, n_bins - 1)
    counts = np.bincount(
        cell @ np.array([n_bins, 1]), scene.weight[pairs.row][same], minlength=n_bins**2
    ).reshape(n_bins, n_bins)
    smooth = uniform_filter(counts, 3, mode="constant")
    peaks = np.argwhere((smooth == maximum_filter(smooth, 5)) & (smooth > 0.3 * smooth.max()))
    order = np.argsort(-smooth[tuple(peaks.T)], kind="stable")[:CANDIDATES]
    middle = 0.5 * (edges[1:] + edges[:-1])
    return [centre + middle[peak] for peak in peaks[order]]

"""Precision and recall of probability maps over all thresholds: ODS, OIS and AP.

As the Berkeley benchmark of contours has it (Arbeláez et al., IEEE TPAMI 33, 898, 2011): at each
threshold the map is cut, thinned, and matched with the true lines one to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.skeletons import score_skeleton, thinned
from scanseg.micrograph import FloatImage, Mask

__all__ = ["CurveSummary", "ThresholdCurve", "measure_curve", "summarise_curves"]


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCurve:
    """Counts of one map at N thresholds.

    Parameters
    ----------
    threshold
        Probabilities from which a pixel is on a wall, increasing, shape (N,).
    n_matched, n_found
        Pairs, and skeleton pixels found, at each of them, shape (N,).
    n_truth
        True skeleton pixels.
    """

    threshold: NDArray[np.float64]
    n_matched: NDArray[np.int64]
    n_found: NDArray[np.int64]
    n_truth: int

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 at each threshold, shape (N,); 1 where nothing is and nothing was found."""
        total = self.n_found + self.n_truth
        return np.asarray(np.where(total > 0, 2 * self.n_matched / np.maximum(total, 1), 1.0))

    @property
    def best(self) -> int:
        """Index of the best threshold; of equal ones the one at which least was found."""
        return int(np.lexsort((-self.n_found, self.f1))[-1])


@dataclass(frozen=True, slots=True)
class CurveSummary:
    """What the curves of a set of maps come to.

    Parameters
    ----------
    ods, ods_threshold
        F1 at the one threshold that is best for the whole set, and that threshold.
    ois
        F1 with the best threshold for each map.
    average_precision
        Area below precision over recall.
    """

    ods: float
    ods_threshold: float
    ois: float
    average_precision: float


def measure_curve(
    probability: FloatImage,
    truth: Mask,
    *,
    radius: float = 2.0,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    ignored: Mask | None = None,
    n_thresholds: int = 99,
) -> ThresholdCurve:
    """Match a map with the true skeleton at evenly spaced thresholds.

    Parameters
    ----------
    probability
        Of one class, shape (height, width).
    truth
        Skeleton, shape (height, width).
    radius, pixel_size, ignored
        As for ``score_skeleton``.
    n_thresholds
        99 makes 0.01, 0.02, ... 0.99.
    """
    threshold = np.arange(1, n_thresholds + 1) / (n_thresholds + 1)
    counts: list[tuple[int, int]] = []
    n_above = -1
    for each in threshold:
        mask = probability >= each
        here = int(mask.sum())
        if here != n_above:  # masks are nested, so that equal numbers are equal masks
            score = score_skeleton(
                thinned(mask), truth, radius=radius, pixel_size=pixel_size, ignored=ignored
            )
            n_above = here
        counts.append((score.n_matched, score.n_found))
    n_matched, n_found = np.array(counts, np.int64).T
    return ThresholdCurve(threshold, n_matched, n_found, int(truth.sum()))


def summarise_curves(curves: Sequence[ThresholdCurve]) -> CurveSummary:
    """ODS, OIS and AP of a set of maps that were cut at the same thresholds; NaN for none."""
    if not curves:
        return CurveSummary(*[float("nan")] * 4)
    matched = np.sum([curve.n_matched for curve in curves], axis=0)
    found = np.sum([curve.n_found for curve in curves], axis=0)
    n_truth = sum(curve.n_truth for curve in curves)
    if not n_truth:
        return CurveSummary(*[float("nan")] * 4)
    f1 = 2 * matched / np.maximum(found + n_truth, 1)
    best = int(f1.argmax())
    own = [(curve, curve.best) for curve in curves]
    own_matched = sum(int(curve.n_matched[n]) for curve, n in own)
    own_found = sum(int(curve.n_found[n]) for curve, n in own)
    return CurveSummary(
        ods=float(f1[best]),
        ods_threshold=float(curves[0].threshold[best]),
        ois=2 * own_matched / max(own_found + n_truth, 1),
        average_precision=_area(
            matched[found > 0] / n_truth, matched[found > 0] / found[found > 0]
        ),
    )


def _area(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """Mean over recalls 0.00, 0.01, ... 1.00 of the best precision at that recall or a higher one.

    Maps that are thinned anew at each threshold lose recall at low ones, where lines run together,
    so points are not simply joined; a recall that no threshold reaches counts 0.
    """
    wanted = np.linspace(0, 1, 101)
    enough = recall >= wanted[:, None] - 1e-9
    return float(np.where(enough, precision, 0.0).max(axis=1, initial=0.0).mean())

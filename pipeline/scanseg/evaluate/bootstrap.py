"""How far a figure of merit would move with other images of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

__all__ = ["Interval", "bootstrap_intervals"]

Score = TypeVar("Score")

N_RESAMPLES = 1000
LEVEL = 0.95
# With fewer images an interval would say more of chance than of the images.
FEWEST = 3


class Interval(NamedTuple):
    """Ends of an interval."""

    low: float
    high: float


def bootstrap_intervals(
    scores: Sequence[Score],
    figures: Callable[[Sequence[Score]], Mapping[str, float]],
    *,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Percentile intervals over images drawn anew, with replacement.

    Images are drawn, not columns or pixels: those of one image share its dose and its faults.

    Parameters
    ----------
    scores
        One an image, N of them.
    figures
        Figures of merit of some scores together.
    rng
        Draws.
    n_resamples
        How often.
    level
        Share of the resamples inside of an interval.

    Returns
    -------
    intervals
        By the names of the figures; empty with fewer than three images. A figure that some
        resamples do not have (NaN) has the interval of the others.

    Notes
    -----
    Efron, Ann. Stat. 7, 1 (1979). With five images such intervals are too narrow by a quarter.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mean = lambda values: {"mean": float(np.mean(values))}
    >>> bootstrap_intervals([0.5] * 4, mean, rng=rng)
    {'mean': Interval(low=0.5, high=0.5)}
    """
    if len(scores) < FEWEST:
        return {}
    drawn = rng.integers(len(scores), size=(n_resamples, len(scores)))
    rows = [figures([scores[n] for n in each]) for each in drawn]
    ends = 50 * (1 - level), 50 * (1 + level)
    intervals = {}
    for name in rows[0]:
        values = np.array([row.get(name, np.nan) for row in rows], float)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.percentile(values, ends)
            intervals[name] = Interval(float(low), float(high))
    return intervals

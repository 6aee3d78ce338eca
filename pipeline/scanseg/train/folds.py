"""What several trainings say of images that each of them held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scanseg.train.held_out import LabelledScore
from scanseg.train.splits import Split

__all__ = ["FoldScore", "join_folds", "mean_interval"]


@dataclass(frozen=True, slots=True)
class FoldScore:
    """Scores of all images, each by the training that had held it out.

    Parameters
    ----------
    splits
        What each training was trained on, and what it held out.
    before, after
        Figures are means over the folds.
    f1_before, f1_after, gain
        Mean of F1 over the images, and the ends of its interval of 95 %.
    """

    splits: tuple[Split, ...]
    before: LabelledScore
    after: LabelledScore
    f1_before: tuple[float, float, float]
    f1_after: tuple[float, float, float]
    gain: tuple[float, float, float]

    @property
    def statement(self) -> str:
        """One sentence for people."""
        said = [
            f"{name} {mean:.3f} ({low:.3f} to {high:.3f})"
            for name, (mean, low, high) in (
                ("before", self.f1_before), ("after", self.f1_after), ("gain", self.gain),
            )
        ]  # fmt: skip
        return (
            f"In {len(self.splits)} folds every image was held out once. Mean F1 of an image, with "
            f"an interval of 95 %: {', '.join(said)}."
        )

    def as_dict(self) -> dict[str, object]:
        """For a file."""
        return {
            "f1_before": list(self.f1_before),
            "f1_after": list(self.f1_after),
            "gain": list(self.gain),
            "splits": [split.as_dict() for split in self.splits],
        }


def join_folds(
    splits: Sequence[Split], before: Sequence[LabelledScore], after: Sequence[LabelledScore]
) -> FoldScore:
    """Join the scores of folds."""
    joined = _joined(before), _joined(after)
    old, new = (np.array([each.f1_of_image[name] for name in sorted(each.f1_of_image)])
                for each in joined)  # fmt: skip
    of_f1 = (_within_0_and_1(mean_interval(values)) for values in (old, new))
    f1_before, f1_after = of_f1
    gain = mean_interval(new - old)
    return FoldScore(tuple(splits), joined[0], joined[1], f1_before, f1_after, gain)


def _within_0_and_1(interval: tuple[float, float, float]) -> tuple[float, float, float]:
    mean, low, high = interval
    return mean, max(low, 0.0), min(high, 1.0)


def mean_interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> (
    tuple[float, float, float]
):  # fmt: skip
    """Mean, and its interval of 95 % by Student's t; the mean alone of a single value.

    Examples
    --------
    >>> [round(value, 2) for value in mean_interval(np.array([0.8, 0.82, 0.87]))]
    [0.83, 0.74, 0.92]
    """
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, mean, mean
    reach = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - reach, mean + reach


def _joined(scores: Sequence[LabelledScore]) -> LabelledScore:
    names = scores[0].figures
    return LabelledScore(
        {name: float(np.mean([each.figures[name] for each in scores])) for name in names},
        {name: value for each in scores for name, value in each.f1_of_image.items()},
    )

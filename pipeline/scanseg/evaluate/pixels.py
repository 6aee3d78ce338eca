"""Class maps against true ones, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.evaluate.figures import finite_or_none

__all__ = ["PixelScore", "score_pixels"]

IGNORED = 255


@dataclass(frozen=True, slots=True, eq=False)
class PixelScore:
    """Pixels of C classes by truth and find; those of several images add.

    Parameters
    ----------
    counts
        Shape (C, C), by true and by found class; class 0 is the background.
    """

    counts: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.counts)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Common pixels of each class over all that are it in either map, shape (C,).

        NaN for a class that neither map has.
        """
        both = np.diag(self.counts).astype(float)
        return _ratio(both, self.counts.sum(0) + self.counts.sum(1) - both)

    @property
    def dice(self) -> NDArray[np.float64]:
        """Twice the common pixels of each class over the sum of both, shape (C,); NaN for none."""
        both = np.diag(self.counts).astype(float)
        return _ratio(2 * both, self.counts.sum(0) + self.counts.sum(1))

    @property
    def accuracy(self) -> float:
        """Share of the pixels with the right class; NaN without a pixel."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    def __add__(self, other: PixelScore) -> PixelScore:
        """Score of two images together."""
        size = max(self.n_classes, other.n_classes)
        total = np.zeros((size, size), np.int64)
        for each in (self, other):
            total[: each.n_classes, : each.n_classes] += each.counts
        return PixelScore(total)

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON; what could not be measured is None."""
        figures: dict[str, Any] = {"accuracy": self.accuracy}
        for name, values in (("iou", self.iou), ("dice", self.dice)):
            figures |= {f"{name}_{n}": float(value) for n, value in enumerate(values)}
        known = {key: finite_or_none(value) for key, value in figures.items()}
        return known | {"pixels": self.counts.tolist()}


def score_pixels(
    found: NDArray[np.uint8], truth: NDArray[np.uint8], *, n_classes: int | None = None
) -> PixelScore:
    """Compare two class maps of shape (height, width); where the truth is 255 nothing counts.

    Parameters
    ----------
    found, truth
        Class of each pixel, 0 for the background.
    n_classes
        C, background included; as many as occur by default.

    Examples
    --------
    >>> truth = np.zeros((4, 6), np.uint8)
    >>> truth[:2] = 1
    >>> found = np.zeros((4, 6), np.uint8)
    >>> found[1:3] = 1
    >>> score = score_pixels(found, truth)
    >>> score.iou.round(3).tolist(), score.dice.tolist()
    ([0.333, 0.333], [0.5, 0.5])
    """
    if found.shape != truth.shape:
        raise ConfigError(
            f"The class maps have {found.shape} and {truth.shape} pixels, so they are not of one "
            "image.",
            hint="Give the class map of the same image, at its full size.",
        )
    counted = (truth != IGNORED) & (found != IGNORED)
    a, b = truth[counted].astype(np.int64), found[counted].astype(np.int64)
    size = n_classes or max(int(a.max(initial=0)), int(b.max(initial=0)), 1) + 1
    if max(a.max(initial=0), b.max(initial=0)) >= size:
        raise ConfigError(
            f"A class map has classes above {size - 1}, the last of {size}.",
            hint="Give the number of classes, the background included, or leave it out.",
        )
    counts = np.bincount(a * size + b, minlength=size**2).reshape(size, size)
    return PixelScore(np.asarray(counts, np.int64))


def _ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    whole = np.asarray(whole, float)
    ratio: NDArray[np.float64] = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio

"""Whether stated probabilities are frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask

__all__ = ["Calibration", "measure_calibration"]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Probabilities of B bins against what came true; those of several images add.

    Parameters
    ----------
    n_pixels
        Pixels whose stated probability falls into a bin, shape (B,).
    sum_probability
        Sum of their stated probabilities.
    n_true
        How many of them are of the class.
    sum_squares
        Sum of squares of probability minus truth, over all bins.
    """

    n_pixels: NDArray[np.float64]
    sum_probability: NDArray[np.float64]
    n_true: NDArray[np.float64]
    sum_squares: float

    @property
    def expected_error(self) -> float:
        """Mean distance of stated probability and frequency (ECE, Guo et al., ICML 2017)."""
        total = self.n_pixels.sum()
        return float(np.abs(self.sum_probability - self.n_true).sum() / total) if total else np.nan

    @property
    def brier(self) -> float:
        """Mean square of probability minus truth."""
        total = self.n_pixels.sum()
        return float(self.sum_squares / total) if total else np.nan

    @property
    def reliability(self) -> NDArray[np.float64]:
        """Rows of (mean probability, frequency, share of pixels) for bins that are not empty."""
        used = self.n_pixels > 0
        count = self.n_pixels[used]
        return np.stack(
            [self.sum_probability[used] / count, self.n_true[used] / count, count / count.sum()], 1
        )

    def __add__(self, other: Calibration) -> Calibration:
        """Calibration over two images together."""
        return Calibration(
            self.n_pixels + other.n_pixels,
            self.sum_probability + other.sum_probability,
            self.n_true + other.n_true,
            self.sum_squares + other.sum_squares,
        )


def measure_calibration(
    probability: FloatImage, truth: Mask, *, ignored: Mask | None = None, n_bins: int = 15
) -> Calibration:
    """Compare the probability map of a class with where it is, both of shape (height, width).

    Examples
    --------
    >>> sure_and_wrong_half_the_time = np.ones((4, 6), np.float32)
    >>> truth = np.zeros((4, 6), bool)
    >>> truth[:2] = True
    >>> measure_calibration(sure_and_wrong_half_the_time, truth).expected_error
    0.5
    """
    counted = np.isfinite(probability)
    if ignored is not None:
        counted &= ~ignored
    stated, true = probability[counted].astype(np.float64), truth[counted].astype(np.float64)
    index = np.clip((stated * n_bins).astype(int), 0, n_bins - 1)
    return Calibration(
        np.bincount(index, minlength=n_bins).astype(float),
        np.bincount(index, weights=stated, minlength=n_bins).astype(float),
        np.bincount(index, weights=true, minlength=n_bins).astype(float),
        float(((stated - true) ** 2).sum()),
    )

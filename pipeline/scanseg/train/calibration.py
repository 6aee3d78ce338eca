"""Threshold and temperature of a trained network, chosen on its validation set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scanseg.bundle import foreground_probability
from scanseg.micrograph import FloatImage
from scanseg.train.labels import IGNORED
from scanseg.train.task import Patch

__all__ = ["best_threshold", "calibration_error", "fit_temperature", "reliability"]

# A temperature is fixed by a tenth of a million pixels already.
CALIBRATION_PIXELS = 2_000_000


def best_threshold(f1_at: Callable[[float], float]) -> float:
    """Threshold with the best F1 among 0.2, 0.25, ... 0.7."""
    thresholds = np.arange(0.20, 0.71, 0.05)
    scores = [f1_at(float(threshold)) for threshold in thresholds]
    return float(np.round(thresholds[int(np.argmax(scores))], 2))


def fit_temperature(
    patches: Sequence[Patch], logits: Sequence[FloatImage], *, n_members: int = 1
) -> float:
    """Number to divide logits (K C, height, width) by, so that probabilities are frequencies.

    Guo et al., "On calibration of modern neural networks", ICML 2017: one number, by the negative
    log-likelihood of the validation set; of an ensemble, of the mean of its members.
    """
    from scipy.optimize import minimize_scalar

    pixels, is_object = _counted(patches, logits)

    def likelihood_loss(log_temperature: float) -> float:
        foreground = foreground_probability(
            pixels, temperature=float(np.exp(log_temperature)), n_members=n_members
        ).sum(axis=1)[0, 0]
        right = np.where(is_object, foreground, 1.0 - foreground)
        return float(-np.mean(np.log(np.maximum(right, 1e-7))))

    best = minimize_scalar(likelihood_loss, bounds=(-1.5, 1.5), method="bounded")
    return float(np.exp(best.x))


def reliability(
    patches: Sequence[Patch], probability: Sequence[FloatImage], *, n_bins: int = 10
) -> NDArray[np.float64]:
    """Rows of (mean probability, frequency of an object, share of pixels) for bins of probability.

    Probability maps of the foreground, shape (C - 1, height, width) each.
    """
    counted = [patch.class_map != IGNORED for patch in patches]
    stated = np.concatenate([p.sum(0)[c] for p, c in zip(probability, counted, strict=True)])
    truth = np.concatenate([p.class_map[c] > 0 for p, c in zip(patches, counted, strict=True)])
    index = np.minimum((stated * n_bins).astype(int), n_bins - 1)
    rows = [
        (stated[index == n].mean(), truth[index == n].mean(), (index == n).mean())
        for n in range(n_bins)
        if (index == n).any()
    ]
    return np.array(rows)


def calibration_error(calibration: NDArray[np.float64]) -> float:
    """Mean distance of probability and frequency over all pixels, from the rows of reliability.

    Examples
    --------
    >>> round(calibration_error(np.array([[0.1, 0.2, 0.75], [0.9, 0.9, 0.25]])), 4)
    0.075
    """
    stated, frequency, share = calibration.T
    return float(np.sum(np.abs(stated - frequency) * share) / np.sum(share))


def _counted(
    patches: Sequence[Patch], logits: Sequence[FloatImage]
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Logits (1, K C, 1, P) of pixels that count, and whether they are of an object."""
    total = sum(patch.class_map.size for patch in patches)
    step = max(1, total // CALIBRATION_PIXELS)
    taken, objects = [], []
    for patch, each in zip(patches, logits, strict=True):
        counted = np.flatnonzero(patch.class_map != IGNORED)[::step]
        taken.append(each.reshape(len(each), -1)[:, counted])
        objects.append(patch.class_map.ravel()[counted] > 0)
    return np.concatenate(taken, axis=1)[None, :, None], np.concatenate(objects)

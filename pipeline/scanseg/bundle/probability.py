"""Logits as probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage

__all__ = ["as_bytes", "foreground_probability", "member_probability"]


def foreground_probability(
    logits: FloatImage, *, temperature: float = 1.0, n_members: int = 1
) -> FloatImage:
    """Softmax over the classes, without the background; of an ensemble the mean.

    Parameters
    ----------
    logits
        Shape (N, K C, h, w): C classes of each of K members, background first.
    temperature
        Logits are divided by it (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
    n_members
        K.

    Returns
    -------
    probability
        Shape (N, C - 1, h, w), 0 to 1.

    Examples
    --------
    >>> foreground_probability(np.zeros((1, 2, 1, 1), np.float32)).tolist()
    [[[[0.5]]]]
    """
    of_members = member_probability(logits, temperature=temperature, n_members=n_members)
    return of_members[:, 0] if n_members == 1 else of_members.mean(axis=1)


def member_probability(
    logits: FloatImage, *, temperature: float = 1.0, n_members: int = 1
) -> FloatImage:
    """What each member of an ensemble says, shape (N, K, C - 1, h, w); see above."""
    n, n_logits, *sides = logits.shape
    n_classes = n_logits // n_members
    each = logits.reshape(n * n_members, n_classes, *sides)
    probability = _softmax_foreground(each, temperature)
    return probability.reshape(n, n_members, n_classes - 1, *sides)


def _softmax_foreground(logits: FloatImage, temperature: float) -> FloatImage:
    if logits.shape[1] == 2:  # one exponential instead of two, and no sum
        contrast: FloatImage = (logits[:, :1] - logits[:, 1:]) / np.float32(temperature)
        np.exp(np.clip(contrast, -80, 80, out=contrast), out=contrast)
        contrast += 1
        np.reciprocal(contrast, out=contrast)
        return contrast
    scaled = logits / np.float32(temperature)
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    probability: FloatImage = scaled[:, 1:] / scaled.sum(axis=1, keepdims=True)
    return probability


def as_bytes(probability: FloatImage) -> NDArray[np.uint8]:
    """Probability x 255, rounded: the error of 1/510 is below that of any calibration."""
    return (probability * np.float32(255) + np.float32(0.5)).astype(np.uint8)

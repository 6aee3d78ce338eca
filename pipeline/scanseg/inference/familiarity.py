"""Is a scan like what the network was trained on? Statistics, and what to say where they differ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage

__all__ = ["scan_statistics", "unfamiliar"]

# Probabilities below say nothing of walls.
SOME = 0.05

# What too low and too high a value mean; None where that is nothing to worry about.
_MEANING: dict[str, tuple[str | None, str]] = {
    "coherence": (
        "neighbouring pixels hardly agree, so most of the signal is noise",
        "neighbouring pixels agree more than in any scan it knows, so the scan was smoothed or "
        "enlarged",
    ),
    "doubt": (
        None,
        "the network is less sure of its walls than it is of scans that it knows",
    ),
    "wall_share": (
        None,
        "there are more walls than in any scan it knows",
    ),
}


def scan_statistics(planes: FloatImage, foreground: FloatImage) -> dict[str, float]:
    """Numbers that tell a familiar scan from others.

    Parameters
    ----------
    planes
        Network input of ``scanseg.preprocess.scan``, shape (6, height, width).
    foreground
        Probability of walls of any class, shape (height, width).

    Returns
    -------
    statistics
        ``coherence``: correlation of the response of pixels that lie side by side in a row;
        ``doubt``: p (1 - p) over p, summed over all pixels, 0 for certainty;
        ``wall_share``: mean probability. ``doubt`` is nan where there is no wall.
    """
    some = np.where(foreground > SOME, foreground, 0).astype(np.float64)
    total = float(some.sum())
    doubt = float((some * (1 - some)).sum()) / total if total > 0 else float("nan")
    return {
        "coherence": _coherence(planes),
        "doubt": doubt,
        "wall_share": float(foreground.mean()),
    }


def unfamiliar(
    statistics: Mapping[str, float], familiar: Mapping[str, tuple[float, float]]
) -> tuple[str, ...]:
    """A sentence for each statistic outside of the range that a model knows.

    That a network is surer than ever, or a scan has few walls, is no reason to doubt it.
    """
    sentences = []
    for name, (low, high) in familiar.items():
        value = statistics.get(name, float("nan"))
        if low <= value <= high or not np.isfinite(value):
            continue
        meaning = _MEANING[name][int(value > high)]
        if meaning is None:
            continue
        sentences.append(
            f"The scan is unlike what the model was trained on: {meaning} ({name} {value:.2g}, "
            f"known from {low:.2g} to {high:.2g}). Look at the overlay before using the numbers."
        )
    return tuple(sentences)


def _coherence(planes: FloatImage) -> float:
    """Of the complex response, or of the amplitude where there is no phase."""
    _, cosine, sine, along, across, _ = planes
    response: NDArray[np.complex128] = along.astype(np.complex128) + 1j * across
    if not (cosine.any() or sine.any()):
        response = planes[0].astype(np.complex128)
    response = response - response.mean(axis=1, keepdims=True)
    power = float(np.mean(np.abs(response) ** 2))
    if power <= 0:
        return float("nan")
    return float(np.mean((response[:, 1:] * response[:, :-1].conj()).real)) / power

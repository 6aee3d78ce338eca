"""Is an image like what the network was trained on? Statistics, and what to say where not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from scanseg.inference.peaks import find_peaks
from scanseg.micrograph import FloatImage

__all__ = ["column_statistics", "scan_statistics", "unfamiliar"]

# Probabilities below say nothing of walls or columns.
SOME = 0.05
# From this probability on a place counts as a column, whatever threshold a model was given.
FOUND = 0.5
# Fewer columns than this say nothing about their distances.
ENOUGH = 8


class _Meaning(NamedTuple):
    """What was looked at, and what too low and too high values of a statistic mean.

    None where that is nothing to worry about.
    """

    subject: str
    low: str | None
    high: str | None


_MEANING = {
    "coherence": _Meaning(
        "scan",
        "neighbouring pixels hardly agree, so most of the signal is noise",
        "neighbouring pixels agree more than in any scan it knows, so the scan was smoothed or "
        "enlarged",
    ),
    "doubt": _Meaning(
        "scan", None, "the network is less sure of its walls than it is of scans that it knows"
    ),
    "wall_share": _Meaning("scan", None, "there are more walls than in any scan it knows"),
    "explained": _Meaning(
        "image", "most of what is seen in it is none of the columns that were found", None
    ),
    "irregularity": _Meaning(
        "image", None, "columns are spaced less evenly than in images it knows, so they may be none"
    ),
    "column_doubt": _Meaning(
        "image", None, "the network is less sure of its columns than it is of images that it knows"
    ),
}


def column_statistics(
    views: Iterable[tuple[FloatImage, FloatImage]], *, spacing_px: float
) -> dict[str, float]:
    """Numbers that tell a familiar image of atom columns from others.

    Parameters
    ----------
    views
        Network input and probability of columns of any class, each of shape (height, width), of
        one or several windows of an image.
    spacing_px
        Distance of columns that the network was trained at.

    Returns
    -------
    statistics
        ``explained``: correlation of input and probability, both smoothed by a pixel, less their
        mean over two spacings; ``irregularity``: distance of the quartiles of the distances of
        nearest columns, over their median; ``column_doubt``: p (1 - p) over p, summed over all
        pixels, 0 for certainty. The first is nan without any column, the others for less than 8.
    """
    products = np.zeros(3)
    summed = unsure = 0.0
    n_columns = 0
    nearest = [np.empty(0)]
    for tile, probability in views:
        seen, found = (_detail(plane, spacing_px) for plane in (tile, probability))
        products += [(seen * found).sum(), (seen * seen).sum(), (found * found).sum()]
        some = np.where(probability > SOME, probability, 0).astype(np.float64)
        summed += float(some.sum())
        unsure += float((some * (1 - some)).sum())
        position, _ = find_peaks(probability, threshold=FOUND, closest_px=0.3 * spacing_px)
        n_columns += len(position)
        if len(position) > 1:
            nearest.append(cKDTree(position).query(position, k=2)[0][:, 1])
    distances = np.concatenate(nearest)
    enough = n_columns >= ENOUGH
    lower, middle, upper = np.percentile(distances, (25, 50, 75)) if enough else (np.nan,) * 3
    power = float(products[1] * products[2])
    return {
        "explained": float(products[0]) / power**0.5 if n_columns and power > 0 else np.nan,
        "irregularity": float((upper - lower) / middle),
        "column_doubt": unsure / summed if enough and summed > 0 else np.nan,
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

    Parameters
    ----------
    statistics
        Of an image; nan for what could not be measured.
    familiar
        Lowest and highest value of each that the model knows.
    """
    sentences = []
    for name, (low, high) in familiar.items():
        value = statistics.get(name, float("nan"))
        if low <= value <= high or not np.isfinite(value):
            continue
        known = _MEANING[name]
        meaning = known.high if value > high else known.low
        if meaning is None:
            continue
        sentences.append(
            f"The {known.subject} is unlike what the model was trained on: {meaning} ({name} "
            f"{value:.2g}, known from {low:.2g} to {high:.2g}). Look at the overlay before using "
            "the numbers."
        )
    return tuple(sentences)


def _detail(plane: FloatImage, spacing_px: float) -> FloatImage:
    """What is larger than a pixel and smaller than two columns, in a window of any size."""
    surroundings = ndimage.uniform_filter(plane, 2 * round(spacing_px) + 1, mode="reflect")
    smooth = ndimage.gaussian_filter(plane, 1.0, truncate=3.0, mode="reflect")
    return np.asarray(smooth - surroundings, np.float32)


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

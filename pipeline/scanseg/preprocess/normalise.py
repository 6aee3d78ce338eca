"""Counts to network input: 0 at a low percentile of the image and 1 at a high one.

Percentiles, because one hot pixel or one bright particle must not darken the rest. Pixels without
a measurement are filled and lone spikes are replaced, for the network's input only: positions are
refined on what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from scanseg.bundle.contract import Normalisation
from scanseg.errors import ScansegError
from scanseg.micrograph import FloatImage, Mask, RealImage

__all__ = ["IntensityRange", "measure_range", "normalise", "repair", "spikes"]

# They fix the 1 % quantile of Gaussian noise to 0.3 % of the range, and cost 3 ms where a million
# cost 20 ms: a tenth of what the network takes for a million pixels.
SAMPLED_PIXELS = 65_536
# Steps of a plane sequence whose points never line up (Roberts, 2018: powers of the root of
# x^3 = x + 1); constant strides would see only some phases of a lattice or of line noise.
PLANE_STEPS = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """Where an image's intensities lie, in its own units.

    Parameters
    ----------
    low, high
        Become 0 and 1.
    fill
        Stands in for pixels without a measurement: the median.
    spike
        A pixel this much higher than each of its neighbours is no signal.
    """

    low: float
    high: float
    fill: float
    spike: float


def measure_range(data: RealImage, normalisation: Normalisation) -> IntensityRange:
    """Measure the percentiles of an image, shape (height, width), of any real type.

    Raises
    ------
    ScansegError
        When nothing was measured, or everything is the same.
    """
    sample = _sample(data)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise ScansegError(
            "The image holds no finite value, so there is nothing to see.",
            hint="Check the export of the file.",
        )
    marks = (normalisation.low_percentile, normalisation.high_percentile, 50.0, 0.1, 99.9)
    low, high, middle, floor, ceiling = (float(value) for value in np.percentile(sample, marks))
    if high <= low:  # sparse counts: most pixels are equal
        low, high = floor, max(ceiling, float(sample.max()))
    if high <= low:
        raise ScansegError(
            f"Every pixel has the value {low:g}, so there is nothing to see.",
            hint="Check the channel and the export of the file.",
        )
    return IntensityRange(low, high, middle, max(ceiling - floor, high - low))


def _sample(data: RealImage) -> FloatImage:
    """All pixels of a small image, an even sample of those of a large one, as float32."""
    if data.size <= SAMPLED_PIXELS:
        return np.asarray(data, np.float32).ravel()
    number = np.arange(SAMPLED_PIXELS)
    row, column = (
        (number * step % 1.0 * length).astype(np.intp)
        for step, length in zip(PLANE_STEPS, data.shape, strict=True)
    )
    return np.asarray(data[row, column], np.float32)


def normalise(
    window: FloatImage, intensity: IntensityRange, normalisation: Normalisation
) -> FloatImage:
    """Map an image's range to 0 to 1, and clip what lies far outside of it."""
    scaled = (window - np.float32(intensity.low)) / np.float32(intensity.high - intensity.low)
    low, high = normalisation.clip_low, normalisation.clip_high
    return np.asarray(np.clip(scaled, low, high), np.float32)


def repair(window: RealImage, intensity: IntensityRange) -> FloatImage:
    """A float32 copy without gaps and spikes, for a network to look at."""
    repaired = np.array(window, np.float32)
    if window.dtype.kind == "f":
        repaired[~np.isfinite(repaired)] = intensity.fill
    _replace_spikes(repaired, np.float32(intensity.spike))
    return repaired


def spikes(data: FloatImage, intensity: IntensityRange) -> Mask:
    """Which pixels are higher than all of their neighbours by more than the image's whole range."""
    cleaned = repair(data, intensity)
    return np.asarray(cleaned != np.where(np.isfinite(data), data, intensity.fill))


@njit(cache=True, nogil=True)
def _replace_spikes(image: FloatImage, height: np.float32) -> None:
    """Put the mean of the neighbours where a pixel exceeds each of them by ``height``, in place."""
    rows, columns = image.shape
    for i in range(rows):
        for j in range(columns):
            value = image[i, j]
            total = np.float32(0.0)
            number = 0
            lone = True
            for k in range(max(i - 1, 0), min(i + 2, rows)):
                for m in range(max(j - 1, 0), min(j + 2, columns)):
                    if k == i and m == j:
                        continue
                    if value - image[k, m] <= height:
                        lone = False
                        break
                    total += image[k, m]
                    number += 1
                if not lone:
                    break
            if lone and number:
                image[i, j] = total / number

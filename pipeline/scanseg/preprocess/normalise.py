"""Counts to network input: the mean of the surroundings becomes 0 and their spread 1.

Surroundings of an atom's spacing or so, because thickness, contamination and an interface change
the background by more than an atom stands out (networks normalised over whole images are known to
fail there: Wei and Voyles, 2022). The spread has a floor, a part of the image's own, so that
vacuum stays flat. Pixels without a measurement are filled and lone spikes are replaced, for the
network's input only: positions are refined on what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from scanseg.contract import Normalisation
from scanseg.errors import ScansegError
from scanseg.mapped import copied, is_mapped, let_go
from scanseg.micrograph import FloatImage, RealImage

__all__ = ["IntensityRange", "measure_range", "normalise", "repair"]

# Side of the blocks that surroundings are measured on.
BLOCK_PX = 8
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
        The low and the high percentile.
    fill
        Stands in for pixels without a measurement: the median.
    spike
        A pixel this much higher than each of its neighbours is no signal.
    dark_columns
        Whether columns are darker than what surrounds them, as in bright-field images. Networks
        know bright ones: their input is turned upside down.
    """

    low: float
    high: float
    fill: float
    spike: float
    dark_columns: bool = False


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
    row, column = _sampled_places(data.shape)
    sample = np.empty(SAMPLED_PIXELS, np.float32)
    # Every pixel of a mapped file brings up to 2 MB with it, so those close together are taken
    # together.
    n_parts = 64 if is_mapped(data) else 1
    for part in np.array_split(np.arange(SAMPLED_PIXELS), n_parts):
        sample[part] = data[row[part], column[part]]
        let_go(data)
    return sample


@lru_cache(maxsize=4)  # images of a folder have one shape; to find the places takes 6 ms
def _sampled_places(shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that are sampled, from the top down."""
    number = np.arange(SAMPLED_PIXELS)
    row, column = (
        (number * step % 1.0 * length).astype(np.intp)
        for step, length in zip(PLANE_STEPS, shape, strict=True)
    )
    order = np.argsort(row)
    return row[order], column[order]


def normalise(
    window: FloatImage, intensity: IntensityRange, normalisation: Normalisation
) -> FloatImage:
    """Take away the mean of the surroundings and divide by their spread; columns become bright.

    Surroundings are Gaussian, computed on blocks of 8 x 8 pixels and interpolated between their
    centres: 5 ms a megapixel, where filtering at full resolution took as long as the network.

    Parameters
    ----------
    window
        Pixels of a model's grid, shape (height, width); its blocks are the whole grid's when it
        starts at a multiple of 8.
    intensity
        Range of the whole image.
    normalisation
        Width of the surroundings, floor of the spread, and limits.
    """
    mean, square = _block_means(window, np.float32(intensity.fill))
    blur_blocks = normalisation.window_px / BLOCK_PX
    mean = ndimage.gaussian_filter(mean, blur_blocks, mode="nearest", truncate=3.0)
    square = ndimage.gaussian_filter(square, blur_blocks, mode="nearest", truncate=3.0)
    # A quarter of the range between the 1st and 99th percentile is about one standard deviation.
    floor = normalisation.floor * (intensity.high - intensity.low) / 4.0
    gain = 1.0 / np.sqrt(np.maximum(square - mean**2, 0.0) + floor**2)
    if intensity.dark_columns:
        gain = -gain
    mean += np.float32(intensity.fill)
    low, high = np.float32(normalisation.clip_low), np.float32(normalisation.clip_high)
    return _flattened(window, mean, gain.astype(np.float32), low, high)


@njit(cache=True, nogil=True)
def _block_means(image: FloatImage, level: np.float32) -> tuple[FloatImage, FloatImage]:
    """Mean and mean square of blocks, after ``level`` was taken away; the last may be smaller."""
    rows, columns = image.shape
    shape = ((rows + BLOCK_PX - 1) // BLOCK_PX, (columns + BLOCK_PX - 1) // BLOCK_PX)
    mean = np.zeros(shape, np.float32)
    square = np.zeros(shape, np.float32)
    for i in range(rows):
        for j in range(columns):
            value = image[i, j] - level
            mean[i // BLOCK_PX, j // BLOCK_PX] += value
            square[i // BLOCK_PX, j // BLOCK_PX] += value * value
    for i in range(shape[0]):
        for j in range(shape[1]):
            number = min(BLOCK_PX, rows - i * BLOCK_PX) * min(BLOCK_PX, columns - j * BLOCK_PX)
            mean[i, j] /= number
            square[i, j] /= number
    return mean, square


@njit(cache=True, nogil=True)
def _flattened(
    image: FloatImage, mean: FloatImage, gain: FloatImage, low: np.float32, high: np.float32
) -> FloatImage:
    """(image - mean) * gain within limits; mean and gain interpolated between block centres."""
    rows, columns = image.shape
    flat = np.empty((rows, columns), np.float32)
    last_row, last_column = mean.shape[0] - 1, mean.shape[1] - 1
    step = np.float32(1.0 / BLOCK_PX)
    for i in range(rows):
        y = min(max((np.float32(i) + np.float32(0.5)) * step - np.float32(0.5), 0.0), last_row)
        k = min(int(y), max(last_row - 1, 0))
        below = min(k + 1, last_row)
        v = np.float32(y - k)
        for j in range(columns):
            x = (np.float32(j) + np.float32(0.5)) * step - np.float32(0.5)
            x = min(max(x, np.float32(0.0)), np.float32(last_column))
            m = min(int(x), max(last_column - 1, 0))
            right = min(m + 1, last_column)
            u = np.float32(x - m)
            centre = (1 - v) * ((1 - u) * mean[k, m] + u * mean[k, right]) + v * (
                (1 - u) * mean[below, m] + u * mean[below, right]
            )
            scale = (1 - v) * ((1 - u) * gain[k, m] + u * gain[k, right]) + v * (
                (1 - u) * gain[below, m] + u * gain[below, right]
            )
            flat[i, j] = min(max((image[i, j] - centre) * scale, low), high)
    return flat


def repair(window: RealImage, intensity: IntensityRange) -> FloatImage:
    """A float32 copy without gaps and spikes, for a network to look at."""
    repaired = copied(window, np.float32)
    if window.dtype.kind == "f":
        repaired[~np.isfinite(repaired)] = intensity.fill
    _replace_spikes(repaired, np.float32(intensity.spike))
    return repaired


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

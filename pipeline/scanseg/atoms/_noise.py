"""What the residuals of a fit tell: the variance of a pixel, and how far noise is correlated."""

from __future__ import annotations

import math

import numpy as np

from scanseg.atoms import _error_bars, _noise_statistics
from scanseg.atoms._columns import FloatArray
from scanseg.atoms._tile_fit import Fit, Patch

NOISE_BINS = 24
# Pixels that tell the noise: each bin's variance to 3 %, all of it to 0.6 %.
NOISE_PIXELS = 60_000
# Noise counts as correlated where neighbours are as much alike as smoothing by 0.33 px makes them,
# or pixels of one line this far apart by so much. Faint columns that were not found make neighbours
# alike by 0.07, and hardly any pixels that far apart.
NEIGHBOURS_ALIKE = 0.1
FAR_PX = 3
LINES_ALIKE = 0.02


def flat_noise(patch: Patch) -> FloatArray:
    """One variance for all pixels, from second differences, which hardly see the columns."""
    total, count = _noise_statistics.corner_differences(patch.data, patch.used)
    variance = 0.25 * total / count if count else 0.0
    return np.array([max(variance, 1e-8), 0.0, 1e-12])


def estimate_noise(fits: list[Fit]) -> FloatArray:
    """alpha, beta and the lowest variance, from squared residuals binned by the model."""
    low = min(float(fit.model[fit.patch.middle].min()) for fit in fits)
    high = max(float(fit.model[fit.patch.middle].max()) for fit in fits)
    high = max(high, low + 1e-6)
    leverage = []
    for fit in fits:
        image = fit.images[3]
        image[:] = 0
        _error_bars.leverages(
            fit.weight,
            fit.y,
            fit.x,
            fit.amplitude,
            fit.kind,
            fit.sigma,
            fit.block,
            fit.rows,
            fit.cols,
            image,
        )
        leverage.append(image)
    limit = np.full(NOISE_BINS, np.inf)
    every = max(1, sum(fit.model.size for fit in fits) // NOISE_PIXELS)
    for _ in range(3):
        count, level, square, freedom = (np.zeros(NOISE_BINS) for _ in range(4))
        for fit, image in zip(fits, leverage, strict=True):
            middle = fit.patch.middle
            _noise_statistics.noise_bins(
                fit.patch.data[middle],
                fit.model[middle],
                fit.weight[middle],
                image[middle],
                every,
                low,
                high,
                limit,
                count,
                level,
                square,
                freedom,
            )
        variance = square / np.maximum(freedom, 1e-9)
        # Residuals beyond six deviations are outliers, unless a bin has too few to say so.
        limit = np.where(count > 50, 36 * variance, np.inf)
    return variance_line(count, level, square, freedom)


def variance_line(
    count: FloatArray, level: FloatArray, square: FloatArray, freedom: FloatArray
) -> FloatArray:
    """Weighted straight line through variance against mean, beta >= 0 and positive throughout."""
    good = (count > 0) & (freedom > 0)
    if not good.any() or square.sum() <= 0:
        return np.array([1e-8, 0.0, 1e-12])
    mean, variance, freedom = level[good] / count[good], square[good] / freedom[good], freedom[good]
    overall = float(square[good].sum() / freedom.sum())
    line = np.full(len(mean), overall)
    alpha, beta = overall, 0.0
    for _ in range(5):
        # a variance estimated from n residuals is known to v sqrt(2 / n)
        weight = freedom / np.maximum(line, 0.02 * overall) ** 2
        centre = np.average(mean, weights=weight)
        spread = float(np.sum(weight * (mean - centre) ** 2))
        height = np.average(variance, weights=weight)
        beta = (
            max(0.0, float(np.sum(weight * (mean - centre) * variance)) / spread) if spread else 0.0
        )
        alpha = float(height - beta * centre)
        line = alpha + beta * mean
    return np.array([alpha, beta, 0.02 * overall])


def is_correlated(fits: list[Fit]) -> bool:
    """Whether residuals of neighbouring pixels are alike, as in filtered images.

    Those of independent pixels are a little unlike each other, because the fit has taken out what
    they have in common.
    """
    lags = np.array([(0, 0), (0, 1), (1, 0), (0, FAR_PX), (FAR_PX, 0)])
    sums = np.zeros((len(lags), 2))
    for fit in fits:
        middle = fit.patch.middle
        _noise_statistics.autocorrelation(
            fit.patch.data[middle], fit.model[middle], fit.weight[middle], lags, sums
        )
    power, pairs = sums[0]
    if power <= 0:
        return False
    alike = (sums[1:, 0] / np.maximum(sums[1:, 1], 1)) / (power / pairs)
    chance = 3 / math.sqrt(pairs)
    return bool(
        alike[:2].max() > NEIGHBOURS_ALIKE + chance or alike[2:].max() > LINES_ALIKE + chance
    )

"""What the residuals of a fit tell: the variance of a pixel, and how far noise is correlated."""

from __future__ import annotations

import numpy as np

from scanseg.atoms import _error_bars, _noise_statistics
from scanseg.atoms._columns import FloatArray
from scanseg.atoms._tile_fit import Fit, Patch

NOISE_BINS = 24
# Pixels that tell the noise: each bin's variance to 3 %, all of it to 0.6 %.
NOISE_PIXELS = 60_000


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
    return _variance_line(count, level, square, freedom)


def _variance_line(
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


def correlation(fits: list[Fit], sigma: FloatArray) -> float:
    """How much correlated residuals widen the error of a position.

    A position is a sum of residuals with the weights dg/dx, so with the autocorrelation rho of the
    residuals and that of dg/dx, a(l) = (1 - l_x²/2s²) exp(-l²/4s²), the variance grows by
    sum_l rho(l) a(l), averaged over x and y. Two standard errors are left to chance.
    """
    reach = 3
    lags = np.array(
        [
            (dy, dx)
            for dy in range(reach + 1)
            for dx in range(-reach, reach + 1)
            if dy > 0 or dx >= 0
        ]
    )
    sums = np.zeros((len(lags), 2))
    for fit in fits:
        middle = fit.patch.middle
        _noise_statistics.autocorrelation(
            fit.patch.data[middle], fit.model[middle], fit.weight[middle], lags, sums
        )
    power, pairs = sums[0]
    if power <= 0:
        return 1.0
    rho = (sums[1:, 0] / np.maximum(sums[1:, 1], 1)) / (power / pairs)
    width2 = float(np.min(sigma)) ** 2
    distance2 = (lags[1:] ** 2).sum(axis=1)
    overlap = (1 - distance2 / (4 * width2)) * np.exp(-distance2 / (4 * width2))
    chance = 2 * float(np.sqrt(np.sum(overlap**2) / pairs))
    excess = 2 * float(np.sum(rho * overlap))
    return 1.0 + max(0.0, excess - 2 * chance)

"""What correlated noise does to error bars: found by trial.

A fit takes out of the noise what looks like columns: of an image smoothed by 1.5 px it leaves a
tenth of the slow noise, and residuals show the rest. What is missing there is extrapolated from the
faster noise, as a filter makes it. Noise of that kind is then made up and fitted, and moves the
columns as far as the noise of the image did.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

from scanseg.atoms import _error_bars
from scanseg.atoms._columns import FloatArray
from scanseg.atoms._noise import variance_line
from scanseg.atoms._scene import Scene, Tile
from scanseg.atoms._tile_fit import Fit, advance, begin, cut, window_rows
from scanseg.micrograph import Mask

# Some 500 columns tell the variance of a position to 6 % a trial; the last trials are averaged.
SIDE_SPACINGS = 22
TRIALS = 3
# Noise is followed to lags of this many widths of a column, which is as far as it matters.
REACH_WIDTHS = 4.0
LONGEST_REACH_PX = 24
# Levels of the signal that the noise is measured at.
LEVELS = 16
# Fast noise is what smoothing by this part of a column's width takes away.
FAST = 0.6
# Powers below this part of the mean are as good as none.
LEAST_POWER = 1e-3
# What a fit leaves so much of is measured; slower noise is extrapolated from powers of at least
# this part of the largest one.
LEFT_OVER = 0.9
TELLING_POWER = 0.02


def variance_factors(
    scene: Scene, sigma: FloatArray, noise: FloatArray, uneven: float
) -> FloatArray:
    """How much noise widens the variances of (amplitude, y, x) above those of independent pixels.

    Parameters
    ----------
    scene
        The image; a part from its middle is looked at.
    sigma
        Widths of the columns.
    noise
        Variance of a pixel.
    uneven
        Unevenness of the background.

    Returns
    -------
    factors
        Shape (3,), not below 1.
    """
    window = window_rows(float(sigma.max()), scene.config)
    patch = cut(scene, _middle(scene), window)
    if patch is None:
        return np.ones(3)
    fit = begin(scene, patch, sigma, window, uneven)
    advance(scene, fit, noise, least=3, most=scene.config.max_steps)
    reach = min(math.ceil(REACH_WIDTHS * float(sigma.min())), LONGEST_REACH_PX)
    spread = _spread(fit)
    residual = _unlike_others(_residuals(fit, spread), fit, scene.spacing_px)
    measured = _spectrum(residual, reach)
    rng = np.random.default_rng(0)  # the same image has the same error bars
    white = _trial(scene, fit, spread * _draw(np.ones_like(measured), spread.shape, rng), noise)
    power = _extrapolated(measured, _spectrum(_residuals(white, spread), reach))
    widened = np.zeros(3)
    for _ in range(TRIALS):
        trial = _trial(scene, fit, spread * _draw(power, spread.shape, rng), noise)
        widened += _widened(fit, trial) / TRIALS
    factors: FloatArray = np.maximum(widened, 1.0)
    return factors


def _middle(scene: Scene) -> Tile:
    side = max(64, math.ceil(SIDE_SPACINGS * scene.spacing_px))
    (height, width), typical = scene.shape, np.median(scene.start[scene.order], axis=0)
    top = int(np.clip(typical[0] - side / 2, 0, max(0, height - side)))
    left = int(np.clip(typical[1] - side / 2, 0, max(0, width - side)))
    return Tile(top, min(height, top + side), left, min(width, left + side))


def _spread(fit: Fit) -> FloatArray:
    """Deviation of every pixel, but for a factor: how noise grows with the signal.

    From fast noise only, because a fit takes slow noise out of the columns above all, and what
    remains is the same everywhere.
    """
    middle = fit.patch.middle
    used = fit.weight[middle] > 0
    residual = np.where(used, fit.patch.data[middle] - fit.model[middle], 0)
    fast = residual - gaussian_filter(residual, FAST * float(fit.sigma.min()))
    height, square = fit.model[middle][used], fast[used] ** 2
    place = np.searchsorted(np.percentile(height, np.linspace(0, 100, LEVELS + 1)[1:-1]), height)
    count = np.bincount(place, minlength=LEVELS).astype(np.float64)
    level = np.bincount(place, height, minlength=LEVELS).astype(np.float64)
    power = np.bincount(place, square, minlength=LEVELS).astype(np.float64)
    alpha, beta, floor = variance_line(count, level, power, count)
    spread: FloatArray = np.sqrt(np.maximum(alpha + beta * fit.model, floor), dtype=np.float64)
    return spread


def _residuals(fit: Fit, spread: FloatArray) -> FloatArray:
    """Residuals in units of a spread, 0 where there are none."""
    middle = fit.patch.middle
    residual: FloatArray = (fit.patch.data[middle] - fit.model[middle]) / spread[middle]
    return np.where(fit.weight[middle] > 0, residual, 0)


def _spectrum(residual: FloatArray, reach: int) -> FloatArray:
    """Power of residuals, from their autocorrelation up to a reach; shape (2 reach + 1,) twice."""
    shape = [fft.next_fast_len(length + reach, real=True) for length in residual.shape]
    products = fft.irfft2(np.abs(fft.rfft2(residual, shape)) ** 2, shape)
    known = fft.irfft2(np.abs(fft.rfft2((residual != 0).astype(np.float64), shape)) ** 2, shape)
    lag = fft.ifftshift(np.arange(-reach, reach + 1))
    near = np.ix_(lag, lag)
    taper = 0.5 + 0.5 * np.cos(np.pi * lag / (reach + 1))
    alike = products[near] / np.maximum(known[near], 1) * np.outer(taper, taper)
    power = fft.fft2(alike).real
    result: FloatArray = np.maximum(power, LEAST_POWER * alike[0, 0])
    return result


def _draw(power: FloatArray, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Noise of a given power."""
    reach = len(power) // 2
    alike = fft.ifft2(power).real
    lag = fft.ifftshift(np.arange(-reach, reach + 1))
    padded = np.zeros(
        [fft.next_fast_len(max(length, 2 * reach + 1), real=True) for length in shape]
    )
    padded[np.ix_(lag, lag)] = alike
    root = np.sqrt(np.maximum(fft.rfft2(padded).real, 0))
    noise = fft.irfft2(root * fft.rfft2(rng.standard_normal(padded.shape)), padded.shape)
    result: FloatArray = noise[: shape[0], : shape[1]]
    return result


def _unlike_others(residual: FloatArray, fit: Fit, spacing_px: float) -> FloatArray:
    """Residuals without what is the same around every column: no column is quite a Gaussian."""
    half = int(spacing_px / 2)
    corner = np.array([part.start for part in fit.patch.middle])
    place = np.round(np.stack([fit.y, fit.x], axis=1)[fit.patch.core] - corner).astype(int)
    inner = ((place >= half) & (place < np.array(residual.shape) - half)).all(axis=1)
    if not inner.any():
        return residual
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    rows, columns = place[inner, 0, None, None] + y, place[inner, 1, None, None] + x
    same = np.zeros_like(residual)
    same[rows, columns] = residual[rows, columns].mean(axis=0)
    result: FloatArray = np.where(residual != 0, residual - same, 0)
    return result


def _extrapolated(measured: FloatArray, left_of_white: FloatArray) -> FloatArray:
    """Power of the noise before the fit; where it left little, as that of a smoothed image.

    Smoothing by Gaussians of s_y and s_x leaves the power exp(-(k_y s_y)² - (k_x s_x)²) of
    independent pixels, to which read-out may have added some that are still independent.
    """
    power = measured / np.clip(left_of_white, LEFT_OVER, None)
    seen = left_of_white > LEFT_OVER
    # Lines of the scan that differ in brightness have a power along one axis that goes on as it is.
    lines = np.ones(power.shape, bool)
    lines[2:-1, 2:-1] = False
    white = np.percentile(power[seen], 5) if seen.any() else 0.0
    slow = power - white
    apart = seen & ~lines
    if apart.sum() < len(power) or slow[apart].max() <= 0:
        return power  # the fit has left too little to go on from
    telling = apart & (slow > TELLING_POWER * slow[apart].max())
    along = np.maximum(_medians(power.T, seen.T), _medians(power, seen)[:, None])
    k2 = (2 * np.pi * fft.fftfreq(len(power))) ** 2
    terms = np.stack([np.ones(power.shape), *np.meshgrid(-k2, -k2, indexing="ij")], axis=-1)
    # The strongest, which are the slowest, count most: from them it goes on to what is not seen.
    weight = slow[telling]
    shape = np.linalg.lstsq(
        terms[telling] * weight[:, None], np.log(slow[telling]) * weight, rcond=None
    )[0]
    shape[1:] = np.maximum(shape[1:], 0)
    result: FloatArray = np.where(
        seen, power, np.maximum(np.maximum(power, along), white + np.exp(terms @ shape))
    )
    return result


def _medians(power: FloatArray, seen: Mask) -> FloatArray:
    """Of what is seen in each row, 0 where that is nothing."""
    return np.array(
        [
            np.median(row[known]) if known.any() else 0.0
            for row, known in zip(power, seen, strict=True)
        ]
    )


def _trial(scene: Scene, fit: Fit, made_up: FloatArray, noise: FloatArray) -> Fit:
    """The same columns in made-up noise, fitted from where they are."""
    patch = replace(fit.patch, data=(fit.model + made_up).astype(np.float32))
    trial = begin(scene, patch, fit.sigma, fit.rows, fit.uneven)
    trial.y[:], trial.x[:], trial.amplitude[:] = fit.y, fit.x, fit.amplitude
    trial.nodes[:] = fit.nodes
    return advance(scene, trial, noise, least=2, most=2, reject=False)


def _widened(fit: Fit, trial: Fit) -> FloatArray:
    """Mean squares of what a trial moved, over the variances that it claims."""
    variance = np.zeros((len(fit.y), 3))
    _error_bars.covariances(
        trial.weight, trial.y, trial.x, trial.amplitude, trial.kind, trial.sigma, trial.block,
        4.5 * trial.sigma.max(), 8, trial.rows, trial.cols, variance,
    )  # fmt: skip
    moved = np.stack([trial.amplitude - fit.amplitude, trial.y - fit.y, trial.x - fit.x], axis=1)
    known = (variance > 0).all(axis=1) & np.isfinite(variance).all(axis=1) & fit.patch.core
    known &= np.isfinite(moved).all(axis=1)
    if not known.any():
        return np.ones(3)
    variance, moved = variance[known], moved[known]
    usual = variance[:, 1:].max(axis=1) < 4 * np.median(variance[:, 1:])
    if not usual.any():
        return np.ones(3)
    pull = moved[usual] ** 2 / variance[usual]
    # Without the farthest one in a hundred (two starts on one column, hot pixels), which of normal
    # numbers leaves 0.925 of the mean square.
    near = pull <= np.percentile(pull, 99, axis=0)
    result: FloatArray = np.where(near, pull, 0).sum(axis=0) / near.sum(axis=0) / 0.925
    return result

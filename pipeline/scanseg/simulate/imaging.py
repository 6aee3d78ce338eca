"""How columns become counts: probe, scan, dose and detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft, ndimage

from scanseg.micrograph import FloatImage

__all__ = [
    "Detector",
    "Drift",
    "Probe",
    "count",
    "draw_drift",
    "lag_kernel",
    "render_columns",
    "row_jitter",
    "spread",
]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a column looks like.

    Parameters
    ----------
    sigma_px
        Width (s.d.) of the round core, source size and thermal motion included.
    tail_fraction
        Part of the intensity that lies in the tails.
    tail_sigma_px
        Width of the tails.
    astigmatism
        Extra width along one direction, as a fraction of ``sigma_px``.
    astigmatism_angle_rad
        That direction, from y towards x.
    """

    sigma_px: float
    tail_fraction: float = 0.0
    tail_sigma_px: float = 1.0
    astigmatism: float = 0.0
    astigmatism_angle_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class Detector:
    """What happens to the counts after they were counted.

    Parameters
    ----------
    read_noise
        S.d. of the Gaussian read-out noise in counts.
    lag
        Part of a pixel's signal that is carried on to the next along the fast axis.
    gain, offset
        Numbers a count, and the number for no count.
    filter_sigma_px
        Width of a smoothing that was applied to the counts; 0 for raw data.
    levels
        Number of grey levels the image was quantised to; 0 for none.
    """

    read_noise: float = 0.0
    lag: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    filter_sigma_px: float = 0.0
    levels: int = 0


@njit(cache=True, nogil=True)
def render_columns(
    shape: tuple[int, int],
    position_px: NDArray[np.float64],
    peak: NDArray[np.float64],
    sigma_px: float,
    row_shift_px: NDArray[np.float64],
) -> FloatImage:
    """Sum of round Gaussians, sampled where the beam was.

    Parameters
    ----------
    shape
        (height, width).
    position_px
        (y, x), shape (N, 2).
    peak
        Height of each Gaussian, shape (N,).
    sigma_px
        Their width.
    row_shift_px
        How far along x the beam was off in each row, shape (height,).

    Returns
    -------
    image
        Shape (height, width). Gaussians are cut at 4.5 widths, where 4e-5 of the peak is left.
    """
    height, width = shape
    image = np.zeros((height, width), np.float32)
    reach = 4.5 * sigma_px
    factor = -0.5 / (sigma_px * sigma_px)
    for n in range(len(position_px)):
        y, x = position_px[n, 0], position_px[n, 1]
        for i in range(max(0, int(np.ceil(y - reach))), min(height, int(y + reach) + 1)):
            along_y = peak[n] * np.exp(factor * (i - y) ** 2)
            centre = x - row_shift_px[i]
            # exp of a square, stepped: two multiplications a pixel in place of one exp.
            first = max(0, int(np.ceil(centre - reach)))
            last = min(width, int(centre + reach) + 1)
            value = along_y * np.exp(factor * (first - centre) ** 2)
            ratio = np.exp(factor * (2.0 * (first - centre) + 1.0))
            decay = np.exp(2.0 * factor)
            for j in range(first, last):
                image[i, j] += value
                value *= ratio
                ratio *= decay
    return image


def spread(image: FloatImage, probe: Probe) -> FloatImage:
    """Give round cores their astigmatism and their tails, in Fourier space (edges wrap round)."""
    if not probe.tail_fraction and not probe.astigmatism:
        return image
    height, width = image.shape
    ky = 2 * np.pi * fft.fftfreq(height)[:, None].astype(np.float32)
    kx = 2 * np.pi * fft.rfftfreq(width)[None].astype(np.float32)
    cos, sin = np.cos(probe.astigmatism_angle_rad), np.sin(probe.astigmatism_angle_rad)
    along = (cos * ky + sin * kx) * (probe.astigmatism * probe.sigma_px)
    core = np.exp(-0.5 * along**2)
    tail = np.exp(-0.5 * probe.tail_sigma_px**2 * (ky**2 + kx**2))
    response = (1 - probe.tail_fraction) * core + probe.tail_fraction * tail
    spectrum = fft.rfft2(image) * response.astype(np.float32)
    return np.asarray(fft.irfft2(spectrum, s=image.shape), np.float32)


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift during a scan: shear and stretch along the slow axis, and fly-back as rows start.

    Parameters
    ----------
    shape
        (height, width) of the scan.
    along_y, along_x
        Displacement a row, in pixels; none in the middle row.
    fly_back_px
        Displacement along x in the first column, which decays over a twentieth of the width.
    """

    shape: tuple[int, int]
    along_y: float
    along_x: float
    fly_back_px: float

    def moved(self, position_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where positions (N, 2) of the sample are in the image."""
        y, x = position_px.T
        middle = y - self.shape[0] / 2
        return np.stack([y + self.along_y * middle, x + self.along_x * middle + self._back(x)], 1)

    def undone(self, position_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Which positions of the sample are at positions (N, 2) of the image."""
        y, x = position_px.T
        middle = (y - self.shape[0] / 2) / (1 + self.along_y)
        sheared = x - self.along_x * middle
        straight = sheared
        for _ in range(20):  # each is closer by fly_back_px over its reach, about a tenth
            straight = sheared - self._back(straight)
        return np.stack([self.shape[0] / 2 + middle, straight], 1)

    def _back(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        decay = np.exp(-np.maximum(x, 0) / (0.05 * self.shape[1]))
        return np.asarray(self.fly_back_px * decay, np.float64)


def draw_drift(shape: tuple[int, int], rng: np.random.Generator, *, shear: float) -> Drift:
    """Drift of a scan of some shape; ``shear`` is typical of the displacement a row."""
    along_x, along_y = rng.normal(0, shear, 2)
    largest = rng.exponential(0.4 * shear) * shape[1]
    return Drift(shape, along_y, along_x, largest)


def row_jitter(
    n_rows: int, rng: np.random.Generator, *, jitter_px: float, hum_px: float
) -> NDArray[np.float64]:
    """How far each row starts off, shape (n_rows,): noise of a few rows' length, and mains hum."""
    noise = ndimage.gaussian_filter1d(rng.normal(size=n_rows), rng.uniform(0.3, 2.0))
    noise *= jitter_px / max(float(noise.std()), 1e-9)
    phase = 2 * np.pi * (np.arange(n_rows) / rng.uniform(3.0, 40.0) + rng.uniform())
    return np.asarray(noise + hum_px * np.sin(phase))


def count(expected: FloatImage, rng: np.random.Generator, detector: Detector) -> FloatImage:
    """Counts of one exposure.

    Parameters
    ----------
    expected
        Expected counts, shape (height, width).
    """
    many = float(expected.min()) > 100.0  # there a normal deviate differs by less than 0.1 sigma
    if many:
        noise = rng.standard_normal(expected.shape, dtype=np.float32)
        counts = expected + np.sqrt(expected) * noise
    else:
        counts = rng.poisson(np.maximum(expected, 0)).astype(np.float32)
    if detector.lag:
        counts = ndimage.convolve1d(counts, lag_kernel(detector.lag), axis=1, mode="nearest")
    if detector.read_noise:
        noise = rng.standard_normal(expected.shape, dtype=np.float32)
        counts += np.float32(detector.read_noise) * noise
    if detector.filter_sigma_px:
        counts = ndimage.gaussian_filter(counts, detector.filter_sigma_px, truncate=3.0)
    image = np.asarray(counts * detector.gain + detector.offset, np.float32)
    return _quantise(image, detector.levels) if detector.levels else image


def lag_kernel(lag: float) -> NDArray[np.float64]:
    """Exponential decay towards later pixels, centred so that its mean shift is taken back."""
    tail = lag ** np.arange(4)
    kernel = np.zeros(7)
    kernel[3:] = tail / tail.sum()
    shift = float((kernel * np.arange(-3, 4)).sum())
    return np.asarray((1 - shift) * kernel + shift * np.roll(kernel, -1))


def _quantise(image: FloatImage, levels: int) -> FloatImage:
    low, high = np.percentile(image[::4, ::4], (0.05, 99.95))
    step = max(float(high - low), 1e-6) / (levels - 1)
    return np.asarray(np.clip(np.round((image - low) / step), 0, levels - 1), np.float32)

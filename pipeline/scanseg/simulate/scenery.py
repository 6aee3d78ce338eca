"""All that is in an image and is no atom column: contamination, amorphous carbon, holes, wedges."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import fft

from scanseg.micrograph import FloatImage

__all__ = ["granular_field", "half_plane", "rough_field", "smooth_field"]


def smooth_field(
    shape: tuple[int, int], rng: np.random.Generator, *, feature_px: float
) -> FloatImage:
    """Smooth random field, shape (height, width), rms 1, that varies over ``feature_px``.

    Random numbers on a coarse mesh, enlarged: two orders of magnitude quicker than filtering.
    """
    nodes = tuple(int(np.ceil(side / feature_px)) + 3 for side in shape)
    mesh = rng.normal(size=nodes).astype(np.float32)
    top, left = rng.uniform(0.5, 1.5, 2)
    box = (left, top, left + shape[1] / feature_px, top + shape[0] / feature_px)
    enlarged = Image.fromarray(mesh).resize(shape[::-1], Image.Resampling.BICUBIC, box=box)
    return np.asarray(enlarged, np.float32)


def granular_field(
    shape: tuple[int, int], rng: np.random.Generator, *, grain_px: float
) -> FloatImage:
    """Granular random field, rms 1, mean 0: speckle of amorphous carbon with grains of one size.

    White noise behind a Gaussian of s.d. ``grain_px``, with its slow part removed, so that what is
    left looks like atoms and is none.
    """
    size = tuple(fft.next_fast_len(side, real=True) for side in shape)
    spectrum = fft.rfft2(rng.standard_normal(size, dtype=np.float32))
    ky = fft.fftfreq(size[0])[:, None].astype(np.float32)
    kx = fft.rfftfreq(size[1])[None].astype(np.float32)
    squared = (2 * np.pi * grain_px) ** 2 * (ky**2 + kx**2)
    response = np.exp(-squared / 2) - 0.7 * np.exp(-squared * 9 / 2)
    field = fft.irfft2(spectrum * response, s=size)[: shape[0], : shape[1]]
    return np.asarray(field / max(float(field.std()), 1e-9), np.float32)


def rough_field(
    shape: tuple[int, int], rng: np.random.Generator, *, exponent: float, finest_px: float = 2.0
) -> FloatImage:
    """Self-affine random field, rms 1, mean 0: spectral amplitudes fall as ``k**-exponent``.

    Surfaces of films are like this, with exponents of 1.5 to 2.5. Details below ``finest_px``
    (s.d. of a Gaussian) are smoothed away; edges wrap round.
    """
    size = tuple(fft.next_fast_len(side, real=True) for side in shape)
    spectrum = fft.rfft2(rng.standard_normal(size, dtype=np.float32))
    ky = fft.fftfreq(size[0])[:, None].astype(np.float32)
    kx = fft.rfftfreq(size[1])[None].astype(np.float32)
    squared = ky * ky + kx * kx
    squared[0, 0] = 1.0
    response = squared ** np.float32(-exponent / 2)
    response *= np.exp(np.float32(-2 * (np.pi * finest_px) ** 2) * squared)
    response[0, 0] = 0.0
    field = fft.irfft2(spectrum * response, s=size)[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9), np.float32)


def half_plane(shape: tuple[int, int], rng: np.random.Generator, *, rough_px: float) -> FloatImage:
    """Signed distance in pixels from a randomly placed, rough straight edge; positive inside."""
    height, width = shape
    angle = rng.uniform(0, 2 * np.pi)
    y = np.arange(height, dtype=np.float32)[:, None] - height * rng.uniform(0.2, 0.8)
    x = np.arange(width, dtype=np.float32)[None] - width * rng.uniform(0.2, 0.8)
    distance = np.cos(angle) * y + np.sin(angle) * x
    rough = smooth_field(shape, rng, feature_px=max(min(shape) / 6, 8.0))
    return np.asarray(distance + rough_px * rough, np.float32)

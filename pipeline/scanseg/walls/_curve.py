"""The line that fitted offsets tell of: noise smoothed away, the tip's blur along the wall undone.

A tip blurs a wall along its length as well: what profiles see is the line behind a Gaussian. With
offsets as cosine series, each term of length 2 pi / q is damped by exp(-q² sigma² / 2), has the
variance ``t q^-p`` in a wall as it may be, and a noise. The most probable line follows (Wiener);
t and p are those under which the offsets of all walls of a kind are likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Offsets", "likeliest_curves"]

FloatArray = NDArray[np.float64]

# 1.5: walls of roughness exponent 0.26 (Paruch, Phys. Rev. Lett. 94, 197601, 2005); 4: smooth ones.
POWERS = (1.5, 4.0)
SCALES = 10.0 ** np.arange(-5.0, 1.1, 0.5)
# A network's line is off by some 0.5 px over some 20 px: so much information a pixel of length.
NETWORK_INFORMATION = 0.1
# A wall's line is nowhere known beforehand to better than this (s.d.).
SMALLEST_SD_PX = 0.15
# The evidence of so many pixels of all walls of a kind counts beside that of a wall's own.
POOLED_PX = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Offsets:
    """What is known of a stretch of N points.

    Parameters
    ----------
    seen
        Offsets of the blurred line as profiles tell them, on information as high as ``highest``,
        shape (N,).
    expected
        Offsets of the line that the network drew, shape (N,).
    highest, typical
        Information (1 / variance) of a point.
    shared_variance, shared_px
        Variance that neighbouring points share, and over which length.
    blur_px
        S.d. of the blur.
    largest_sd_px
        How far the line is from its base at most (s.d.).
    kind
        Stretches of the same kind are equally rough.
    """

    seen: FloatArray
    expected: FloatArray
    highest: float
    typical: float
    shared_variance: float
    shared_px: float
    blur_px: float
    largest_sd_px: float
    kind: int


def likeliest_curves(
    stretches: list[Offsets],
) -> list[tuple[FloatArray, FloatArray, float]]:
    """The line and the line as blurred, offsets of shape (N,), and the variance of the line."""
    from scipy import fft

    series = [(fft.dct(s.seen, norm="ortho"), fft.dct(s.expected, norm="ortho")) for s in stretches]
    evidence = np.array(
        [_evidence(s, seen) for s, (seen, _) in zip(stretches, series, strict=True)]
    )
    length = np.array([len(s.seen) for s in stretches], float)
    kind = np.array([s.kind for s in stretches])
    curves = []
    for k, (stretch, (seen, expected)) in enumerate(zip(stretches, series, strict=True)):
        alike = kind == kind[k]
        share = min(1.0, POOLED_PX / length[alike].sum())
        best = int((evidence[k] + share * evidence[alike].sum(0)).argmax())
        n = len(seen)
        prior = _priors(stretch, n)[best]
        damped = _damping(stretch, n)
        shared = _shared(stretch, n)
        told = 1.0 / (1.0 / stretch.highest + shared)
        line = (damped * told * seen + NETWORK_INFORMATION * expected) / (
            1 / prior + damped**2 * told + NETWORK_INFORMATION
        )
        told = 1.0 / (1.0 / stretch.typical + shared)
        variance = float(np.mean(1 / (1 / prior + damped**2 * told + NETWORK_INFORMATION)))
        curves.append(
            (fft.idct(line, norm="ortho"), fft.idct(damped * line, norm="ortho"), variance)
        )
    return curves


def _evidence(stretch: Offsets, seen: FloatArray) -> FloatArray:
    """Log likelihood of the offsets under each prior."""
    n = len(seen)
    noise = 1.0 / stretch.typical + _shared(stretch, n)
    variance = _priors(stretch, n) * _damping(stretch, n) ** 2 + noise
    return np.asarray(-0.5 * (np.log(variance) + seen**2 / variance).sum(1))


def _frequencies(n: int) -> FloatArray:
    q = np.pi * np.arange(n) / n
    q[0] = 0.7 * np.pi / n  # the mean moves about as far as the slowest wave
    return q


def _priors(stretch: Offsets, n: int) -> FloatArray:
    """Variance of each term under each prior, shape (26, N)."""
    q = _frequencies(n)
    prior = np.concatenate([SCALES[:, None] * q**-power for power in POWERS])
    mean = prior.mean(1, keepdims=True)
    return np.asarray(prior * np.clip(mean, SMALLEST_SD_PX**2, stretch.largest_sd_px**2) / mean)


def _damping(stretch: Offsets, n: int) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (_frequencies(n) * stretch.blur_px) ** 2))


def _shared(stretch: Offsets, n: int) -> FloatArray:
    """Spectrum of errors that fall off as exp(-distance / shared_px)."""
    reach = stretch.shared_px
    return np.asarray(2 * reach * stretch.shared_variance / (1 + (_frequencies(n) * reach) ** 2))

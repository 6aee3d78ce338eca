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

from scanseg.walls._series import LONGEST_SUM, filter_series, from_series, to_series, weigh_priors

__all__ = ["Offsets", "likeliest_curves"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# 1.5: walls of roughness exponent 0.26 (Paruch, Phys. Rev. Lett. 94, 197601, 2005); 4: smooth ones.
POWERS = np.array([1.5, 4.0])
SCALES = 10.0 ** np.arange(-5.0, 1.1, 0.5)
# A network's line is off by some 0.5 px over some 20 px: so much information a pixel of length.
NETWORK_INFORMATION = 0.1
# A wall's line is nowhere known beforehand to better than this (s.d.).
SMALLEST_SD_PX = 0.15
# The evidence of so many pixels of all walls of a kind counts beside that of a wall's own.
POOLED_PX = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Offsets:
    """What is known of S stretches of N points in all, one stretch after the other.

    Parameters
    ----------
    length
        Points of each stretch, shape (S,).
    seen
        Offsets of the blurred lines as profiles tell them, on information as high as ``highest``,
        shape (N,).
    expected
        Offsets of the lines that the network drew, shape (N,).
    highest, typical
        Information (1 / variance) of a point, shape (S,) as all that follow.
    shared_variance, shared_px
        Variance that neighbouring points share, and over which length.
    blur_px
        S.d. of the blur.
    largest_sd_px
        How far the line is from its base at most (s.d.).
    kind
        Stretches of the same kind are equally rough.
    """

    length: IntArray
    seen: FloatArray
    expected: FloatArray
    highest: FloatArray
    typical: FloatArray
    shared_variance: FloatArray
    shared_px: FloatArray
    blur_px: FloatArray
    largest_sd_px: FloatArray
    kind: IntArray


def likeliest_curves(known: Offsets) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The lines and the lines as blurred, offsets of shape (N,), and the lines' variance, (S,)."""
    start = np.cumsum(known.length) - known.length
    seen = _series(known.seen, start, known.length)
    expected = _series(known.expected, start, known.length)
    evidence = np.empty((len(start), len(POWERS) * len(SCALES)))
    weigh_priors(
        seen, start, known.length, known.typical, known.shared_variance, known.shared_px,
        known.blur_px, SMALLEST_SD_PX, known.largest_sd_px, POWERS, SCALES, evidence,
    )  # fmt: skip
    power, scale = np.divmod(_best_priors(evidence, known), len(SCALES))
    line, blurred = np.empty_like(seen), np.empty_like(seen)
    variance = np.empty(len(start))
    filter_series(
        seen, expected, start, known.length, known.highest, known.typical, known.shared_variance,
        known.shared_px, known.blur_px, SMALLEST_SD_PX, known.largest_sd_px, POWERS[power],
        SCALES[scale], NETWORK_INFORMATION, line, blurred, variance,
    )  # fmt: skip
    return (
        _values(line, start, known.length),
        _values(blurred, start, known.length),
        variance,
    )


def _best_priors(evidence: FloatArray, known: Offsets) -> IntArray:
    """Number of the prior of each stretch: by its own evidence and a share of that of its kind."""
    pooled = np.empty_like(evidence)
    for kind in np.unique(known.kind):
        alike = known.kind == kind
        share = min(1.0, POOLED_PX / float(known.length[alike].sum()))
        pooled[alike] = evidence[alike] + share * evidence[alike].sum(0)
    return np.asarray(pooled.argmax(1))


def _series(values: FloatArray, start: IntArray, length: IntArray) -> FloatArray:
    """Cosine series of each stretch, shape (N,)."""
    from scipy import fft

    series = np.empty_like(values)
    to_series(values, start, length, series)
    for s in np.flatnonzero(length > LONGEST_SUM):
        part = slice(start[s], start[s] + length[s])
        series[part] = fft.dct(values[part], norm="ortho")
    return series


def _values(series: FloatArray, start: IntArray, length: IntArray) -> FloatArray:
    """Values of the cosine series of each stretch, shape (N,)."""
    from scipy import fft

    values = np.empty_like(series)
    from_series(series, start, length, values)
    for s in np.flatnonzero(length > LONGEST_SUM):
        part = slice(start[s], start[s] + length[s])
        values[part] = fft.idct(series[part], norm="ortho")
    return values

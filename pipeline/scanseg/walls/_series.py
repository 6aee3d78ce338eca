"""Kernels of lines as cosine series, all stretches of a scan in one call.

A scan has 100 stretches of 20 points: a call of numpy for each would cost ten times the sums.
N points in S stretches; stretch s has the points ``start[s]`` to ``start[s] + length[s] - 1``.
"""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import math

import numpy as np
from numba import njit

# Longer stretches are left to a fast transform: 256² products take 30 us.
LONGEST_SUM = 256


@njit(cache=True, nogil=True)
def to_series(values, start, length, out):
    """Orthonormal cosine series (DCT-II) of each stretch up to ``LONGEST_SUM``, shape (N,)."""
    for s in range(len(start)):
        n = length[s]
        if n > LONGEST_SUM:
            continue
        terms = np.zeros(n)
        twice = np.empty(n)
        now = np.empty(n)
        for k in range(n):
            twice[k] = 2.0 * math.cos(math.pi * k / n)
            now[k] = math.cos(0.5 * math.pi * k / n)
        before = now.copy()
        for i in range(n):
            value = values[start[s] + i]
            for k in range(n):
                terms[k] += value * now[k]
                after = twice[k] * now[k] - before[k]
                before[k] = now[k]
                now[k] = after
        scale = math.sqrt(2.0 / n)
        for k in range(n):
            out[start[s] + k] = terms[k] * scale
        out[start[s]] *= math.sqrt(0.5)


@njit(cache=True, nogil=True)
def from_series(terms, start, length, out):
    """Values of the series of each stretch up to ``LONGEST_SUM``, shape (N,)."""
    for s in range(len(start)):
        n = length[s]
        if n > LONGEST_SUM:
            continue
        values = np.zeros(n)
        twice = np.empty(n)
        now = np.ones(n)
        before = np.empty(n)
        for i in range(n):
            before[i] = math.cos(math.pi * (i + 0.5) / n)
            twice[i] = 2.0 * before[i]
        scale = math.sqrt(2.0 / n)
        for k in range(n):
            term = terms[start[s] + k] * (scale if k else scale * math.sqrt(0.5))
            for i in range(n):
                values[i] += term * now[i]
                after = twice[i] * now[i] - before[i]
                before[i] = now[i]
                now[i] = after
        out[start[s] : start[s] + n] = values


@njit(cache=True, nogil=True)
def frequency(k, n):
    """Frequency q of term k; the mean moves about as far as the slowest wave."""
    return (k if k else 0.7) * math.pi / n


@njit(cache=True, nogil=True)
def shared_spectrum(q, variance, reach):
    """Spectrum of errors that fall off as exp(-distance / reach)."""
    return 2.0 * reach * variance / (1.0 + (q * reach) * (q * reach))


@njit(cache=True, nogil=True)
def fall_off(n, power, out):
    """q^-power over its mean over n terms, shape (n,), and that mean."""
    total = 0.0
    for k in range(n):
        out[k] = frequency(k, n) ** -power
        total += out[k]
    for k in range(n):
        out[k] *= n / total
    return total / n


@njit(cache=True, nogil=True)
def weigh_priors(
    seen, start, length, typical, shared_variance, shared_px, blur_px, smallest_sd, largest_sd,
    powers, scales, out,
):  # fmt: skip
    """Log likelihood of each stretch's series under each prior, shape (S, powers x scales)."""
    for s in range(len(start)):
        n = length[s]
        shape = np.empty(n)
        damped2 = np.empty(n)
        noise = np.empty(n)
        square = np.empty(n)
        for k in range(n):
            q = frequency(k, n)
            damped2[k] = math.exp(-((q * blur_px[s]) ** 2))
            noise[k] = 1.0 / typical[s] + shared_spectrum(q, shared_variance[s], shared_px[s])
            square[k] = seen[start[s] + k] ** 2
        for p in range(len(powers)):
            mean = fall_off(n, powers[p], shape)
            for k in range(n):
                shape[k] *= damped2[k]
            last, total = -1.0, 0.0
            for j in range(len(scales)):
                size = min(max(scales[j] * mean, smallest_sd**2), largest_sd[s] ** 2)
                if size != last:  # most scales end at one of the limits
                    last, total, product = size, 0.0, 1.0
                    for k in range(n):
                        variance = size * shape[k] + noise[k]
                        total += square[k] / variance
                        product *= variance
                        if k % 8 == 7:  # a logarithm takes as long as eight of these rounds
                            total += math.log(product)
                            product = 1.0
                    total += math.log(product)
                out[s, p * len(scales) + j] = -0.5 * total


@njit(cache=True, nogil=True)
def filter_series(
    seen, expected, start, length, highest, typical, shared_variance, shared_px, blur_px,
    smallest_sd, largest_sd, power, scale, information, line, blurred, variance,
):  # fmt: skip
    """Series of the most probable lines and of these as blurred, (N,); their variance, (S,)."""
    for s in range(len(start)):
        n = length[s]
        prior = np.empty(n)
        mean = fall_off(n, power[s], prior)
        size = min(max(scale[s] * mean, smallest_sd**2), largest_sd[s] ** 2)
        total = 0.0
        for k in range(n):
            i = start[s] + k
            q = frequency(k, n)
            damped = math.exp(-0.5 * (q * blur_px[s]) ** 2)
            shared = shared_spectrum(q, shared_variance[s], shared_px[s])
            told = 1.0 / (1.0 / highest[s] + shared)
            known = 1.0 / (size * prior[k]) + information
            line[i] = (damped * told * seen[i] + information * expected[i]) / (
                known + damped * damped * told
            )
            blurred[i] = damped * line[i]
            told = 1.0 / (1.0 / typical[s] + shared)
            total += 1.0 / (known + damped * damped * told)
        variance[s] = total / n


@njit(cache=True, nogil=True)
def high_values(values, start, length, share, out):
    """The value that a share of each stretch's lies below, interpolated linearly, shape (S,)."""
    for s in range(len(start)):
        ordered = np.sort(values[start[s] : start[s] + length[s]])
        at = share * (length[s] - 1)
        low = int(at)
        high = min(low + 1, length[s] - 1)
        out[s] = ordered[low] + (at - low) * (ordered[high] - ordered[low])

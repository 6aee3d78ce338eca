"""What the residuals of a fit tell about the noise: its variance against the signal, its grain."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator,assignment"
from __future__ import annotations

import math

import numpy as np

from scanseg.atoms._windows import compiled


@compiled
def corner_differences(data, used):
    """Sum of (d00 - d01 - d10 + d11)² over all 2×2 pixels in use, and how many they are."""
    total, count = 0.0, 0.0
    for i in range(data.shape[0] - 1):
        a, b, u, v = data[i], data[i + 1], used[i], used[i + 1]
        part, known = np.float32(0.0), np.float32(0.0)
        for j in range(len(a) - 1):
            each = (a[j] - a[j + 1]) - (b[j] - b[j + 1])
            use = u[j] * u[j + 1] * v[j] * v[j + 1]
            part += use * each * each
            known += use
        total += part
        count += known
    return total, count


@compiled
def noise_bins(
    data, model, weight, leverage, every, low, high, limit, count, level, square, freedom
):
    """Squared residuals, binned by the model: pixels, sum of mu, of r² and of 1 - leverage.

    Looks at one row in `every`.
    """
    bins = len(count)
    scale = bins / (high - low)
    height, width = data.shape
    for i in range(0, height, every):
        for j in range(width):
            if weight[i, j] > 0:
                m = model[i, j]
                k = min(max(int((m - low) * scale), 0), bins - 1)
                r = data[i, j] - m
                if r * r <= limit[k]:
                    count[k] += 1
                    level[k] += m
                    square[k] += r * r
                    freedom[k] += 1 - min(leverage[i, j], np.float32(0.9))


@compiled
def autocorrelation(data, model, weight, lags, out):
    """Sums of z(p) z(p + lag) and the number of pairs, z the standardised residual."""
    height, width = data.shape
    z = np.empty_like(data)
    known = np.empty_like(data)
    for i in range(height):
        d, m, w = data[i], model[i], weight[i]
        for j in range(width):
            z[i, j] = (d[j] - m[j]) * math.sqrt(w[j])
            known[i, j] = np.float32(1.0) if w[j] > 0 else np.float32(0.0)
    for k in range(len(lags)):
        dy, dx = lags[k, 0], lags[k, 1]  # dy >= 0
        first, last = max(0, -dx), width - max(0, dx)
        for i in range(height - dy):
            a, u = z[i, first:last], known[i, first:last]
            b, v = z[i + dy, first + dx : last + dx], known[i + dy, first + dx : last + dx]
            total = np.float32(0.0)
            pairs = np.float32(0.0)
            for j in range(len(a)):
                total += a[j] * b[j]
                pairs += u[j] * v[j]
            out[k, 0] += total
            out[k, 1] += pairs

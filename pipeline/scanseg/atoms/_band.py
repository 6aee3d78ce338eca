"""The background's part of the normal equations: a banded matrix, its factors, its solution."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator,assignment"
from __future__ import annotations

import math

import numpy as np

from scanseg.atoms._windows import compiled


@compiled
def node_band(weight, pitch, y, x, level, share, band):
    """Information of the background nodes once the amplitudes have made room, as a lower band.

    band[i, k] couples node i with node i - k, nodes numbered row by row. What the amplitudes take
    is spread over the cell a column stands in, which keeps the matrix positive definite; it is a
    preconditioner and need not be exact.
    """
    height, width = weight.shape
    across = band.shape[1] - 2  # the band reaches to the node above and to the left
    taken = np.zeros((height // pitch + 1, width // pitch + 1))
    for n in range(len(y)):
        taken[int(y[n] / pitch), int(x[n] / pitch)] += level[n] * share[n]
    band[:] = 0.0
    moment = np.zeros((3, 3))
    for a in range((height + pitch - 1) // pitch):
        for b in range((width + pitch - 1) // pitch):
            moment[:] = 0.0
            for i in range(a * pitch, min((a + 1) * pitch, height)):
                part = weight[i, b * pitch : min((b + 1) * pitch, width)]
                m0 = np.float32(0.0)
                m1 = np.float32(0.0)
                m2 = np.float32(0.0)
                for j in range(len(part)):
                    m0 += part[j]
                    m1 += part[j] * np.float32(j)
                    m2 += part[j] * np.float32(j) * np.float32(j)
                u = (i - a * pitch) / pitch
                for k in range(3):
                    moment[k, 0] += m0 * u**k
                    moment[k, 1] += m1 / pitch * u**k
                    moment[k, 2] += m2 / (pitch * pitch) * u**k
            if moment[0, 0] > 0:
                moment *= min(max(1.0 - taken[a, b] / moment[0, 0], 0.05), 1.0)
                _add_cell(band, across, a, b, moment)


@compiled
def _add_cell(band, across, a, b, m):
    """Add the products of the four corner functions of a cell, given moments of u^i v^j."""
    along = np.empty((2, 2, 3))  # products of (1 - u, u) as polynomials
    along[0, 0, 0], along[0, 0, 1], along[0, 0, 2] = 1.0, -2.0, 1.0
    along[0, 1, 0], along[0, 1, 1], along[0, 1, 2] = 0.0, 1.0, -1.0
    along[1, 0, 0], along[1, 0, 1], along[1, 0, 2] = 0.0, 1.0, -1.0
    along[1, 1, 0], along[1, 1, 1], along[1, 1, 2] = 0.0, 0.0, 1.0
    for p in range(4):
        for q in range(p + 1):
            total = 0.0
            for i in range(3):
                for j in range(3):
                    total += along[p // 2, q // 2, i] * along[p % 2, q % 2, j] * m[i, j]
            row = (a + p // 2) * across + b + p % 2
            other = (a + q // 2) * across + b + q % 2
            band[row, row - other] += total


@compiled
def stiffen_band(stiffness, across, band):
    """Add the information on the differences of nodes beside and below each other."""
    for i in range(band.shape[0]):
        if i % across > 0:
            band[i, 0] += stiffness
            band[i - 1, 0] += stiffness
            band[i, 1] -= stiffness
        if i >= across:
            band[i, 0] += stiffness
            band[i - across, 0] += stiffness
            band[i, across] -= stiffness


@compiled
def pull_level(nodes, stiffness, out):
    """Add the pull of every node towards its neighbours: -stiffness times their differences."""
    down, across = nodes.shape
    for a in range(down):
        for b in range(across):
            here = nodes[a, b]
            pull = 0.0
            if a > 0:
                pull += nodes[a - 1, b] - here
            if a < down - 1:
                pull += nodes[a + 1, b] - here
            if b > 0:
                pull += nodes[a, b - 1] - here
            if b < across - 1:
                pull += nodes[a, b + 1] - here
            out[a, b] += stiffness * pull


@compiled
def factor_band(band):
    """Cholesky factor of a banded matrix, in place; nodes without data keep a tiny pivot."""
    size, reach = band.shape
    largest = 0.0
    for i in range(size):
        largest = max(largest, band[i, 0])
    for i in range(size):
        diagonal = band[i, 0]
        for k in range(min(reach - 1, i), 0, -1):  # column j = i - k
            j = i - k
            rest = band[i, k]
            for m in range(max(0, i - reach + 1, j - reach + 1), j):
                rest -= band[i, i - m] * band[j, j - m]
            band[i, k] = rest / band[j, 0]
            diagonal -= band[i, k] ** 2
        band[i, 0] = math.sqrt(max(diagonal, 1e-5 * largest + 1e-30))


@compiled
def solve_band(band, b, out):
    """Solve with the factor; `b` and `out` are matrices of nodes."""
    size, reach = band.shape
    right, z = b.ravel(), out.ravel()
    for i in range(size):
        rest = right[i]
        for k in range(1, min(reach - 1, i) + 1):
            rest -= band[i, k] * z[i - k]
        z[i] = rest / band[i, 0]
    for i in range(size - 1, -1, -1):
        z[i] /= band[i, 0]
        for k in range(1, min(reach - 1, i) + 1):
            z[i - k] -= band[i, k] * z[i]

"""Does the response turn over across a wall? Measured on the scan, beside what the network says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask, Micrograph, Signal
from scanseg.walls.graph import WallGraph
from scanseg.walls.polarity import signed_response

__all__ = ["reversal_log_odds"]

# Nearer the tip mixes both sides, farther away is another domain.
SAMPLED_PX = (2.0, 3.0, 4.0, 5.0)
# A sample that lies so much nearer to another wall than to its own is on that one's far side.
OTHER_WALL_PX = 1.0
SMOOTHING_PX = 3.0
# A side counts as so many standard deviations from 0 at most: a background of the instrument, which
# moves the zero, is no noise.
MOST_SIGMAS = 3.0


def reversal_log_odds(
    graph: WallGraph, skeleton: Mask, scan: Mapping[Signal, Micrograph]
) -> tuple[NDArray[np.float64], ...] | None:
    """Evidence that the polarisation reverses, of every pixel of every branch.

    Parameters
    ----------
    graph
        Branches of the skeleton.
    skeleton
        All walls, shape (height, width).
    scan
        As ``read_pfm`` gives it.

    Returns
    -------
    log_odds
        For each branch an array of its pixels: up to +3 where both sides respond with opposite
        signs, down to -3 where with the same one, 0 where a side does not respond. None for a scan
        without phase.
    """
    from scipy import ndimage

    signed = signed_response(scan)
    if signed is None:
        return None
    measured = np.isfinite(signed)
    noise = _noise(signed, measured)
    away = ndimage.distance_transform_edt(~skeleton)
    log_odds = []
    for branch in graph.branches:
        at, normal = branch.pixels.astype(float), _normals(branch.pixels, branch.start < 0)
        mode = "wrap" if branch.start < 0 else "nearest"
        sides = []
        for side in (-1.0, 1.0):
            total, count = _side(signed, measured, away, at, side * normal)
            total, count = (
                ndimage.gaussian_filter1d(values, SMOOTHING_PX, mode=mode)
                for values in (total, count)
            )
            # Neighbouring points share samples: smoothing makes about five of them one.
            sides.append(total / np.sqrt(np.maximum(count, 1e-6)) / (noise / np.sqrt(5.0)))
        sigmas = np.minimum(np.abs(sides[0]), np.abs(sides[1]))
        turned = -np.sign(sides[0] * sides[1])
        log_odds.append(np.asarray(turned * np.minimum(sigmas, MOST_SIGMAS)))
    return tuple(log_odds)


def _side(
    signed: FloatImage, measured: Mask, away: NDArray[np.float64], at: NDArray[np.float64],
    outward: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Sum and number of the samples of one side, shape (N,) each."""
    height, width = signed.shape
    total, count = np.zeros(len(at)), np.zeros(len(at))
    for distance in SAMPLED_PX:
        y, x = np.rint(at + distance * outward).astype(int).T
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        used = inside & measured[y, x] & (away[y, x] > distance - OTHER_WALL_PX)
        total += np.where(used, signed[y, x], 0.0)
        count += used
    return total, count


def _normals(pixels: NDArray[np.int64], closed: bool) -> NDArray[np.float64]:
    line = pixels.astype(float)
    n, span = np.arange(len(line)), 3
    if closed:
        period = max(len(line) - 1, 1)
        along = line[(n + span) % period] - line[(n - span) % period]
    else:
        along = line[np.minimum(n + span, len(line) - 1)] - line[np.maximum(n - span, 0)]
    across = np.stack([along[:, 1], -along[:, 0]], 1)
    return np.asarray(across / np.maximum(np.hypot(*across.T), 1e-9)[:, None])


def _noise(signed: FloatImage, measured: Mask) -> float:
    """S.d. of a pixel: second differences along a row see hardly anything else."""
    second = signed[:, 2:] - 2 * signed[:, 1:-1] + signed[:, :-2]
    known = measured[:, 2:] & measured[:, 1:-1] & measured[:, :-2]
    if not known.any():
        return 1.0
    return max(float(1.4826 * np.median(np.abs(second[known])) / np.sqrt(6.0)), 1e-3)

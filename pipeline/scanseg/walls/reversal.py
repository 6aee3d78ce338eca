"""Does the response turn over across a wall? Measured on the scan, beside what the network says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask, Micrograph, Signal
from scanseg.walls.graph import WallGraph
from scanseg.walls.lines import joined, parted
from scanseg.walls.polarity import signed_response

__all__ = ["phase_tells", "reversal_log_odds"]

# Nearer the tip mixes both sides, farther away is another domain.
SAMPLED_PX = (2.0, 3.0, 4.0, 5.0)
# A sample that lies so much nearer to another wall than to its own is on that one's far side.
OTHER_WALL_PX = 1.0
SMOOTHING_PX = 3.0
# Pixels step by 45 degrees: normals are taken from pixels so many to both sides.
NORMAL_SPAN = 3
# A side counts as so many standard deviations from 0 at most: a background of the instrument, which
# moves the zero, is no noise.
MOST_SIGMAS = 3.0
# Until so many pixels of a class say otherwise, flips are taken to agree.
PRIOR_PX = 50.0
# Flips of the phase are evidence only in scans where they agree with the network where it is sure:
# lateral response flips at ferroelastic walls too, a large background lets it flip hardly anywhere.
# Counted in all of 36 simulated scans, flips cost 0.06 of the F1 of ferroelectric walls. They cost
# nothing where this part of what the network takes for reversals flips (any limit from 0.39 to 0.46
# does; a real scan of PZT, where flips are right and the network is not, has 0.40), and no more of
# its ferroelastic walls than this.
LEAST_REVERSALS, MOST_FLIPPING_TWINS = 0.39, 0.25


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
    from scanseg.walls._along import normals_along, smooth_values, sum_sides

    signed = signed_response(scan)
    if signed is None:
        return None
    noise = _noise(signed, np.isfinite(signed))
    at, start, length = joined([branch.pixels for branch in graph.branches])
    closed = np.array([branch.start < 0 for branch in graph.branches], bool)
    normal = np.empty_like(at)
    normals_along(at, closed, start, length, NORMAL_SPAN, normal)
    sums, smooth = np.empty((len(at), 4)), np.empty((len(at), 4))
    sum_sides(signed, skeleton, at, normal, np.array(SAMPLED_PX), OTHER_WALL_PX, sums)
    smooth_values(sums, closed, start, length, SMOOTHING_PX, smooth)
    # Neighbouring points share samples: smoothing makes about five of them one.
    sides = smooth[:, :2] / np.sqrt(np.maximum(smooth[:, 2:], 1e-6)) / (noise / np.sqrt(5.0))
    turned = -np.sign(sides[:, 0] * sides[:, 1])
    log_odds = turned * np.minimum(np.abs(sides).min(1), MOST_SIGMAS)
    return tuple(parted(log_odds, length))


def phase_tells(
    network: Sequence[NDArray[np.float64]], measured: Sequence[NDArray[np.float64]]
) -> bool:
    """Whether flips of the phase are evidence for the class of the walls of this scan.

    Parameters
    ----------
    network, measured
        Log odds of ferroelectric walls, of every pixel of every branch.

    Notes
    -----
    Asked is how many ferroelectric and how many ferroelastic walls flip; pixels count as much as
    the network is sure of their class.
    """
    if not network:
        return True
    sure, evidence = np.tanh(np.concatenate(network) / 2), np.concatenate(measured)
    known = np.minimum(np.abs(evidence), 1.0)
    flips = known * (evidence > 0)
    reversal, twin = np.maximum(sure, 0.0), np.maximum(-sure, 0.0)
    reversals = float((reversal @ flips + PRIOR_PX) / (reversal @ known + PRIOR_PX))
    twins = float((twin @ flips) / (twin @ known + PRIOR_PX))
    return reversals >= LEAST_REVERSALS and twins <= MOST_FLIPPING_TWINS


def _noise(signed: FloatImage, measured: Mask) -> float:
    """S.d. of a pixel: second differences along a row see hardly anything else."""
    second = signed[:, 2:] - 2 * signed[:, 1:-1] + signed[:, :-2]
    known = measured[:, 2:] & measured[:, 1:-1] & measured[:, :-2]
    if not known.any():
        return 1.0
    return max(float(1.4826 * np.median(np.abs(second[known])) / np.sqrt(6.0)), 1e-3)

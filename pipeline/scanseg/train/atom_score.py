"""How well a network finds columns, scored as its users would score it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.matching import match_positions
from scanseg.inference.peaks import find_peaks
from scanseg.micrograph import FloatImage
from scanseg.train.atom_patches import AtomPatch

__all__ = ["Score", "score_detection"]

# Columns that stand out so far from the noise are expected to be found by any means.
CLEAR_SNR = 8.0


@dataclass(frozen=True, slots=True)
class Score:
    """Detection over a set of patches, class-free.

    Parameters
    ----------
    precision, recall, f1
        Of visible columns, within a quarter of the local spacing. Finds on hidden columns count
        neither way.
    f1_clear
        The same over patches whose typical column stands out clearly from the noise.
    rms_px
        Distance along an axis of finds from the truth, on the grid.
    """

    precision: float
    recall: float
    f1: float
    f1_clear: float
    rms_px: float


def score_detection(
    patches: list[AtomPatch], probability: list[FloatImage], *, threshold: float
) -> Score:
    """Score probability maps, each (height, width), of the atom class."""
    counted = np.array(
        [_count(patch, map_, threshold) for patch, map_ in zip(patches, probability, strict=True)]
    )
    clear = np.array([patch.snr >= CLEAR_SNR for patch in patches])
    true, found, wanted, squares = counted.sum(0)
    return Score(
        precision=float(true / max(found, 1)),
        recall=float(true / max(wanted, 1)),
        f1=_f1(counted),
        f1_clear=_f1(counted[clear]),
        rms_px=float(np.sqrt(squares / max(2 * true, 1))),
    )


def _count(patch: AtomPatch, probability: FloatImage, threshold: float) -> tuple[float, ...]:
    """True finds, finds, columns asked for, and the sum of squared errors, of one patch."""
    spacing = patch.spacing_px if np.isfinite(patch.spacing_px) else 12.0
    found, _ = find_peaks(probability, threshold=threshold, closest_px=0.3 * spacing)
    visible = patch.position_px[patch.visible]
    radius = 0.25 * spacing
    matches = match_positions(found, visible, radius_px=radius)
    error = found[matches.found_index] - visible[matches.truth_index]
    hidden = match_positions(found, patch.position_px[~patch.visible], radius_px=radius)
    neither = np.setdiff1d(hidden.found_index, matches.found_index)
    return (
        float(len(matches.found_index)),
        float(len(found) - len(neither)),
        float(len(visible)),
        float((error**2).sum()),
    )


def _f1(counted: NDArray[np.float64]) -> float:
    true, found, wanted, _ = counted.sum(0)
    return float(2 * true / max(found + wanted, 1))

"""How well a network finds columns, scored as its users would score it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.matching import match_positions
from scanseg.inference.peaks import find_peaks
from scanseg.micrograph import FloatImage
from scanseg.train.atom_patches import AtomPatch
from scanseg.train.labels import IGNORED

__all__ = ["Score", "class_accuracy", "score_classes", "score_detection"]

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


def score_classes(
    patches: list[AtomPatch], probability: list[FloatImage], names: Sequence[str], *,
    threshold: float,
) -> dict[str, float]:  # fmt: skip
    """``f1_NAME`` of each class and ``class_accuracy``, of maps (C - 1, height, width).

    Parameters
    ----------
    names
        Of the classes without the background.

    Notes
    -----
    A find has the class that is most probable at its top, and a hit is one of the class of the
    column it lies on.
    """
    counts = np.zeros((len(names), 3))  # hits, finds, columns
    for patch, maps in zip(patches, probability, strict=True):
        spacing = patch.spacing_px if np.isfinite(patch.spacing_px) else 12.0
        found, _ = find_peaks(maps.sum(0), threshold=threshold, closest_px=0.3 * spacing)
        of_find = _at(maps, found).argmax(0) + 1
        truth, position = _true_class(patch), patch.position_px
        # As for all classes together, finds on hidden columns count neither way.
        hidden = match_positions(found, position[~patch.visible], radius_px=0.25 * spacing)
        seen = match_positions(found, position[patch.visible], radius_px=0.25 * spacing)
        neither = np.setdiff1d(hidden.found_index, seen.found_index)
        judged = np.ones(len(found), bool)
        judged[neither] = False
        of_column = truth[patch.visible]
        right = of_find[seen.found_index] == of_column[seen.truth_index]
        for index in range(len(names)):
            counts[index] += (
                (right & (of_column[seen.truth_index] == index + 1)).sum(),
                (judged & (of_find == index + 1)).sum(),
                (of_column == index + 1).sum(),
            )
    hits, finds, columns = counts.T
    f1 = 2 * hits / np.maximum(finds + columns, 1)
    figures = {f"f1_{name}": float(value) for name, value in zip(names, f1, strict=True)}
    figures["class_accuracy"] = class_accuracy(patches, probability, threshold)
    return figures


def class_accuracy(
    patches: Sequence[AtomPatch], probability: Sequence[FloatImage], threshold: float
) -> float:
    """Of visible columns that are found, the part whose most probable class is theirs."""
    right = total = 0
    for patch, maps in zip(patches, probability, strict=True):
        truth = _true_class(patch)[patch.visible]
        there = _at(maps, patch.position_px[patch.visible])
        counted = (there.sum(0) >= threshold) & (truth > 0) & (truth != IGNORED)
        right += int((there.argmax(0) + 1 == truth)[counted].sum())
        total += int(counted.sum())
    return right / max(total, 1)


def _true_class(patch: AtomPatch) -> NDArray[np.uint8]:
    """Class of each column by the class map, shape (N,)."""
    truth: NDArray[np.uint8] = _at(patch.class_map[None], patch.position_px)[0]
    return truth


def _at(maps: NDArray[Any], position: NDArray[np.float64]) -> NDArray[Any]:
    """Values of maps (K, height, width) at positions (N, 2), shape (K, N)."""
    pixel = np.clip(np.rint(position).astype(int), 0, np.array(maps.shape[1:]) - 1)
    values: NDArray[Any] = maps[:, pixel[:, 0], pixel[:, 1]]
    return values


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

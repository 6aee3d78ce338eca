"""How well a network finds columns: a fixed simulated set, scored as its users would score it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.matching import match_positions
from scanseg.inference.peaks import find_peaks
from scanseg.micrograph import FloatImage
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import Recipe
from scanseg.train.simulated import Patch, draw_patch

__all__ = [
    "Score",
    "best_threshold",
    "fit_temperature",
    "reliability",
    "score_detection",
    "validation_patches",
]

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


def validation_patches(recipe: Recipe) -> list[Patch]:
    """The fixed set of a recipe; its stream of random numbers is no training stream."""
    seed, number = recipe.validation.seed, recipe.validation.n_images
    return [draw_patch(np.random.default_rng((seed, n)), recipe) for n in range(number)]


def score_detection(
    patches: list[Patch], probability: list[FloatImage], *, threshold: float
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


def best_threshold(patches: list[Patch], probability: list[FloatImage]) -> float:
    """Threshold with the best F1 among 0.2, 0.25, ... 0.7."""
    thresholds = np.arange(0.20, 0.71, 0.05)
    scores = [score_detection(patches, probability, threshold=float(t)).f1 for t in thresholds]
    return float(np.round(thresholds[int(np.argmax(scores))], 2))


def fit_temperature(patches: list[Patch], logits: list[FloatImage]) -> float:
    """Number to divide logits (C, height, width) by, so that probabilities are frequencies.

    Guo et al., "On calibration of modern neural networks", ICML 2017: one number, by the negative
    log-likelihood of the validation set.
    """
    from scipy.optimize import minimize_scalar

    margin, target = _margins(patches, logits)

    def likelihood_loss(log_temperature: float) -> float:
        scaled = margin / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, -np.where(target, scaled, -scaled))))

    best = minimize_scalar(likelihood_loss, bounds=(-1.5, 1.5), method="bounded")
    return float(np.exp(best.x))


def reliability(
    patches: list[Patch], probability: list[FloatImage], *, n_bins: int = 10
) -> NDArray[np.float64]:
    """Rows of (mean probability, frequency of atom, share of pixels) for bins of probability."""
    counted = [patch.class_map != IGNORED for patch in patches]
    stated = np.concatenate([p[c] for p, c in zip(probability, counted, strict=True)])
    truth = np.concatenate([p.class_map[c] > 0 for p, c in zip(patches, counted, strict=True)])
    index = np.minimum((stated * n_bins).astype(int), n_bins - 1)
    rows = [
        (stated[index == n].mean(), truth[index == n].mean(), (index == n).mean())
        for n in range(n_bins)
        if (index == n).any()
    ]
    return np.array(rows)


def _count(patch: Patch, probability: FloatImage, threshold: float) -> tuple[float, ...]:
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


def _margins(
    patches: list[Patch], logits: list[FloatImage]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logit of any atom class against the background, and whether an atom is there."""
    margins, targets = [], []
    for patch, each in zip(patches, logits, strict=True):
        counted = patch.class_map != IGNORED
        atom = np.logaddexp.reduce(each[1:].astype(np.float64), axis=0)
        margins.append((atom - each[0])[counted])
        targets.append(patch.class_map[counted] > 0)
    return np.concatenate(margins), np.concatenate(targets)

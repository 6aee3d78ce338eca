"""Candidates for atom columns: tops of the probability map, with their class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms.settings import Detection
from scanseg.inference import Prediction
from scanseg.inference.peaks import find_peaks
from scanseg.mapped import let_go

__all__ = ["Candidates", "find_columns"]

# Rows of the grid that are searched at once, so that memory does not grow with the image: a band of
# 16,384 pixels a row takes 16 MB, three or four times.
BAND_ROWS = 256
# Where nothing repeats, the sampling was chosen for showing most atoms, and noise is among what it
# shows: of 45 simulated scenes of single atoms and 15 empty ones F1 was 0.75 at 0.25, 0.84 at 0.5.
LONE_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """N candidates, the topmost first.

    Parameters
    ----------
    position_px
        (y, x) in pixels of the measured image, shape (N, 2).
    class_index
        Index among the model's classes, shape (N,), from 1.
    probability
        Of that class, shape (N,).
    """

    position_px: NDArray[np.float64]
    class_index: NDArray[np.uint8]
    probability: NDArray[np.float32]

    def select(self, which: NDArray[np.bool_]) -> Candidates:
        """Some of them."""
        return Candidates(self.position_px[which], self.class_index[which], self.probability[which])


def find_columns(result: Prediction, *, config: Detection | None = None) -> Candidates:
    """Find the columns that a network sees, class by class competing for the same place.

    A place is where the probabilities of all classes together have a top, its class the most
    probable one there. Vacancies take part: they lie on sites of the lattice as columns do, and
    what may be carbon or a vacancy is one of the two.

    Parameters
    ----------
    result
        A prediction.
    config
        Threshold and distance.
    """
    config = config or Detection()
    contract = result.model.contract
    closest_px = config.closest_of_spacing * contract.spacing_px
    margin = int(np.ceil(closest_px)) + 4
    n_classes, height, _ = result.foreground.shape
    found, classes, certainty = [], [], []
    for start in range(0, height, BAND_ROWS):
        stop = min(start + BAND_ROWS, height)
        top, bottom = max(start - margin, 0), min(stop + margin, height)
        band = result.foreground[:, top:bottom].astype(np.float32) / np.float32(255)
        let_go(result.foreground)
        position, probability = find_peaks(
            band.sum(0) if n_classes > 1 else band[0],
            threshold=config.threshold or _threshold(result),
            closest_px=closest_px,
        )
        position[:, 0] += top
        # A top on the very first row of the grid may lie half a pixel above it.
        own = (position[:, 0] >= start) | (start == 0)
        own &= (position[:, 0] < stop) | (stop == height)
        order = np.lexsort((position[own, 1], position[own, 0]))
        position, probability = position[own][order], probability[own][order]
        pixel = np.round(position).astype(int)
        pixel = np.clip(pixel - [top, 0], 0, np.array(band.shape[1:]) - 1)
        at_peak = band[:, pixel[:, 0], pixel[:, 1]]
        winner = at_peak.argmax(0)
        found.append(result.grid.to_image(position))
        classes.append((winner + 1).astype(np.uint8))
        certainty.append(at_peak[winner, np.arange(len(winner))])
    return Candidates(
        np.concatenate(found),
        np.concatenate(classes),
        np.concatenate(certainty),
    )


def _threshold(result: Prediction) -> float:
    lone = result.spacing is not None and result.spacing.method == "isolated"
    threshold = result.model.contract.threshold
    return max(threshold, LONE_THRESHOLD) if lone else threshold

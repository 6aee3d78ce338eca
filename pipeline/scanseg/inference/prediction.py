"""What a network sees in an image: probability, class map, uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scanseg.bundle import Model
from scanseg.inference.sampling import Spacing
from scanseg.mapped import let_go
from scanseg.micrograph import FloatImage, Micrograph
from scanseg.preprocess import Grid, IntensityRange

__all__ = ["Prediction"]

# Rows that are resampled at once: 4 MB of float32 a class for 1024 columns.
BAND_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a network sees in an image.

    C classes, background first; the image has shape (H, W), its grid (h, w). Properties that are
    arrays are computed each time they are asked for.

    Parameters
    ----------
    image
        What was measured.
    model
        Whose network it was.
    grid
        How the image was sampled for the network.
    spacing
        What was found out about the distance of the columns; None where it was not asked for.
    intensity
        Range of the image, and from which height on a lone pixel counts as a spike; None for a
        scan of several channels.
    foreground
        Probability x 255 of every class but the background, on the grid, (C - 1, h, w).
    spread
        Twice the standard deviation x 255 over augmentations and members of an ensemble, on the
        grid, (h, w), or None.
    engine
        Library, precision and processor.
    warnings
        What a user must know before trusting the numbers, one sentence each.
    """

    image: Micrograph
    model: Model
    grid: Grid
    spacing: Spacing | None
    intensity: IntensityRange | None
    foreground: NDArray[np.uint8]
    spread: NDArray[np.uint8] | None = None
    engine: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def probability(self) -> FloatImage:
        """Probability of every class in the image's own pixels, shape (C, H, W)."""
        n_classes = self.foreground.shape[0] + 1
        probability = np.empty((n_classes, *self.image.shape), np.float32)
        for start, stop in self._bands():
            probability[:, start:stop] = self.probability_rows(start, stop)
        return probability

    @property
    def class_map(self) -> NDArray[np.uint8]:
        """Most probable class of every pixel of the image, shape (H, W)."""
        return self._stacked(self.class_map_rows, np.uint8)

    @property
    def uncertainty(self) -> FloatImage:
        """0 where the network is certain, 1 where every class is as probable, shape (H, W).

        The entropy of the probabilities over that of a uniform distribution; with augmentation or
        an ensemble at least their spread.
        """
        return self._stacked(self.uncertainty_rows, np.float32)

    def probability_rows(self, start: int, stop: int) -> FloatImage:
        """Rows of :attr:`probability`, shape (C, stop - start, W)."""
        planes = [_on_image(plane, self.grid, start, stop) for plane in self.foreground]
        foreground = np.stack(planes) / np.float32(255)
        background = np.clip(1 - foreground.sum(axis=0, keepdims=True), 0, 1)
        return np.concatenate([background, foreground])

    def class_map_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows of :attr:`class_map`, shape (stop - start, W)."""
        if self.foreground.shape[0] == 1:
            half = np.float32(127.5)
            plane = _on_image(self.foreground[0], self.grid, start, stop)
            return np.asarray(plane > half, np.uint8)
        return np.asarray(self.probability_rows(start, stop).argmax(axis=0), np.uint8)

    def uncertainty_rows(self, start: int, stop: int) -> FloatImage:
        """Rows of :attr:`uncertainty`, shape (stop - start, W)."""
        probability = self.probability_rows(start, stop)
        n_classes = probability.shape[0]
        logarithm = np.log(np.maximum(probability, np.float32(1e-12)))
        entropy = -(probability * logarithm).sum(axis=0) / np.float32(np.log(n_classes))
        if self.spread is not None:
            spread = _on_image(self.spread, self.grid, start, stop) / np.float32(255)
            entropy = np.maximum(entropy, spread)
        return np.asarray(np.clip(entropy, 0, 1), np.float32)

    def _bands(self) -> list[tuple[int, int]]:
        height = self.image.shape[0]
        return [(start, min(start + BAND_ROWS, height)) for start in range(0, height, BAND_ROWS)]

    def _stacked(self, rows: Callable[[int, int], NDArray[Any]], dtype: Any) -> NDArray[Any]:
        stacked = np.empty(self.image.shape, dtype)
        for start, stop in self._bands():
            stacked[start:stop] = rows(start, stop)
        return stacked


def _on_image(plane: NDArray[np.uint8], grid: Grid, start: int, stop: int) -> FloatImage:
    """Rows of the image, float32 (stop - start, W), of a plane on the grid.

    Linear, so that nothing leaves 0 to 255; where the grid is finer than the image, the kernel
    widens with the step.
    """
    height, width = grid.image_shape
    if not 0 <= start < stop <= height:
        raise ValueError(f"rows {start} to {stop} of an image of {height}")
    if grid.shape == grid.image_shape:
        rows = plane[start:stop].astype(np.float32)
        let_go(plane)
        return rows
    scale = grid.scale[0]
    margin = int(np.ceil(max(1.0, scale))) + 1
    top = max(int(start * scale) - margin, 0)
    bottom = min(int(np.ceil(stop * scale)) + margin, grid.shape[0])
    box = (
        0.0,
        max(start * scale - top, 0.0),
        float(grid.shape[1]),
        min(stop * scale - top, float(bottom - top)),
    )
    part = Image.fromarray(plane[top:bottom].astype(np.float32))
    let_go(plane)
    resized = part.resize((width, stop - start), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.float32)

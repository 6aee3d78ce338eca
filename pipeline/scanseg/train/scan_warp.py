"""Drift and jitter of a scan, put on images that were measured without, and on their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scanseg.micrograph import FloatImage
from scanseg.simulate.imaging import Drift, draw_drift, row_jitter
from scanseg.train.labels import IGNORED

__all__ = ["ScanWarp", "draw_warp"]

# As in simulated images: displacement a row, and jitter over the spacing of columns.
SHEAR = 0.012
JITTER_OF_SPACING = 0.04


@dataclass(frozen=True, slots=True, eq=False)
class ScanWarp:
    """Where a scan puts what it sees. Positions are moved by the very map that images are drawn by.

    Parameters
    ----------
    drift
        Its shape, (H, W), is that of the images.
    row_shift_px
        How far along x the beam was off in each row, shape (H,).
    """

    drift: Drift
    row_shift_px: NDArray[np.float64]

    def moved(self, position_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions (N, 2) of columns, or of the vertices of lines, in the new image."""
        y, x = self.drift.moved(position_px).T
        rows = np.arange(len(self.row_shift_px))
        return np.stack([y, x - np.interp(y, rows, self.row_shift_px)], 1)

    def drawn(self, image: FloatImage) -> FloatImage:
        """The image (H, W) as this scan would have recorded it; mirrored beyond its border."""
        source = self._source()
        return np.asarray(
            ndimage.map_coordinates(image, source, order=3, mode="mirror"), np.float32
        )

    def labels(self, class_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A class map (H, W), nearest pixel; IGNORED where the scan leaves it."""
        moved = ndimage.map_coordinates(
            class_map, self._source(), order=0, mode="constant", cval=IGNORED
        )
        return np.asarray(moved, np.uint8)

    def _source(self) -> NDArray[np.float64]:
        """Position in the old image of each pixel of the new one, shape (2, H, W)."""
        height, width = self.drift.shape
        y, x = np.mgrid[:height, :width].astype(np.float64)
        recorded = np.stack([y, x + self.row_shift_px[:, None]], -1).reshape(-1, 2)
        return self.drift.undone(recorded).T.reshape(2, height, width)


def draw_warp(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    drift: bool,
    jitter: bool,
    spacing_px: float,
) -> ScanWarp:
    """Draw drift, jitter or both.

    Parameters
    ----------
    shape
        (H, W).
    drift, jitter
        Which.
    spacing_px
        Of columns, or the width of walls; jitter is a part of it.
    """
    drawn = draw_drift(shape, rng, shear=SHEAR)
    # A longer fly-back than half its reach would fold the image.
    drawn = replace(drawn, fly_back_px=min(drawn.fly_back_px, 0.025 * shape[1]))
    largest = JITTER_OF_SPACING * spacing_px
    rows = row_jitter(
        shape[0], rng, jitter_px=largest * rng.uniform(0.2, 1.0), hum_px=largest * rng.uniform()
    )
    return ScanWarp(
        drift=drawn if drift else Drift(shape, 0.0, 0.0, 0.0),
        row_shift_px=rows if jitter else np.zeros(shape[0]),
    )

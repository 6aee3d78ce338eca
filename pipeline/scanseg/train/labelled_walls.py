"""Labelled scans with domain walls as a network sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.inference import as_scan, varying_channels
from scanseg.micrograph import FloatImage, RealImage, Signal
from scanseg.preprocess import Grid, Window
from scanseg.preprocess.scan import scan_planes
from scanseg.train.augment import mirror_border
from scanseg.train.labelled import LabelledImage
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import WallRecipe
from scanseg.train.wall_artefacts import disturb_scan
from scanseg.train.wall_patches import WallPatch, turned

__all__ = ["LabelledWalls"]

# Tries to find a crop that has labels in it.
TRIES = 10


class LabelledWalls:
    """See ``scanseg.train.task.LabelledView``.

    Parameters
    ----------
    labelled
        Scan and class map.
    recipe
        Of the model.
    """

    def __init__(self, labelled: LabelledImage, recipe: WallRecipe) -> None:
        self.labelled, self._recipe = labelled, recipe
        scan, _ = as_scan(labelled.image, recipe.name)
        channels = varying_channels(scan)
        self._channels = channels
        self._planes = scan_planes(channels)
        self._complete = len(channels) == 3
        self.grid = Grid(scan.shape, scan.shape)

    def patch(
        self, grid: Grid, window: Window, rng: np.random.Generator | None = None
    ) -> WallPatch:
        """A window of the scan; its noise is not known and counts as none; ``rng`` draws artefacts.

        With artefacts the planes are those of the window alone, as they are of simulated scans.
        """
        if grid != self.grid:
            raise ValueError("scans are taken pixel by pixel")
        top, left, height, width = window
        class_map = self.labelled.wall_map
        assert class_map is not None  # labels of walls have one
        part = np.s_[top : top + height, left : left + width]
        missing = max(0, top + height - grid.shape[0]), max(0, left + width - grid.shape[1])
        padding = ((0, missing[0]), (0, missing[1]))
        labels = np.pad(class_map[part], padding, constant_values=IGNORED)
        planes = np.pad(self._planes[:, part[0], part[1]], ((0, 0), *padding), mode="symmetric")
        if rng is not None and self._recipe.artefacts:
            channels: dict[Signal, RealImage] = {
                signal: np.pad(channel[part], padding, mode="symmetric")
                for signal, channel in self._channels.items()
            }
            channels, labels = disturb_scan(channels, labels, rng, self._recipe.artefacts)
            planes = scan_planes(channels)
        return WallPatch(image=planes, class_map=labels, complete=self._complete, noise=0.0)

    def crop(self, rng: np.random.Generator) -> tuple[FloatImage, NDArray[np.uint8]]:
        """A crop, mirrored, with polarity and sign of the phase turned over."""
        side = self._recipe.patch_px
        for _ in range(TRIES):
            top, left = (
                int(rng.integers(max(length - side, 0) + 1)) for length in self.grid.shape
            )  # fmt: skip
            patch = self.patch(self.grid, Window(top, left, side, side), rng)
            if (patch.class_map != IGNORED).any():
                break
        image, class_map = turned(patch.image, patch.class_map, rng)
        if rng.uniform() < self._recipe.mirrored_border:
            image, class_map = mirror_border(image, class_map, rng, deepest_px=32)
        return np.ascontiguousarray(image), np.ascontiguousarray(class_map)

    def noise(self, rng: np.random.Generator) -> tuple[FloatImage, NDArray[np.uint8]]:
        """A crop: domains are no noise, and without them a scan is none."""
        return self.crop(rng)

"""Training for domain walls in PFM scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scanseg.bundle import Model
from scanseg.contract import Sampling
from scanseg.inference import Engine
from scanseg.inference.familiarity import scan_statistics
from scanseg.micrograph import FloatImage
from scanseg.preprocess.scan import SCAN_PLANES
from scanseg.simulate.wall_lines import FERROELASTIC, FERROELECTRIC
from scanseg.train.familiar import familiar_ranges
from scanseg.train.labelled import LabelledImage
from scanseg.train.labelled_walls import LabelledWalls
from scanseg.train.recipe import WallRecipe
from scanseg.train.task import Examples
from scanseg.train.wall_patches import SimulatedWalls, WallPatch, draw_wall_patch
from scanseg.train.wall_score import score_walls_by_class

__all__ = ["WallTask"]

# Of each statistic; one scan in fifty is outside by chance.
FAMILIAR_PERCENTILES = (1.0, 99.0)


class WallTask:
    """See ``scanseg.train.task.Task``."""

    channels = SCAN_PLANES

    def __init__(self, recipe: WallRecipe) -> None:
        self._recipe = recipe

    def patches(self, numbers: Sequence[int]) -> Examples:
        """Simulated scans."""
        return SimulatedWalls(self._recipe, numbers)

    def view(self, labelled: LabelledImage, model: Model, engine: Engine) -> LabelledWalls:
        """Pixel by pixel."""
        return LabelledWalls(labelled, self._recipe)

    def validation_set(self) -> list[WallPatch]:
        """Simulated scans that are not trained on."""
        seed, number = self._recipe.validation.seed, self._recipe.validation.n_images
        return [
            draw_wall_patch(np.random.default_rng((seed, n)), self._recipe) for n in range(number)
        ]

    def score(
        self, patches: list[WallPatch], probability: list[FloatImage], *, threshold: float
    ) -> dict[str, float]:
        """Skeletons, by class."""
        names = [each.name for each in self._recipe.classes]
        return score_walls_by_class(patches, probability, names, threshold=threshold)

    def contract_fields(self) -> dict[str, Any]:
        """Six planes, pixel by pixel."""
        return {
            "task": "walls",
            "modality": "PFM",
            "channels": self.channels,
            "sampling": Sampling(),
            "normalisation": None,
            "data": "Scans of scanseg's own PFM simulator only; no measured scan was used.",
        }

    def familiar(
        self, patches: list[WallPatch], probability: list[FloatImage]
    ) -> dict[str, tuple[float, float]]:
        """Statistics of the scans that have walls, such as can be seen."""
        rows = [
            scan_statistics(patch.image, each.sum(0))
            for patch, each in zip(patches, probability, strict=True)
            if np.isin(patch.class_map, (FERROELECTRIC, FERROELASTIC)).any()
        ]
        return familiar_ranges(rows, FAMILIAR_PERCENTILES)

    def describe_input(self) -> str:
        """Planes, and what counts as found."""
        return """\
Six planes, pixel by pixel as measured: amplitude as 4 A / (A + median) - 2; cosine and sine of the
phase after both polarities were turned to 0° and 180°; the response from its mean on, along the
axis on which it varies most and across, over that variation; height above the surroundings in
standard deviations. A channel that is missing is 0, and so is
what was not measured. F1 counts pixels of skeletons within 2 px, one to one, each class by itself.
A lamella narrower than the tip is one line. Walls are 2 to 16 px wide (2 w) in training: reduce a
scan whose walls are wider."""

"""Training for atom columns in STEM images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from scanseg.bundle import Model
from scanseg.contract import Sampling
from scanseg.inference import Engine
from scanseg.inference.familiarity import column_statistics
from scanseg.micrograph import FloatImage
from scanseg.train.atom_patches import AtomPatch, SimulatedAtoms, draw_patch
from scanseg.train.atom_score import score_classes, score_detection
from scanseg.train.familiar import familiar_ranges
from scanseg.train.labelled import LabelledImage
from scanseg.train.labelled_atoms import LabelledAtoms, view_atoms
from scanseg.train.recipe import AtomRecipe
from scanseg.train.task import Examples

__all__ = ["AtomTask"]

# Of each statistic, one end of which is warned of: of 83 real images none was outside, and of
# noise, photographs and pictures of other instruments more than with the outermost hundredth.
FAMILIAR_PERCENTILES = (2.0, 98.0)

# What a card says of the classes; F1 of a class counts finds of that class alone.
_CLASSES = {
    "column": "",
    "species": """

**Classes.** A column is what is written on it in the simulation. A vacancy is the middle of the gap
that one missing atom leaves, or two side by side (5-8-5); it is no column, has a position and is
not fitted. Larger holes are background. Class accuracy is over columns that were found.""",
    "sublattice": """

**Classes.** The kinds of columns of a crystal that can be seen, in the order of their strength, are
parted where the ratio of one to the next is largest, if that is 0.75 or less. Where no kind is so
much weaker (metals, GaAs, CdTe) all are heavy. A substituted column, or one that lacks atoms,
belongs where its own strength is; within 10 % of the border it is neither. So in HAADF of
perovskites the A site is heavy and B-O light, in ABF A and B-O are heavy and O is light, in MoSe2
Se2 is heavy. Class accuracy is over columns that were found.""",
}


class AtomTask:
    """See ``scanseg.train.task.Task``."""

    channels = ("intensity",)

    def __init__(self, recipe: AtomRecipe) -> None:
        self._recipe = recipe

    def patches(self, numbers: Sequence[int]) -> Examples:
        """Simulated images."""
        return SimulatedAtoms(self._recipe, numbers)

    def view(self, labelled: LabelledImage, model: Model, engine: Engine) -> LabelledAtoms:
        """At the spacing of the labelled columns, or as the model samples images without one."""
        return view_atoms(labelled, model, engine, self._recipe)

    def validation_set(self) -> list[AtomPatch]:
        """Simulated images that are not trained on."""
        seed, number = self._recipe.validation.seed, self._recipe.validation.n_images
        return [draw_patch(np.random.default_rng((seed, n)), self._recipe) for n in range(number)]

    def score(
        self, patches: list[AtomPatch], probability: list[FloatImage], *, threshold: float
    ) -> dict[str, float]:
        """Detection of columns, class-free; then class by class if there are several."""
        foreground = [each.sum(0) for each in probability]
        figures = asdict(score_detection(patches, foreground, threshold=threshold))
        names = [each.name for each in self._recipe.classes[1:]]
        if len(names) > 1:
            figures |= score_classes(patches, probability, names, threshold=threshold)
        return figures

    def contract_fields(self) -> dict[str, Any]:
        """Sampling by spacing."""
        return {
            "task": "atoms",
            "modality": "STEM",
            "channels": self.channels,
            "sampling": Sampling(spacing_px=self._recipe.spacing_px),
            "normalisation": self._recipe.normalisation,
            "data": "Images of scanseg's own STEM simulator only; no measured image was used.",
        }

    def familiar(
        self, patches: list[AtomPatch], probability: list[FloatImage]
    ) -> dict[str, tuple[float, float]]:
        """Statistics of the images in which columns were found."""
        rows = [
            column_statistics([(patch.image[0], each.sum(0))], spacing_px=self._recipe.spacing_px)
            for patch, each in zip(patches, probability, strict=True)
        ]
        return familiar_ranges(rows, FAMILIAR_PERCENTILES)

    def describe_input(self) -> str:
        """Grid, range, and what counts as found."""
        recipe = self._recipe
        return f"""\
One channel, brought to about {recipe.spacing_px:g} pixels between nearest columns, 0 at
the mean of the surroundings ({recipe.normalisation.window_px:g} px, Gaussian) and 1 a standard
deviation above it. Columns are bright in it: images in which they are dark are turned over first.
F1 counts visible columns within a quarter of the spacing. Columns closer than about 2.2 times
their width are one peak to it. Contamination, amorphous material and holes are background by
intention.{_CLASSES[recipe.labels.truth]}"""

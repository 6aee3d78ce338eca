"""Simulated images as users would have them: predicted as a whole, sampling and all.

A network that was trained further may see columns in noise at a sampling that nobody asked for, and
then that sampling is taken. Patches that are simulated at the right one do not show it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanseg.preprocess import Grid, measure_range
from scanseg.simulate.stem import simulate
from scanseg.train.labelled import LabelledColumns, LabelledImage
from scanseg.train.labelled_atoms import LabelledAtoms
from scanseg.train.labelled_files import LabelFiles
from scanseg.train.recipe import AtomRecipe

__all__ = ["whole_images"]

# Pixels of an image over those of the grid, and sides of the images.
MAGNIFICATION = (0.9, 2.3)
SIDES_PX = (160, 256)


def whole_images(recipe: AtomRecipe, *, n: int) -> list[LabelledAtoms]:
    """Images of the recipe's scenes at samplings of their own, none of which is trained on."""
    return [_draw(recipe, number) for number in range(n)]


def _draw(recipe: AtomRecipe, number: int) -> LabelledAtoms:
    rng = np.random.default_rng((recipe.validation.seed, number, 7))
    low, high = MAGNIFICATION
    magnification = float(low * (high / low) ** rng.uniform())
    height, width = (int(side) for side in rng.integers(*SIDES_PX, size=2))
    scene = recipe.scene.magnified(magnification)
    simulated = simulate(rng, shape=(height, width), config=scene)
    name = f"simulated {number}"
    labelled = LabelledImage(
        LabelFiles(name, Path(name), Path(name), "points"),
        simulated.micrograph(),
        sha256="",
        labelled=np.ones((height, width), bool),
        columns=LabelledColumns(
            simulated.position_px, np.ones(len(simulated.position_px), np.int64), simulated.visible
        ),
    )
    grid = Grid((height, width), (height, width))  # only asked for where an image is trained on
    intensity = measure_range(labelled.image.data, recipe.normalisation)
    return LabelledAtoms(labelled, grid, intensity, recipe)

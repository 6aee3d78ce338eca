"""A look at what a network will be trained on, before it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scanseg.train.mosaic import draw_sheet
from scanseg.train.recipe import AtomRecipe, WallRecipe, read_recipe
from scanseg.train.task import LabelledView, task_of

if TYPE_CHECKING:
    from scanseg.bundle import Model
    from scanseg.train.labelled import LabelledImage

__all__ = ["preview_labelled", "preview_recipe"]

N_PATCHES = 24


def preview_recipe(path: Path, sheet: Path, *, overrides: tuple[str, ...] = ()) -> None:
    """Draw the first patches that a recipe trains on, with their labels, as a PNG.

    Parameters
    ----------
    path
        The recipe.
    sheet
        Where to draw.
    overrides
        ``dotted.key=value`` settings on top of the recipe.
    """
    recipe = read_recipe(path, overrides=overrides)
    task = task_of(recipe)
    patches = task.patches(range(N_PATCHES))
    examples = [patches[number] for number in range(N_PATCHES)]
    draw_sheet(examples, recipe.classes, task.channels, sheet)


def preview_labelled(
    images: Sequence[LabelledImage], base: Model, recipe: AtomRecipe | WallRecipe, sheet: Path
) -> None:
    """Draw crops of labelled images as they are trained on, each image in turn.

    Parameters
    ----------
    images
        Labelled images, at least one.
    base
        The model to be trained further.
    recipe
        Of the model.
    sheet
        Where to draw.
    """
    from scanseg.inference import open_engine

    task = task_of(recipe)
    engine = open_engine(base)
    views: list[LabelledView] = [task.view(each, base, engine) for each in images]
    rng = np.random.default_rng(recipe.seed)
    examples = []
    for number in range(N_PATCHES):
        image, class_map = views[number % len(views)].crop(rng)
        examples.append((torch.from_numpy(image), torch.from_numpy(class_map.astype(np.int64))))
    draw_sheet(examples, recipe.classes, task.channels, sheet)

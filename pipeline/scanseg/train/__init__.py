"""Training: recipes, simulated patches, labelled images, losses, the loop, the bundle at its end.

Importing this package loads no torch; training does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scanseg.train.recipe import AtomRecipe, Recipe, WallRecipe, read_recipe
from scanseg.train.retrain_settings import Retraining

if TYPE_CHECKING:
    from scanseg.bundle import Model

__all__ = ["AtomRecipe", "Recipe", "Retraining", "WallRecipe", "read_recipe", "train_recipe"]


def train_recipe(
    path: Path, *, output: Path, budget_s: float | None = None, resume: bool = False,
    start_from: Model | None = None, overrides: tuple[str, ...] = (),
    on_validation: Callable[[int, float], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Model:  # fmt: skip
    """Train what a recipe says and write it as a bundle; see :mod:`scanseg.train.fit`."""
    from scanseg.train import fit

    return fit.train_recipe(
        path, output=output, budget_s=budget_s, resume=resume, start_from=start_from,
        overrides=overrides, on_validation=on_validation, say=say,
    )  # fmt: skip

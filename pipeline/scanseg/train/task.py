"""What a training needs to know of what it trains for: examples, a score, and the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from scanseg.micrograph import FloatImage
from scanseg.preprocess import Grid, Window
from scanseg.train.recipe import AtomRecipe, Recipe, WallRecipe

if TYPE_CHECKING:
    from scanseg.bundle import Model
    from scanseg.inference import Engine
    from scanseg.train.labelled import LabelledImage

__all__ = ["Example", "Examples", "LabelledView", "Patch", "Task", "task_of"]

Example = tuple[torch.Tensor, torch.Tensor]  # input (channels, h, w), class map (h, w)
Examples = Dataset[Example]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A training example; what a task knows beside it is in a class of its own.

    Parameters
    ----------
    image
        Network input, shape (channels, height, width).
    class_map
        Shape (height, width), uint8.
    """

    image: FloatImage
    class_map: NDArray[np.uint8]


class LabelledView(Protocol):
    """A labelled image as a network sees it: a source of patches, whatever was labelled and how."""

    @property
    def labelled(self) -> LabelledImage:
        """The image and its labels."""
        ...

    @property
    def grid(self) -> Grid:
        """How the image is sampled for the network."""
        ...

    def patch(self, grid: Grid, window: Window) -> Any:
        """A window of the image on a grid, as a patch of the task; the labels' own grid or any."""
        ...

    def crop(self, rng: np.random.Generator) -> tuple[FloatImage, NDArray[np.uint8]]:
        """Input and class map to train on, from anywhere, turned as the task allows."""
        ...

    def noise(self, rng: np.random.Generator) -> tuple[FloatImage, NDArray[np.uint8]]:
        """The same of the image's noise alone, without an object; a crop where it is not known."""
        ...


class Task(Protocol):
    """A kind of object that networks are trained to find."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Input channels of the network."""
        ...

    def patches(self, numbers: Sequence[int]) -> Examples:
        """Patches of the recipe's stream, drawn when they are asked for."""
        ...

    def view(self, labelled: LabelledImage, model: Model, engine: Engine) -> LabelledView:
        """A labelled image for the grid of a model; the model may look at it to find the grid."""
        ...

    def validation_set(self) -> list[Any]:
        """The fixed set of a recipe; its stream of random numbers is no training stream."""
        ...

    def score(
        self, patches: list[Any], probability: list[FloatImage], *, threshold: float
    ) -> dict[str, float]:
        """Figures of merit of foreground maps, each (C - 1, height, width); ``f1`` is one."""
        ...

    def contract_fields(self) -> dict[str, Any]:
        """What the contract of a model says about this task."""
        ...

    def familiar(
        self, patches: list[Any], probability: list[FloatImage]
    ) -> dict[str, tuple[float, float]]:
        """Range of statistics over the validation set, to tell images that are unlike it."""
        ...

    def describe_input(self) -> str:
        """A paragraph of the model card."""
        ...


def task_of(recipe: Recipe) -> Task:
    """The task of a recipe."""
    # Here, because both modules need the names above.
    from scanseg.train.atom_task import AtomTask
    from scanseg.train.wall_task import WallTask

    if isinstance(recipe, WallRecipe):
        return WallTask(recipe)
    assert isinstance(recipe, AtomRecipe)
    return AtomTask(recipe)

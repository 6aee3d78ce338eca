"""Simulated patches of atom columns, the same for the same seed and number.

Patch *n* of a seed depends on nothing else: not on the process that draws it, nor on the patches
before it. So a training that was interrupted goes on with exactly the patches it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from scanseg.micrograph import FloatImage
from scanseg.preprocess import Grid, Window, measure_range, normalise, resample_window
from scanseg.simulate.columns import VACANCY
from scanseg.simulate.stem import SimulatedStem, simulate
from scanseg.train.augment import augment, build_augmentation, mirror_border
from scanseg.train.labels import draw_labels
from scanseg.train.recipe import AtomRecipe
from scanseg.train.task import Example, Patch

__all__ = ["AtomPatch", "SimulatedAtoms", "draw_patch"]


@dataclass(frozen=True, slots=True, eq=False)
class AtomPatch(Patch):
    """A patch and the columns behind its class map.

    Parameters
    ----------
    image, class_map
        See ``Patch``.
    position_px
        Columns in the patch, and vacancies where they are a class, shape (N, 2), on its own pixels.
    visible
        Shape (N,).
    spacing_px
        Distance of nearest visible columns.
    snr
        Signal-to-noise ratio of a typical visible column; nan for none.
    """

    position_px: NDArray[np.float64]
    visible: NDArray[np.bool_]
    spacing_px: float
    snr: float


def draw_patch(rng: np.random.Generator, recipe: AtomRecipe) -> AtomPatch:
    """Simulate an image at some sampling, and bring it to the grid and range of a network."""
    side = recipe.patch_px
    low, high = recipe.native_scale
    native = float(low * (high / low) ** rng.uniform()) if rng.uniform() < 0.5 else 1.0
    native_side = round(side * native)
    simulated = simulate(
        rng, shape=(native_side, native_side), config=recipe.scene.magnified(native_side / side)
    )
    grid = Grid((native_side, native_side), (side, side))
    intensity = replace(
        measure_range(_not_constant(simulated.image), recipe.normalisation),
        dark_columns=simulated.signal.has_dark_columns,
    )
    sampled = resample_window(simulated.image, grid, Window(0, 0, side, side), intensity)
    sites = _sites(simulated, recipe)
    position = grid.to_grid(sites.position_px)
    class_map = draw_labels((side, side), position, sites.class_index, sites.visible, recipe.labels)
    snr = simulated.snr[simulated.visible]
    return AtomPatch(
        image=normalise(sampled, intensity, recipe.normalisation)[None],
        class_map=class_map,
        position_px=position,
        visible=sites.visible,
        spacing_px=simulated.spacing_px * side / native_side,
        snr=float(np.median(snr)) if len(snr) else float("nan"),
    )


class SimulatedAtoms(Dataset[Example]):
    """Patches of a recipe, drawn when they are asked for.

    Parameters
    ----------
    recipe
        What to draw.
    numbers
        Which patches of the recipe's stream.
    """

    def __init__(self, recipe: AtomRecipe, numbers: Sequence[int]) -> None:
        self._recipe = recipe
        self._numbers = numbers
        self._augmentation = build_augmentation(recipe.augmentation, recipe.normalisation)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Example:
        """Network input (1, height, width) and class map (height, width)."""
        number = self._numbers[index]
        recipe = self._recipe
        rng = np.random.default_rng((recipe.seed, number))
        patch = draw_patch(rng, recipe)
        seed = (recipe.seed * 1_000_003 + number) % 2**31
        image, class_map = augment(
            patch.image[0], patch.class_map, self._augmentation, recipe.normalisation, seed=seed
        )
        if rng.uniform() < recipe.mirrored_border:
            image, class_map = mirror_border(image, class_map, rng, deepest_px=32)
        return torch.from_numpy(image[None]), torch.from_numpy(class_map.astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _Sites:
    """What a network is asked for, S of them.

    Parameters
    ----------
    position_px
        On the simulated image, shape (S, 2).
    class_index
        Shape (S,), 0 where there is no class for it.
    visible
        Shape (S,).
    """

    position_px: NDArray[np.float64]
    class_index: NDArray[np.int64]
    visible: NDArray[np.bool_]


def _sites(simulated: SimulatedStem, recipe: AtomRecipe) -> _Sites:
    """Columns, and vacancies where they have a class, with their class by the recipe's truth."""
    position, visible, truth = simulated.position_px, simulated.visible, recipe.labels.truth
    if truth == "column":
        return _Sites(position, np.ones(len(position), np.int64), visible)
    names = [each.name for each in recipe.classes]
    called = simulated.species if truth == "species" else simulated.sublattice
    if truth == "species" and VACANCY in names:
        gaps = simulated.vacancy_px
        position = np.concatenate([position, gaps])
        visible = np.concatenate([visible, simulated.vacancy_visible])
        called = np.concatenate([called, np.full(len(gaps), VACANCY)])
    class_index = np.zeros(len(called), np.int64)
    for index, name in enumerate(names[1:], start=1):
        class_index[called == name] = index
    return _Sites(position, class_index, visible & (class_index > 0))


def _not_constant(image: FloatImage) -> FloatImage:
    """An image without a single count has no range; one count gives it one."""
    if image.max() > image.min():
        return image
    lit = image.copy()
    lit.flat[0] += 1.0
    return lit

"""Batches of a training, from the step on where it is, each process its share of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, TensorDataset

from scanseg.train.processes import one_thread
from scanseg.train.recipe import Recipe
from scanseg.train.task import Examples, Patch

__all__ = ["NumbersFrom", "training_loader", "validation_loader"]


class NumbersFrom(Sampler[int]):
    """Numbers of one process from ``first`` on, with the length of all that it has.

    Lightning counts from the beginning: with a loader of what is left, it takes the steps that were
    done for a part of it, and begins once more at ``first`` when the rest seems to be used up.

    Parameters
    ----------
    first, total
        Of the numbers of all processes together; multiples of ``batch``.
    batch
        Numbers a batch of all processes; each takes as many of every batch.
    rank, world
        Which process of how many.
    """

    def __init__(
        self, first: int, total: int, *, batch: int = 1, rank: int = 0, world: int = 1
    ) -> None:
        self._first, self._total, self._batch = first, total, batch
        self._rank, self._world = rank, world

    def __iter__(self) -> Iterator[int]:
        share = self._batch // self._world
        for start in range(self._first, self._total, self._batch):
            yield from range(start + self._rank * share, start + (self._rank + 1) * share)

    def __len__(self) -> int:
        return self._total // self._world


def training_loader(
    recipe: Recipe,
    examples: Examples,
    *,
    done_steps: int = 0,
    rank: int = 0,
    world: int = 1,
    start_worker: Callable[[int], None] = one_thread,
) -> DataLoader[Any]:
    """Batches of one process, after the steps that are done.

    Parameters
    ----------
    recipe
        Says how many steps of how many examples, and how many processes simulate.
    examples
        All of the training, in its order.
    done_steps
        Steps taken already.
    rank, world
        Which process of how many.
    start_worker
        Called first in each process that simulates, with its number.
    """
    a_step = recipe.batch * recipe.optimisation.accumulate
    return DataLoader(
        examples,
        batch_size=recipe.batch // world,
        sampler=NumbersFrom(
            done_steps * a_step, recipe.steps * a_step, batch=recipe.batch, rank=rank, world=world
        ),
        num_workers=recipe.workers,
        persistent_workers=recipe.workers > 0,
        prefetch_factor=4 if recipe.workers else None,
        worker_init_fn=start_worker,
    )


def validation_loader(recipe: Recipe, patches: list[Patch]) -> DataLoader[Any]:
    """Batches of the validation set, the same in every process."""
    image = np.stack([patch.image for patch in patches])
    class_map = np.stack([patch.class_map for patch in patches]).astype(np.int64)
    return DataLoader(
        TensorDataset(torch.from_numpy(image), torch.from_numpy(class_map)),
        batch_size=recipe.batch,
    )

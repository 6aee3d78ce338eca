"""Batches of labelled images, and of simulated ones so that nothing is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from scanseg.train.task import Example, Examples, LabelledView

__all__ = ["Replay"]


class Replay(Dataset[Example]):
    """Labelled crops, with simulated patches in a part of every batch.

    Example *n* depends on its number and the seed alone, see ``atom_patches``.

    Parameters
    ----------
    views
        Labelled images; each is drawn from equally often.
    simulated
        As many simulated patches as there are examples, or more.
    batch
        Examples a step.
    replayed
        Share of a batch that is simulated.
    n_examples
        How many.
    seed
        Of the crops.
    """

    def __init__(
        self,
        views: Sequence[LabelledView],
        simulated: Examples,
        *,
        batch: int,
        replayed: float,
        n_examples: int,
        seed: int,
    ) -> None:
        self._views, self._simulated = views, simulated
        self._batch, self._n_simulated = batch, round(replayed * batch)
        self._n_examples, self._seed = n_examples, seed

    def __len__(self) -> int:
        return self._n_examples

    def __getitem__(self, number: int) -> Example:
        """Network input (channels, height, width) and class map (height, width)."""
        step, place = divmod(number, self._batch)
        if place < self._n_simulated:
            # Numbered without gaps: several patches of one simulated scan follow each other.
            return self._simulated[step * self._n_simulated + place]
        rng = np.random.default_rng((self._seed, number, 3))
        image, class_map = self._views[int(rng.integers(len(self._views)))].crop(rng)
        return torch.from_numpy(image), torch.from_numpy(class_map.astype(np.int64))

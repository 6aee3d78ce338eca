"""Batches of labelled images, and of others so that nothing is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from scanseg.train.recipe import AtomRecipe, WallRecipe
from scanseg.train.retrain_settings import Retraining
from scanseg.train.task import Example, Examples, LabelledView

__all__ = ["Makeup", "Replay"]


@dataclass(frozen=True, slots=True)
class Makeup:
    """How many examples of each kind a batch has; they follow each other in this order.

    Parameters
    ----------
    recalled
        Simulated, at samplings that are not trained on: what the old network sees there is right.
    simulated
        As in the training of the model.
    noise
        Of the labelled images, without an object.
    labelled
        Crops of labelled images.
    """

    recalled: int
    simulated: int
    noise: int
    labelled: int

    @classmethod
    def of(cls, settings: Retraining, recipe: AtomRecipe | WallRecipe) -> Makeup:
        """Shares of a batch, to whole examples.

        Scans are not sampled, so nothing is recalled of them but what is simulated as usual; and
        their noise without domains is not known.
        """
        batch, replayed = recipe.batch, settings.replayed
        if isinstance(recipe, WallRecipe):
            simulated = round((replayed + settings.recalled) * batch)
            return cls(0, simulated, 0, batch - simulated)
        simulated = round(replayed * batch)
        # Rounded down, so that small batches have room for labels.
        recalled, noise = int(settings.recalled * batch), int(settings.noise * batch)
        return cls(recalled, simulated, noise, batch - recalled - simulated - noise)

    @property
    def batch(self) -> int:
        """Examples a step."""
        return self.recalled + self.simulated + self.noise + self.labelled

    def place(self, number: int) -> tuple[str, int]:
        """Kind of an example, and its number among those of its kind."""
        step, place = divmod(number, self.batch)
        for kind in ("recalled", "simulated", "noise", "labelled"):
            n_kind: int = getattr(self, kind)
            if place < n_kind:
                return kind, step * n_kind + place
            place -= n_kind
        raise AssertionError("a batch has no more examples")


class Replay(Dataset[Example]):
    """Labelled crops, with other patches in a part of every batch.

    Example *n* depends on its number and the seed alone, see ``atom_patches``.

    Parameters
    ----------
    views
        Labelled images; each is drawn from equally often.
    simulated, recalled
        As many simulated patches of these kinds as are asked for, or more.
    makeup
        Of a batch.
    n_examples
        How many.
    seed
        Of the crops.
    """

    def __init__(
        self,
        views: Sequence[LabelledView],
        simulated: Examples,
        recalled: Examples,
        *,
        makeup: Makeup,
        n_examples: int,
        seed: int,
    ) -> None:
        self._views = views
        # Numbered without gaps: several patches of one simulated scan follow each other.
        self._drawn = {"simulated": simulated, "recalled": recalled}
        self._makeup, self._n_examples, self._seed = makeup, n_examples, seed

    def __len__(self) -> int:
        return self._n_examples

    def __getitem__(self, number: int) -> Example:
        """Network input (channels, height, width) and class map (height, width)."""
        kind, of_kind = self._makeup.place(number)
        if kind in self._drawn:
            return self._drawn[kind][of_kind]
        rng = np.random.default_rng((self._seed, number, 3))
        view = self._views[int(rng.integers(len(self._views)))]
        image, class_map = view.crop(rng) if kind == "labelled" else view.noise(rng)
        return torch.from_numpy(image), torch.from_numpy(class_map.astype(np.int64))

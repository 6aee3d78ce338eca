"""Training on without forgetting: where nothing is labelled, the old network says what is right.

A network that learns one noisy kind of image by heart comes to see its columns in noise elsewhere,
first at samplings that no training shows and that the search for the sampling tries. There the loss
is the distance from what the old network sees (Li, Hoiem, "Learning without forgetting", TPAMI 40,
2935, 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from scanseg.train.module import SegmentationModule
from scanseg.train.recipe import AtomRecipe, WallRecipe

__all__ = ["RecallingModule", "widened"]

# Weight of the distance from the old network beside the loss on labels, for the same pixels.
WEIGHT = 4.0
# The search goes from 5 px of the image a column to a fifth of the image; this covers it on grids
# whose columns are about as far apart as the network knows them.
WIDER = 2.2


class RecallingModule(SegmentationModule):
    """Trains a network on, beside the one it was.

    Parameters
    ----------
    recipe, budget_s
        See ``SegmentationModule``.
    old
        The network as it was; is not trained.
    n_recalled
        So many examples at the start of every batch have no labels: the old network knows them.
    """

    def __init__(
        self,
        recipe: AtomRecipe | WallRecipe,
        *,
        old: nn.Module,
        n_recalled: int,
        budget_s: float | None = None,
    ) -> None:
        super().__init__(recipe, [], budget_s=budget_s)
        # In a tuple, so that it is no part of what is trained: it stays in evaluation mode.
        self._old = (old.eval().requires_grad_(False),)
        self._n_recalled = n_recalled

    @property
    def old(self) -> nn.Module:
        """The network as it was."""
        return self._old[0]

    def loss_of(self, image: Tensor, class_map: Tensor) -> Tensor:
        """Loss on what is labelled, and distance from the old network on what is not.

        Side outputs, where a network has them, are only trained where nothing is recalled.
        """
        n = self._n_recalled
        if not n:
            return super().loss_of(image, class_map)
        with torch.no_grad():
            old = self.old.to(image.device)
            known = old(image[:n].contiguous(memory_format=torch.channels_last)).float()
        # In one pass, so that the means of batches are those of all kinds of images.
        logits = self(image)
        labelled = self.loss(logits[n:], class_map[n:])
        return torch.as_tensor(labelled + WEIGHT * n / len(image) * distance(logits[:n], known))


def distance(logits: Tensor, known: Tensor) -> Tensor:
    """Mean over the pixels of the divergence of class probabilities from known ones.

    Parameters
    ----------
    logits, known
        Logits (N, C, h, w).

    Notes
    -----
    Kullback and Leibler's: 0 where both say the same.
    """
    return (
        functional.kl_div(
            functional.log_softmax(logits.float(), 1),
            functional.log_softmax(known, 1),
            reduction="none",
            log_target=True,
        )
        .sum(1)
        .mean()
    )


def widened(recipe: AtomRecipe | WallRecipe) -> AtomRecipe | WallRecipe:
    """The recipe at samplings beyond its own as well; scans are not sampled and stay the same."""
    if isinstance(recipe, WallRecipe):
        return recipe
    low, high = recipe.scene.spacing_px
    scene = recipe.scene.model_copy(update={"spacing_px": (low / WIDER, high * WIDER)})
    return recipe.model_copy(update={"scene": scene})

"""Threshold and temperature of a network, chosen on labelled images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from scanseg.bundle import Model, ModelContract, foreground_probability, load_weights
from scanseg.inference import Engine
from scanseg.micrograph import FloatImage
from scanseg.nets import build_network
from scanseg.nets.halves import NEW_SHARE, grow_classes
from scanseg.preprocess import Window
from scanseg.train.calibration import best_threshold, fit_temperature
from scanseg.train.labels import IGNORED
from scanseg.train.task import LabelledView, Patch, Task

__all__ = ["foreground_score", "logits_of", "masked", "middle_patch", "network_of", "recalibrate"]

# Sides of what is looked at of a labelled image.
LARGEST_PX = 768


def network_of(
    model: Model, *, member: int | None = None, n_classes: int | None = None,
    new_share: float = NEW_SHARE,
) -> nn.Module:  # fmt: skip
    """The network of a model with its weights, in PyTorch, ready to be used.

    Parameters
    ----------
    model
        Its contract says what network it is.
    member
        This one of an ensemble alone; all of them by default.
    n_classes
        Classes that it is to have, the model's own and new ones after them.
    new_share
        See :func:`scanseg.nets.halves.grow_classes`.
    """
    contract = model.contract
    one = member is not None and contract.members > 1
    network = build_network(
        contract.architecture,
        n_channels=len(contract.channels),
        n_classes=len(contract.classes),
        n_members=1 if one else contract.members,
    )
    load_weights(model, network, member=member if one else None)
    n_new = (n_classes or len(contract.classes)) - len(contract.classes)
    if n_new:
        grow_classes(network, n_new, share=new_share)
    return network.eval()


def middle_patch(view: LabelledView, *, multiple_px: int) -> Patch:
    """The middle of a labelled image, of sides that a network takes."""
    sides = [
        max(min(length, LARGEST_PX) // multiple_px * multiple_px, multiple_px)
        for length in view.grid.shape
    ]
    top, left = (
        max(length - side, 0) // 2 for length, side in zip(view.grid.shape, sides, strict=True)
    )
    patch: Patch = view.patch(view.grid, Window(top, left, sides[0], sides[1]))
    return patch


def logits_of(engine: Engine, patches: Sequence[Patch]) -> list[FloatImage]:
    """Logits (K C, height, width) of each patch; inference needs a quarter of PyTorch's time."""
    return [engine.logits(np.ascontiguousarray(patch.image[None]))[0] for patch in patches]


def masked(probability: FloatImage, patch: Patch) -> FloatImage:
    """Foreground (C - 1, h, w), 0 where a patch is not labelled: finds there count neither way."""
    return np.where(patch.class_map == IGNORED, np.float32(0), probability)


def foreground_score(
    task: Task, patches: Sequence[Patch], logits: Sequence[FloatImage], *, temperature: float,
    threshold: float, n_members: int,
) -> float:  # fmt: skip
    """F1 of logits over patches."""
    found = _foreground(patches, logits, temperature, n_members)
    return task.score(list(patches), found, threshold=threshold)["f1"]


def recalibrate(
    task: Task,
    kinds: Sequence[Sequence[Patch]],
    logits: Sequence[Sequence[FloatImage]],
    contract: ModelContract,
) -> ModelContract:
    """The contract with threshold and temperature chosen anew.

    Parameters
    ----------
    task
        Scores.
    kinds
        Patches of each kind of image that counts, such as labelled and simulated ones.
    logits
        Of the network, for each of them.
    contract
        Of the network.

    Notes
    -----
    The threshold has the best mean F1 over the kinds, each kind counting the same. The temperature
    is that of all their pixels.
    """
    n_members = contract.members
    temperature = fit_temperature(
        [patch for patches in kinds for patch in patches],
        [each for of_kind in logits for each in of_kind],
        n_members=n_members,
    )
    found = [
        _foreground(patches, of_kind, temperature, n_members)
        for patches, of_kind in zip(kinds, logits, strict=True)
    ]

    def mean_f1(threshold: float) -> float:
        return float(
            np.mean(
                [
                    task.score(list(patches), of_kind, threshold=threshold)["f1"]
                    for patches, of_kind in zip(kinds, found, strict=True)
                ]
            )
        )

    return contract.model_copy(
        update={"temperature": temperature, "threshold": best_threshold(mean_f1)}
    )


def _foreground(
    patches: Sequence[Patch], logits: Sequence[FloatImage], temperature: float, n_members: int
) -> list[FloatImage]:
    return [
        masked(
            foreground_probability(each[None], temperature=temperature, n_members=n_members)[0],
            patch,
        )
        for patch, each in zip(patches, logits, strict=True)
    ]

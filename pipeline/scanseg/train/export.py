"""A trained network becomes a bundle: calibrated, drawn, described, stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from scanseg import __version__
from scanseg.bundle import Model, foreground_probability, measure_halo_px, save_bundle
from scanseg.contract import ModelContract
from scanseg.micrograph import FloatImage
from scanseg.nets.ensemble import Ensemble
from scanseg.train.calibration import best_threshold, fit_temperature, reliability
from scanseg.train.card import draw_reliability, write_card
from scanseg.train.mosaic import draw_mosaic
from scanseg.train.recipe import Recipe
from scanseg.train.strange_inputs import responses
from scanseg.train.task import Patch, task_of

__all__ = ["export_bundle", "measured_halo_px"]


def export_bundle(
    network: nn.Module,
    recipe: Recipe,
    patches: list[Patch],
    folder: Path,
    *,
    recipe_name: str,
    steps: int,
) -> Model:
    """Calibrate on the validation set, and write the bundle.

    Parameters
    ----------
    network
        With the weights to keep; an :class:`~scanseg.nets.ensemble.Ensemble` for several.
    recipe
        What it was trained by.
    patches
        The validation set of the recipe.
    folder
        Becomes the bundle; ``reliability.png`` and ``mosaic.png`` are drawn beside it.
    recipe_name
        File name of the recipe, for the contract.
    steps
        Steps that each member took, for the card.
    """
    task = task_of(recipe)
    n_members = len(network.members) if isinstance(network, Ensemble) else 1
    logits = _logits(network, [patch.image for patch in patches])
    temperature = fit_temperature(patches, logits, n_members=n_members)
    probability = [
        foreground_probability(each[None], temperature=temperature, n_members=n_members)[0]
        for each in logits
    ]
    threshold = best_threshold(
        lambda candidate: task.score(patches, probability, threshold=candidate)["f1"]
    )
    score = task.score(patches, probability, threshold=threshold)
    calibration = reliability(patches, probability)
    contract = ModelContract(
        name=recipe.name,
        version=recipe.version,
        classes=recipe.classes,
        architecture=recipe.architecture,
        members=n_members,
        halo_px=measured_halo_px(network, patches, temperature, n_members),
        temperature=temperature,
        threshold=threshold,
        recipe=recipe_name,
        seed=recipe.seed,
        figures={f"validation_{name}": round(value, 4) for name, value in score.items()},
        familiar=task.familiar(patches, probability),
        scanseg_version=__version__,
        **task.contract_fields(),
    )
    draw_reliability(calibration, folder.parent / "reliability.png")
    draw_mosaic(
        patches, probability, contract.classes, contract.channels, folder.parent / "mosaic.png",
        threshold=threshold,
    )  # fmt: skip
    strange = responses(
        lambda images: _logits(network, images),
        [patch.image for patch in patches],
        temperature=temperature,
        threshold=threshold,
        n_members=n_members,
    )
    card = write_card(
        contract, recipe, task.describe_input(), calibration, steps=steps, responses=strange
    )
    return save_bundle(folder, contract, network, card=card)


def _logits(network: nn.Module, images: list[FloatImage]) -> list[FloatImage]:
    network.eval()
    with torch.inference_mode():
        return [network(torch.from_numpy(image[None])).float().numpy()[0] for image in images]


def measured_halo_px(
    network: nn.Module, patches: list[Patch], temperature: float, n_members: int = 1
) -> int:
    """Margin of a tile, measured on pairs of patches side by side."""
    # An odd one is left over; a single one stands beside itself.
    pairs = list(zip(patches[0:16:2], patches[1:16:2], strict=False)) or [(patches[0], patches[0])]
    tiles = np.stack([np.concatenate([a.image, b.image], axis=2) for a, b in pairs])
    network.eval()
    return measure_halo_px(
        network, tiles, multiple_px=16, temperature=temperature, n_members=n_members
    )

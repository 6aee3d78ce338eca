"""From a recipe to a bundle: train, keep the best, calibrate, export."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from scanseg.bundle import Model, load_model, load_weights
from scanseg.errors import ConfigError
from scanseg.nets.ensemble import Ensemble
from scanseg.train.card import draw_curves
from scanseg.train.checkpoints import (
    checkpoint_folder,
    done_steps,
    kept_networks,
    last_checkpoint,
)
from scanseg.train.export import export_bundle
from scanseg.train.loaders import training_loader, validation_loader
from scanseg.train.metrics import keep_metrics
from scanseg.train.module import SegmentationModule
from scanseg.train.processes import is_first_process, is_requeued, one_thread
from scanseg.train.progress import OnValidation, Progress
from scanseg.train.recalibrate import network_of
from scanseg.train.recipe import Recipe, read_recipe
from scanseg.train.task import Patch, task_of
from scanseg.train.trainer import quiet_lightning, recipe_trainer

from pytorch_lightning import seed_everything  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import Callback  # isort: skip

__all__ = ["train_recipe"]

log = logging.getLogger(__name__)


def train_recipe(
    path: Path,
    *,
    output: Path,
    budget_s: float | None = None,
    resume: bool = False,
    start_from: Model | None = None,
    overrides: tuple[str, ...] = (),
    on_validation: Callable[[int, float], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Model:
    """Train what a recipe says and write it as a bundle.

    Parameters
    ----------
    path
        The recipe.
    output
        Folder of the run; gets ``checkpoints/``, ``metrics.csv`` and ``curves.png`` (each member of
        its own seed in a folder ``seed_N``), ``reliability.png``, ``mosaic.png`` and the bundle in
        a folder with the name of the model.
    budget_s
        Seconds the training may take, all members together; the learning rate falls to its end
        within them.
    resume
        Go on from the last checkpoint in ``output``. A job that SLURM has requeued does so unasked.
    start_from
        A bundle whose weights are trained further; of an ensemble those of its last member, which
        was trained for longest. Classes that the recipe has more start like the mean of its own.
    overrides
        ``dotted.key=value`` settings on top of the recipe.
    on_validation
        Is told the step and F1 of each validation; what it raises ends the training.
    say
        Is told what the training costs and how well it does, a sentence at a time; the log is by
        default.

    Returns
    -------
    model
        The bundle; of several processes the first one writes it, and the others wait.

    Raises
    ------
    ConfigError
        For a recipe that is not understood, a budget of no time, or a run that cannot be resumed.
    TrainingFailed
        When the loss is no number, and was none again and again at a lower learning rate.
    """
    if budget_s is not None and budget_s <= 0:
        raise ConfigError(
            f"A budget of {budget_s:g} s leaves no time to train.", hint="Give more, or none."
        )
    say = (say or log.info) if is_first_process() else log.debug
    recipe = read_recipe(path, overrides=overrides)
    parts = _parts(recipe, output, resume=resume)
    patches = task_of(recipe).validation_set()
    listeners: list[Callback] = [Progress(say)] if is_first_process() else []
    if on_validation is not None:
        listeners.append(OnValidation(on_validation))
    networks: list[nn.Module] = []
    steps = 0
    for number, part in enumerate(parts, 1):
        if len(parts) > 1:
            say(f"Member {number} of {len(parts)}, seed {part.recipe.seed}:")
        share_s = None if budget_s is None else budget_s / len(parts)
        seed_everything(part.recipe.seed, verbose=False)
        module = SegmentationModule(part.recipe, patches, budget_s=share_s)
        if start_from is not None:
            _take_weights(module.network, start_from, recipe)
        found, steps = _trained(module, part, patches, listeners)
        networks += found
    if is_first_process():
        network = networks[0] if len(networks) == 1 else Ensemble(networks)
        export_bundle(
            network, recipe, patches, output / recipe.name, recipe_name=path.name, steps=steps
        )
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    return load_model(output / recipe.name)


@dataclass(frozen=True, slots=True)
class _Part:
    """A training of one seed.

    Parameters
    ----------
    recipe
        With that seed.
    folder
        Gets checkpoints and curves.
    last
        Where it goes on; None where it begins.
    """

    recipe: Recipe
    folder: Path
    last: Path | None


def _take_weights(network: nn.Module, model: Model, recipe: Recipe) -> None:
    """Put the weights of a model into a network, and those of its last layer for new classes."""
    members = model.contract.members
    member = members - 1 if members > 1 else None
    known, wanted = len(model.contract.classes), len(recipe.classes)
    if wanted == known:
        load_weights(model, network, member=member)
        return
    if wanted < known or recipe.architecture != model.contract.architecture:
        raise ConfigError(
            f"The recipe asks for {wanted} classes by '{recipe.architecture.name}', and "
            f"'{model.name}' has {known} by '{model.contract.architecture.name}': its weights "
            "cannot be trained further.",
            hint="Name its network in the recipe, and as many classes or more; or leave --from.",
        )
    grown = network_of(model, member=member, n_classes=wanted, new_share=1.0)
    network.load_state_dict(grown.state_dict())


def _parts(recipe: Recipe, output: Path, *, resume: bool) -> list[_Part]:
    """Trainings of all seeds, with what is there of them."""
    seeds = range(recipe.seed, recipe.seed + recipe.members)
    folders = [output / f"seed_{seed}" if recipe.members > 1 else output for seed in seeds]
    stored = [last_checkpoint(folder) for folder in folders]
    resume = resume or (is_requeued() and any(stored))
    if resume and not any(stored):
        raise ConfigError(
            f"{output} holds no checkpoint, so there is nothing to go on with.",
            hint="Start without --resume.",
        )
    if not resume and any((checkpoint_folder(folder) / "last.ckpt").exists() for folder in folders):
        raise ConfigError(
            f"{output} holds an earlier training.",
            hint="Go on with it (--resume), or choose another folder.",
        )
    return [
        _Part(recipe.model_copy(update={"seed": seed}), folder, last if resume else None)
        for seed, folder, last in zip(seeds, folders, stored, strict=True)
    ]


def _trained(
    module: SegmentationModule, part: _Part, patches: list[Patch], listeners: list[Callback]
) -> tuple[list[nn.Module], int]:
    """Networks of one seed, one for each snapshot, and how many steps they took."""
    recipe, folder, last = part.recipe, part.folder, part.last
    n_patches = recipe.steps * recipe.batch * recipe.optimisation.accumulate
    training = task_of(recipe).patches(range(n_patches))
    folder.mkdir(parents=True, exist_ok=True)
    done = done_steps(last) if last else 0
    if is_first_process():
        keep_metrics(folder, before_step=done)
    with quiet_lightning():
        trainer = recipe_trainer(recipe, folder, listeners)
        batches = training_loader(
            recipe, training, done_steps=done,
            rank=trainer.global_rank, world=trainer.world_size, start_worker=one_thread,
        )  # fmt: skip
        trainer.fit(
            module, batches, validation_loader(recipe, patches),
            ckpt_path=last, weights_only=last is not None,
        )  # fmt: skip
    networks, steps = kept_networks(module, folder)
    if is_first_process():
        draw_curves(keep_metrics(folder), folder / "curves.png")
        log.info("kept the weights of step %d", steps)
    return networks, steps

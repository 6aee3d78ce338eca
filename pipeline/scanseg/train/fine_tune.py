"""All weights of a model, trained further at a low learning rate."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate

from scanseg.bundle import Model
from scanseg.errors import ConfigError
from scanseg.nets.ensemble import Ensemble
from scanseg.train.precision import trainer_precision
from scanseg.train.processes import one_thread
from scanseg.train.progress import duration
from scanseg.train.recalibrate import network_of
from scanseg.train.recall import RecallingModule, widened
from scanseg.train.recipe import AtomRecipe, Recipe, WallRecipe
from scanseg.train.replay import Makeup, Replay
from scanseg.train.retrain_settings import Retraining
from scanseg.train.task import Example, LabelledView, task_of
from scanseg.train.trainer import quiet_lightning

from pytorch_lightning import Callback, LightningModule, Trainer  # isort: skip - module.py prepared it
from pytorch_lightning import seed_everything  # isort: skip
from pytorch_lightning.loggers import CSVLogger  # isort: skip

__all__ = ["FEWEST_STEPS", "OnStep", "fine_tune", "n_workers", "too_few_steps"]

# Is told the member, from 0, its step, from 1, how many steps it takes, and the loss.
OnStep = Callable[[int, int, int, float], None]

# Fewer steps than this change nothing for the better.
FEWEST_STEPS = 20


def fine_tune(
    base: Model,
    views: Sequence[LabelledView],
    recipe: AtomRecipe | WallRecipe,
    settings: Retraining,
    *,
    deadline: float | None,
    output: Path,
    say: Callable[[str], None],
    on_step: OnStep | None = None,
) -> tuple[nn.Module, int]:
    """Train every member of a model further.

    Parameters
    ----------
    base
        Where the weights start.
    views
        Labelled images.
    recipe
        What is replayed, and the loss.
    settings
        How.
    deadline
        When all members must be trained, in seconds of ``time.monotonic``; None for no limit.
    output
        Gets ``logs/``.
    say
        Is told the cost before the start.
    on_step
        Is told every step.

    Returns
    -------
    network, steps
        In evaluation mode on the CPU, and how many steps each member took.

    Raises
    ------
    ConfigError
        When the budget does not last for a training.
    """
    n_members = base.contract.members
    step_s = _seconds_a_step(_module(base, recipe, settings, 0), views, recipe, settings)
    lasts = settings.steps
    if deadline is not None:
        lasts = min(lasts, int((deadline - time.monotonic()) / n_members / step_s))
    if lasts < min(FEWEST_STEPS, settings.steps):
        raise too_few_steps(lasts, step_s)
    members = "" if n_members == 1 else f" for each of {n_members} members"
    say(
        f"Training takes about {duration(lasts * step_s * n_members)}: {lasts} steps of "
        f"{step_s:.2g} s{members}."
    )
    networks = []
    for member in range(n_members):
        share_s = None if deadline is None else (deadline - time.monotonic()) / (n_members - member)
        module = _module(base, recipe, settings, member, steps=lasts, budget_s=share_s)
        examples = _examples(module, views, settings, member)
        with quiet_lightning():
            trainer = Trainer(
                devices=1,
                max_steps=lasts,
                limit_val_batches=0,
                precision=trainer_precision(recipe.optimisation),
                gradient_clip_val=recipe.optimisation.clip_norm,
                logger=CSVLogger(output, name="logs", version=f"member_{member}"),
                callbacks=[] if on_step is None else [_Watched(on_step, member)],
                log_every_n_steps=10,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, examples)
        steps = trainer.global_step
        networks.append(module.network.to("cpu").eval())
    return networks[0] if n_members == 1 else Ensemble(networks).eval(), steps


class _Watched(Callback):
    """Tells every step of a member."""

    def __init__(self, on_step: OnStep, member: int) -> None:
        self._on_step, self._member = on_step, member

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """As Lightning asks."""
        self._on_step(
            self._member, trainer.global_step, int(trainer.max_steps), float(outputs["loss"])
        )


def _module(
    base: Model, recipe: AtomRecipe | WallRecipe, settings: Retraining, member: int, *,
    steps: int | None = None, budget_s: float | None = None,
) -> RecallingModule:  # fmt: skip
    """What Lightning trains, with the weights of a member."""
    seed = settings.seed + 1000 * member
    seed_everything(seed, verbose=False)
    optimisation = recipe.optimisation.model_copy(update={"learning_rate": settings.learning_rate})
    changed = recipe.model_copy(
        update={"optimisation": optimisation, "steps": steps or settings.steps, "seed": seed}
    )
    old, network = (
        network_of(base, member=member, n_classes=len(recipe.classes)).to(
            memory_format=torch.channels_last  # type: ignore[call-overload]
        )
        for _ in range(2)
    )
    n_recalled = Makeup.of(settings, recipe).recalled
    module = RecallingModule(changed, old=old, n_recalled=n_recalled, budget_s=budget_s)
    module.network = network
    return module.train()


def _examples(
    module: RecallingModule, views: Sequence[LabelledView], settings: Retraining, member: int
) -> DataLoader[Example]:
    recipe = module.recipe
    workers = n_workers(recipe)
    return DataLoader(
        _replay(module, views, settings),
        batch_size=recipe.batch,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=one_thread,
    )


def n_workers(recipe: Recipe) -> int:
    """Processes that draw: as in the recipe, and no more than there are cores for this process."""
    given = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(2)
    return min(recipe.workers, len(given))


def _replay(module: RecallingModule, views: Sequence[LabelledView], settings: Retraining) -> Replay:
    recipe = module.recipe
    assert isinstance(recipe, AtomRecipe | WallRecipe)
    total = recipe.steps * recipe.batch
    return Replay(
        views,
        task_of(recipe).patches(range(total)),
        # Other patches than those of the same number that have labels.
        task_of(widened(recipe)).patches(range(total, 2 * total)),
        makeup=Makeup.of(settings, recipe),
        n_examples=total,
        seed=recipe.seed,
    )


def _seconds_a_step(
    module: RecallingModule, views: Sequence[LabelledView], recipe: AtomRecipe | WallRecipe,
    settings: Retraining,
) -> float:  # fmt: skip
    """Time of a second step; the first compiles and allocates. The module is spoilt by it."""
    replay = _replay(module, views, settings)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = copy.deepcopy(module).to(device)
    bf16 = trainer_precision(recipe.optimisation) == "bf16-mixed"
    took_s = 0.0
    for step in range(2):
        since = time.monotonic()
        numbers = range(step * recipe.batch, (step + 1) * recipe.batch)
        image, class_map = default_collate([replay[n] for n in numbers])
        drawn_s = time.monotonic() - since
        since = time.monotonic()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = module.loss_of(image.to(device), class_map.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        # Processes of their own draw while the network learns.
        trained_s = time.monotonic() - since
        workers = n_workers(recipe)
        took_s = max(trained_s, drawn_s / workers) if workers else trained_s + drawn_s
    return took_s


def too_few_steps(lasts: int, step_s: float) -> ConfigError:
    """What is said of a budget that is too small."""
    return ConfigError(
        f"The budget lasts for {max(lasts, 0)} steps of {step_s:.2g} s, too few to train.",
        hint="Give a larger --budget, or --speed threshold.",
    )

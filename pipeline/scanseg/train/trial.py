"""One training on a split of labelled images, and what came of it on the images held out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from scanseg.bundle import Model, save_bundle
from scanseg.contract import ModelContract
from scanseg.inference import Engine, open_engine
from scanseg.micrograph import FloatImage
from scanseg.train.blend import blend, largest_part
from scanseg.train.fine_tune import OnStep, fine_tune
from scanseg.train.fit import measured_halo_px
from scanseg.train.head import train_head
from scanseg.train.held_out import LabelledScore, score_labelled
from scanseg.train.labelled import LabelledImage
from scanseg.train.recalibrate import (
    foreground_score,
    logits_of,
    middle_patch,
    network_of,
    recalibrate,
)
from scanseg.train.recipe import AtomRecipe, WallRecipe
from scanseg.train.retrain_settings import Retraining
from scanseg.train.splits import Split
from scanseg.train.task import LabelledView, Patch, Task, task_of

__all__ = ["Start", "Trial", "prepare", "try_split"]

# Simulated images that tell whether something was forgotten: their F1 is known to about 0.01.
SIMULATED_IMAGES = 64
# What is left to do after a training (export, scores, threshold) over what was done before it
# (scores), which was timed; and the least it takes.
AFTER_OVER_BEFORE = 5.0
LEAST_AFTER_S = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What every training on a set of images begins with.

    Parameters
    ----------
    base
        The model.
    engine
        Of the model.
    recipe
        What is replayed, and which classes the new model has.
    task, old_task
        Of the new model; of the old one, which may have fewer classes.
    settings
        How to train.
    views
        Labelled images by name, sampled for the model.
    simulated, logits
        Simulated images, and what the model makes of them.
    judged_s
        Time that those logits and their score took.
    """

    base: Model
    engine: Engine
    recipe: AtomRecipe | WallRecipe
    task: Task
    old_task: Task
    settings: Retraining
    views: Mapping[str, LabelledView]
    simulated: list[Patch]
    logits: list[FloatImage]
    simulated_f1: float
    judged_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A trained network, and its scores.

    Parameters
    ----------
    split
        What was trained on, and what was held out.
    contract, network
        The new model.
    before, after
        On images held out; on those trained on where there are none.
    simulated_f1
        On simulated images, before and after.
    steps
        Of each member.
    """

    split: Split
    contract: ModelContract
    network: nn.Module
    before: LabelledScore
    after: LabelledScore
    simulated_f1: tuple[float, float]
    steps: int


def prepare(
    images: Sequence[LabelledImage], base: Model, recipe: AtomRecipe | WallRecipe,
    settings: Retraining,
) -> Start:  # fmt: skip
    """Sample the images for a model, and see what it makes of simulated ones."""
    task = task_of(recipe)
    old_task = task_of(recipe.model_copy(update={"classes": base.contract.classes}))
    engine = open_engine(base)
    views = {each.name: task.view(each, base, engine) for each in images}
    n_images = min(SIMULATED_IMAGES, recipe.validation.n_images)
    fewer = recipe.validation.model_copy(update={"n_images": n_images})
    simulated: list[Patch] = task_of(
        recipe.model_copy(update={"validation": fewer})
    ).validation_set()
    since = time.monotonic()
    logits = logits_of(engine, simulated)
    simulated_f1 = _foreground_f1(old_task, simulated, logits, base.contract)
    return Start(
        base, engine, recipe, task, old_task, settings, views, simulated, logits, simulated_f1,
        time.monotonic() - since,
    )  # fmt: skip


def try_split(
    start: Start,
    split: Split,
    contract: ModelContract,
    *,
    output: Path,
    deadline: float | None = None,
    say: Callable[[str], None],
    on_step: OnStep | None = None,
) -> Trial:
    """Train on a part of the images, choose threshold and temperature, and judge the result.

    Parameters
    ----------
    start
        See there.
    split
        Which images are trained on, and which are held out.
    contract
        Of the new model, as far as it is known.
    output
        Gets ``logs/``.
    deadline
        When everything must be done, in seconds of ``time.monotonic``.
    say, on_step
        See ``fine_tune``.
    """
    base, task, settings = start.base, start.task, start.settings
    training = [start.views[each] for each in split.training]
    judged = [start.views[each] for each in split.held_out] or training
    n_classes = len(start.recipe.classes)
    since = time.monotonic()
    before = score_labelled(base, judged, task, n_classes=n_classes, engine=start.engine)
    after_s = AFTER_OVER_BEFORE * (time.monotonic() - since + start.judged_s) + LEAST_AFTER_S
    network, steps = network_of(base), 0
    trained = settings.speed != "threshold"
    if trained:
        train = train_head if settings.speed == "head" else fine_tune
        network, steps = train(
            base, training, start.recipe, settings,
            deadline=None if deadline is None else deadline - after_s,
            output=output, say=say, on_step=on_step,
        )  # fmt: skip
        halo_px = measured_halo_px(network, start.simulated, contract.temperature, contract.members)
        contract = contract.model_copy(update={"halo_px": halo_px})
    # Judged as a bundle, because that is what will be used.
    trial = save_bundle(output / ".trial" / contract.name, contract, network, card="")
    engine = open_engine(trial)
    labelled = [middle_patch(view, multiple_px=contract.size_multiple_px) for view in training]
    kinds, logits = [labelled], [logits_of(engine, labelled)]
    new_logits = start.logits
    if trained:
        new_logits = logits_of(engine, start.simulated)
        kinds, logits = [*kinds, start.simulated], [*logits, new_logits]
    contract = recalibrate(task, kinds, logits, contract)
    after = score_labelled(
        Model(trial.folder, contract), judged, task, n_classes=n_classes, engine=engine
    )
    shutil.rmtree(output / ".trial")
    new_f1 = _foreground_f1(start.old_task, start.simulated, new_logits, contract)
    return Trial(split, contract, network, before, after, (start.simulated_f1, new_f1), steps)


def _remembering(start: Start, trained: nn.Module) -> tuple[nn.Module, float]:
    """Weights on the way to the trained ones, as far as nothing else is forgotten; and how far."""
    base, limit = start.base, start.settings.forget
    if limit >= 1.0:
        return trained, 1.0
    old = network_of(base, n_classes=len(start.recipe.classes))

    def forgotten_at(part: float) -> float:
        network = blend(old, trained, part)
        with torch.inference_mode():
            logits = [
                network(torch.from_numpy(np.ascontiguousarray(each.image[None])))[0].numpy()
                for each in start.simulated
            ]
        # The threshold is chosen anew later on, and tends to rise.
        contracts = (
            base.contract.model_copy(update={"threshold": min(base.contract.threshold + up, 0.9)})
            for up in (0.0, 0.05, 0.1)
        )
        return start.simulated_f1 - max(
            _foreground_f1(start.old_task, start.simulated, logits, each) for each in contracts
        )

    part = largest_part(forgotten_at, limit=limit)
    return (trained, part) if part == 1.0 else (blend(old, trained, part), part)


def _foreground_f1(
    task: Task, patches: Sequence[Patch], logits: Sequence[FloatImage], contract: ModelContract
) -> float:
    return foreground_score(
        task, patches, logits, temperature=contract.temperature, threshold=contract.threshold,
        n_members=contract.members,
    )  # fmt: skip

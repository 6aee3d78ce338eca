"""One training on a split of labelled images, and what came of it on the images held out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from scanseg.bundle import Model, save_bundle
from scanseg.contract import ModelContract
from scanseg.inference import Engine, open_engine
from scanseg.micrograph import FloatImage
from scanseg.train.blend import blend, largest_part
from scanseg.train.export import measured_halo_px
from scanseg.train.fine_tune import OnStep, fine_tune
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
from scanseg.train.whole_images import whole_images

__all__ = ["Start", "Trial", "prepare", "try_split"]

# Simulated images that tell whether something was forgotten: their F1 is known to about 0.01.
SIMULATED_IMAGES = 64
# Of these whole images, which have a few thousand columns.
WHOLE_IMAGES = 16
# What is left to do after a training (export, scores, threshold) over what was done before it
# (scores), which was timed; and the least it takes.
AFTER_OVER_BEFORE = 5.0
LEAST_AFTER_S = 15.0


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
        Simulated patches, and what the model makes of them.
    whole
        Simulated images that are predicted as a whole; none where the sampling is no question.
    simulated_f1
        Of the model: over the whole images, or else the patches.
    judged_s
        Time that those logits and that score took.
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
    whole: Sequence[LabelledView]
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
    whole: Sequence[LabelledView] = ()
    if isinstance(recipe, AtomRecipe):
        whole = whole_images(recipe, n=min(WHOLE_IMAGES, n_images))
    since = time.monotonic()
    logits = logits_of(engine, simulated)
    simulated_f1 = _simulated_f1(whole, old_task, base, engine, simulated, logits)
    return Start(
        base, engine, recipe, task, old_task, settings, views, simulated, logits, whole,
        simulated_f1, time.monotonic() - since,
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
    labelled = [middle_patch(view, multiple_px=contract.size_multiple_px) for view in training]
    folder = output / ".trial"
    if trained:
        found = _remembering(start, network, contract, labelled, folder, say)
    else:
        found = _judged(start, network, contract, [labelled], folder)
    after = score_labelled(found.model, judged, task, n_classes=n_classes, engine=found.engine)
    shutil.rmtree(folder)
    simulated_f1 = start.simulated_f1, found.simulated_f1
    return Trial(split, found.model.contract, found.network, before, after, simulated_f1, steps)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A network as a bundle, with a threshold and a temperature of its own."""

    network: nn.Module
    model: Model
    engine: Engine
    simulated_f1: float


def _remembering(
    start: Start, trained: nn.Module, contract: ModelContract, labelled: list[Patch],
    folder: Path, say: Callable[[str], None],
) -> _Judged:  # fmt: skip
    """The trained network, or one on the way to it that has not forgotten too much."""
    old = network_of(start.base, n_classes=len(start.recipe.classes))
    limit = start.settings.forget
    found: dict[float, _Judged] = {}

    def forgotten_at(part: float) -> float:
        network = trained if part == 1.0 else blend(old, trained, part)
        kinds = [labelled, start.simulated]
        found[part] = _judged(start, network, contract, kinds, folder)
        return start.simulated_f1 - found[part].simulated_f1

    part = largest_part(forgotten_at, limit=limit)
    if part < 1.0:
        say(f"Of what was learned {part:.0%} is kept, so that little else is forgotten.")
    return found[part]


def _judged(
    start: Start, network: nn.Module, contract: ModelContract, kinds: list[list[Patch]],
    folder: Path,
) -> _Judged:  # fmt: skip
    """Judge a network as a bundle, because that is what will be used."""
    trial = save_bundle(folder / contract.name, contract, network, card="")
    engine = open_engine(trial)
    logits = [logits_of(engine, patches) for patches in kinds]
    contract = recalibrate(start.task, kinds, logits, contract)
    model = Model(trial.folder, contract)
    # With the threshold alone changed, the logits are those of the base.
    of_simulated = logits[1] if len(logits) > 1 else start.logits
    f1 = _simulated_f1(start.whole, start.old_task, model, engine, start.simulated, of_simulated)
    return _Judged(network, model, engine, f1)


def _simulated_f1(
    whole: Sequence[LabelledView], task: Task, model: Model, engine: Engine,
    patches: Sequence[Patch], logits: Sequence[FloatImage],
) -> float:  # fmt: skip
    """F1 on whole simulated images, or on patches where the sampling is no question."""
    if whole:
        return score_labelled(model, whole, task, engine=engine).f1
    contract = model.contract
    return foreground_score(
        task, patches, logits, temperature=contract.temperature, threshold=contract.threshold,
        n_members=contract.members,
    )  # fmt: skip

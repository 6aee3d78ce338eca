"""A model and labelled images in, a better model out; or the old one, if it is not better."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from scanseg import __version__
from scanseg.bundle import Model, ModelContract, load_model, save_bundle
from scanseg.errors import ConfigError
from scanseg.inference import open_engine
from scanseg.train.fine_tune import OnStep, fine_tune
from scanseg.train.fit import measured_halo_px
from scanseg.train.held_out import LabelledScore, score_labelled
from scanseg.train.labelled import LabelledImage
from scanseg.train.recalibrate import (
    foreground_score,
    logits_of,
    middle_patch,
    network_of,
    recalibrate,
)
from scanseg.train.recipe import AtomRecipe, WallRecipe, read_recipe
from scanseg.train.retrain_card import write_retrained_card
from scanseg.train.retrain_settings import Retraining
from scanseg.train.splits import Split, split_images
from scanseg.train.task import Patch, Task, task_of

__all__ = ["Retrained", "recipe_of_model", "retrain"]

log = logging.getLogger(__name__)

# Simulated images that tell whether something was forgotten: their F1 is known to about 0.01.
SIMULATED_IMAGES = 64
FORGOTTEN = 0.01
# Part of the budget that is kept for scoring, calibration and export.
RESERVE = 0.1


@dataclass(frozen=True, slots=True)
class Retrained:
    """What came of it.

    Parameters
    ----------
    model
        The new one, or a copy of the old one where the new one is not better.
    is_better
        Whether ``model`` is the new one.
    split
        What was trained on, and what was held out.
    before, after
        On images held out; on those trained on where there are none.
    simulated_f1
        On simulated images, before and after.
    steps
        Of each member.
    remarks
        What users of the model should know.
    """

    model: Model
    is_better: bool
    split: Split
    before: LabelledScore
    after: LabelledScore
    simulated_f1: tuple[float, float]
    steps: int
    remarks: tuple[str, ...]


def recipe_of_model(model: Model, path: Path | None = None) -> tuple[AtomRecipe | WallRecipe, str]:
    """The recipe that a model was trained by, and what must be said of it (or nothing).

    Parameters
    ----------
    model
        Its contract names the recipe, and says what network and input the recipe must be for.
    path
        The recipe, if it is not one that ships.
    """
    contract = model.contract
    shipped = Path(str(files("scanseg.configs"))) / contract.recipe
    said = ""
    recipe: AtomRecipe | WallRecipe
    if path is not None or shipped.is_file():
        recipe = read_recipe(path or shipped)
    else:
        recipe = (AtomRecipe if contract.task == "atoms" else WallRecipe)(name=contract.name)
        said = (
            f"The recipe {contract.recipe} of {model.name} is not at hand, so simulated images are "
            "those of the default recipe; give it with --recipe."
        )
    if recipe.task != contract.task:
        raise ConfigError(
            f"The recipe is for {recipe.task} and {model.name} finds {contract.task}.",
            hint="Give the recipe that the model was trained by.",
        )
    kept: dict[str, object] = {
        "classes": contract.classes,
        "architecture": contract.architecture,
        "optimisation": recipe.optimisation.model_copy(update={"snapshots": 1, "ema_decay": 0.0}),
    }
    if contract.task == "atoms":
        kept |= {"spacing_px": contract.spacing_px, "normalisation": contract.normalisation}
    return recipe.model_copy(update=kept), said


def retrain(
    images: Sequence[LabelledImage],
    base: Model,
    *,
    output: Path,
    recipe: AtomRecipe | WallRecipe,
    name: str | None = None,
    settings: Retraining | None = None,
    budget_s: float | None = None,
    say: Callable[[str], None] = log.info,
    on_step: OnStep | None = None,
) -> Retrained:
    """Train a model further on labelled images.

    Every member of an ensemble is trained, each with crops of its own.

    Parameters
    ----------
    images
        Labelled images, at least one.
    base
        The model to start from.
    output
        Folder of the run; gets ``split.json``, ``figures.json``, ``logs/`` and the bundle.
    recipe
        Of the model, see ``recipe_of_model``: what is replayed, and how labels are drawn.
    name
        Of the new model; that of the old one with ``-retrained`` by default.
    settings
        How.
    budget_s
        Seconds for everything.
    say
        Is told what happens, a sentence at a time.
    on_step
        Is told every step of the training.

    Raises
    ------
    ConfigError
        When there is no image, or the folder holds an earlier run.
    """
    started = time.monotonic()
    settings = settings or Retraining()
    if not images:
        raise ConfigError("There is no labelled image.", hint="Run scanseg check --labels on them.")
    if (output / "figures.json").exists():
        raise ConfigError(f"{output} holds an earlier training.", hint="Choose another folder.")
    task = task_of(recipe)
    split = split_images(images, held_out=settings.held_out, seed=settings.seed)
    say(split.statement)
    output.mkdir(parents=True, exist_ok=True)
    _write_json(output / "split.json", split.as_dict())

    engine = open_engine(base)
    views = {each.name: task.view(each, base, engine) for each in images}
    training = [views[each] for each in split.training]
    judged = [views[each] for each in split.held_out] or training
    before = score_labelled(base, judged, task, engine=engine)

    simulated = _simulated(recipe)
    old_logits = logits_of(engine, simulated)
    network, steps = network_of(base), 0
    contract = _new_contract(base, name or f"{base.name}-retrained", settings, split)
    if settings.speed == "all":
        left_s = None if budget_s is None else budget_s * (1 - RESERVE) - _since(started)
        network, steps = fine_tune(
            base, training, recipe, settings,
            budget_s=left_s, output=output, say=say, on_step=on_step,
        )  # fmt: skip
        halo_px = measured_halo_px(network, simulated, contract.temperature, contract.members)
        contract = contract.model_copy(update={"halo_px": halo_px})

    # Judged as a bundle, because that is what will be used.
    trial = save_bundle(output / ".trial" / contract.name, contract, network, card="")
    engine = open_engine(trial)
    labelled = [middle_patch(view, multiple_px=contract.size_multiple_px) for view in training]
    kinds, logits = [labelled], [logits_of(engine, labelled)]
    new_logits = old_logits
    if settings.speed == "all":
        new_logits = logits_of(engine, simulated)
        kinds, logits = [*kinds, simulated], [*logits, new_logits]
    contract = recalibrate(task, kinds, logits, contract)
    after = score_labelled(Model(trial.folder, contract), judged, task, engine=engine)
    shutil.rmtree(output / ".trial")
    simulated_f1 = (
        _simulated_f1(task, simulated, old_logits, base.contract),
        _simulated_f1(task, simulated, new_logits, contract),
    )
    better = after.f1 > before.f1
    remarks = _remarks(split, simulated_f1, contract.members, settings)
    contract = contract.model_copy(update={"figures": _figures(before, after, simulated_f1)})
    card = write_retrained_card(
        contract, base, settings, split, before, after, simulated_f1, steps=steps, said=remarks
    )
    home = output if better else output / "not-better"
    model = save_bundle(home / contract.name, contract, network, card=card)
    if not better:
        shutil.copytree(base.folder, output / base.name)
        model = load_model(output / base.name)
    result = Retrained(model, better, split, before, after, simulated_f1, steps, remarks)
    _write_json(
        output / "figures.json",
        {
            "is_better": better,
            "steps": steps,
            "seconds": round(_since(started), 1),
            **contract.figures,
            "f1_of_image_before": before.f1_of_image,
            "f1_of_image": after.f1_of_image,
        },
    )
    return result


def _simulated(recipe: AtomRecipe | WallRecipe) -> list[Patch]:
    """The first of the images that the model was validated on."""
    n_images = min(SIMULATED_IMAGES, recipe.validation.n_images)
    fewer = recipe.validation.model_copy(update={"n_images": n_images})
    return task_of(recipe.model_copy(update={"validation": fewer})).validation_set()


def _simulated_f1(
    task: Task, patches: Sequence[Patch], logits: Sequence[Any], contract: ModelContract
) -> float:
    return foreground_score(
        task, patches, logits, temperature=contract.temperature, threshold=contract.threshold,
        n_members=contract.members,
    )  # fmt: skip


def _new_contract(base: Model, name: str, settings: Retraining, split: Split) -> ModelContract:
    n_images = len(split.training)
    return base.contract.model_copy(
        update={
            "name": name,
            "version": "1",
            "seed": settings.seed,
            "data": f"{base.contract.data} Then {n_images} labelled image"
            f"{'s' if n_images > 1 else ''} of a user.",
            "scanseg_version": __version__,
            "checksums": {},
        }
    )


def _figures(
    before: LabelledScore, after: LabelledScore, simulated_f1: tuple[float, float]
) -> dict[str, float]:
    figures = {
        "labelled_f1_before": before.f1,
        "labelled_f1": after.f1,
        "simulated_f1_before": simulated_f1[0],
        "simulated_f1": simulated_f1[1],
    }
    return {key: round(value, 4) for key, value in figures.items()}


def _remarks(
    split: Split, simulated_f1: tuple[float, float], n_members: int, settings: Retraining
) -> tuple[str, ...]:
    """What users of the new model should know."""
    said = []
    if not split.held_out:
        said.append("Nothing was held out: label another image to see what the model makes of it.")
    lost = simulated_f1[0] - simulated_f1[1]
    if lost > FORGOTTEN:
        said.append(
            f"On simulated images of all kinds F1 fell by {lost:.3f}: use the model for images "
            "like the labelled ones, and the old one for others."
        )
    if n_members > 1 and settings.speed == "threshold":
        said.append("The members of the ensemble are unchanged.")
    return tuple(said)


def _since(started: float) -> float:
    return time.monotonic() - started


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

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

from scanseg import __version__
from scanseg.bundle import Model, ModelClass, ModelContract, load_model, model_names, save_bundle
from scanseg.errors import ConfigError
from scanseg.train.fine_tune import OnStep
from scanseg.train.folds import FoldScore, join_folds
from scanseg.train.held_out import LabelledScore
from scanseg.train.labelled import LabelledImage
from scanseg.train.origin import record_origin
from scanseg.train.recipe import AtomRecipe, WallRecipe, read_recipe
from scanseg.train.retrain_card import write_retrained_card
from scanseg.train.retrain_settings import Retraining
from scanseg.train.splits import Split, fold_images, split_images
from scanseg.train.trial import Start, Trial, prepare, try_split

__all__ = ["Retrained", "recipe_of_model", "retrain"]

log = logging.getLogger(__name__)

# F1 on simulated images that is known to be lost.
FORGOTTEN = 0.01
# Of classes that a model does not have yet.
COLOURS = ("#8ac926", "#ff595e", "#6a4c93", "#ffca3a", "#1982c4")
# Export of the model at the end; and what each further training has to be written about.
EXPORT_S = 3.0


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
    folds
        Scores of images that were held out in turn, where that was asked for; ``before`` and
        ``after`` are theirs then.
    """

    model: Model
    is_better: bool
    split: Split
    before: LabelledScore
    after: LabelledScore
    simulated_f1: tuple[float, float]
    steps: int
    remarks: tuple[str, ...]
    folds: FoldScore | None = None


def recipe_of_model(
    model: Model, path: Path | None = None, *, new_classes: Sequence[str] = ()
) -> tuple[AtomRecipe | WallRecipe, str]:
    """The recipe that a model was trained by, and what must be said of it (or nothing).

    Parameters
    ----------
    model
        Its contract names the recipe, and says what network and input the recipe must be for.
    path
        The recipe, if it is not one that ships.
    new_classes
        Names of classes that the model is to learn.
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
        "classes": (*contract.classes, *_new_classes(contract, new_classes)),
        "architecture": contract.architecture,
        "optimisation": recipe.optimisation.model_copy(
            update={"snapshots": 1, "ema_decay": 0.0, "average": "ema", "accumulate": 1}
        ),
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
    deadline = None if budget_s is None else started + budget_s
    settings = settings or Retraining()
    if not images:
        raise ConfigError("There is no labelled image.", hint="Run scanseg check --labels on them.")
    if (output / "figures.json").exists():
        raise ConfigError(f"{output} holds an earlier training.", hint="Choose another folder.")
    splits: tuple[Split, ...] = ()
    split = split_images(images, held_out=settings.held_out, seed=settings.seed)
    if settings.folds:
        splits = fold_images(images, folds=settings.folds, seed=settings.seed)
        split = Split(tuple(sorted(each.name for each in images)), (), splits[0].by)
    else:
        say(split.statement)
    output.mkdir(parents=True, exist_ok=True)
    start = prepare(images, base, recipe, settings)
    contract = _new_contract(start, name or f"{base.name}-retrained", images, split)
    scores = []
    for number, fold in enumerate(splits, start=1):
        say(f"Fold {number} of {len(splits)}: {fold.statement}")
        tried = try_split(
            start, fold, contract, output=output / f"fold_{number}",
            deadline=_share(deadline, len(splits) + 2 - number), say=say, on_step=on_step,
        )  # fmt: skip
        scores.append((tried.before, tried.after))
    folds = join_folds(splits, *zip(*scores, strict=True)) if scores else None
    if folds is not None:
        say(f"{folds.statement} Now the training on all images.")
    _write_json(output / "split.json", {**split.as_dict(), **({"folds": folds.as_dict()} if folds
                                                              else {})})  # fmt: skip
    trial = try_split(
        start, split, contract, output=output, say=say, on_step=on_step,
        deadline=None if deadline is None else deadline - EXPORT_S,
    )  # fmt: skip
    result = _kept(start, trial, folds, output)
    _write_json(output / "figures.json", _document(result, time.monotonic() - started))
    return result


def _kept(start: Start, trial: Trial, folds: FoldScore | None, output: Path) -> Retrained:
    """Write the new model, and beside it the old one where that is better."""
    base = start.base
    before, after = (folds.before, folds.after) if folds else (trial.before, trial.after)
    better = after.merit > before.merit
    remarks = _remarks(trial, folds, start.settings)
    figures = _figures(before, after, trial.simulated_f1)
    contract = trial.contract.model_copy(update={"figures": figures})
    card = write_retrained_card(
        contract, base, start.settings, trial.split, before, after, trial.simulated_f1,
        steps=trial.steps, said=remarks, folds=folds,
    )  # fmt: skip
    home = output if better else output / "not-better"
    model = save_bundle(home / contract.name, contract, trial.network, card=card)
    # A model that did not ship must be at hand when this one is trained further.
    if not better or base.name not in model_names():
        shutil.copytree(base.folder, output / base.name)
    if not better:
        model = load_model(output / base.name)
    return Retrained(
        model, better, trial.split, before, after, trial.simulated_f1, trial.steps, remarks, folds
    )


def _document(result: Retrained, seconds: float) -> dict[str, object]:
    return {
        "is_better": result.is_better,
        "steps": result.steps,
        "seconds": round(seconds, 1),
        **_figures(result.before, result.after, result.simulated_f1),
        "f1_of_image_before": result.before.f1_of_image,
        "f1_of_image": result.after.f1_of_image,
    }


def _share(deadline: float | None, n_left: int) -> float | None:
    """When the next of several trainings must be done, so that all have the same time."""
    if deadline is None:
        return None
    now = time.monotonic()
    return now + (deadline - now) / n_left


def _new_classes(contract: ModelContract, names: Sequence[str]) -> tuple[ModelClass, ...]:
    known = [name for name in names if name in contract.class_names]
    if known:
        raise ConfigError(
            f"{contract.name} has a class {', '.join(known)} already.",
            hint="Name the classes that it does not have.",
        )
    taken = {each.colour for each in contract.classes}
    free = [colour for colour in COLOURS if colour not in taken]
    return tuple(
        ModelClass(name=name, colour=free[number % len(free)]) for number, name in enumerate(names)
    )


def _new_contract(
    start: Start, name: str, images: Sequence[LabelledImage], split: Split
) -> ModelContract:
    base, n_images = start.base, len(split.training)
    return base.contract.model_copy(
        update={
            "name": name,
            "version": "1",
            "classes": start.recipe.classes,
            "seed": start.settings.seed,
            "data": f"{base.contract.data} Then {n_images} labelled image"
            f"{'s' if n_images > 1 else ''} of a user.",
            "origin": record_origin(base, [each for each in images if each.name in split.training]),
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


def _remarks(trial: Trial, folds: FoldScore | None, settings: Retraining) -> tuple[str, ...]:
    """What users of the new model should know."""
    said = []
    if folds is not None:
        said.append(folds.statement)
    elif not trial.split.held_out:
        said.append("Nothing was held out: label another image to see what the model makes of it.")
    lost = trial.simulated_f1[0] - trial.simulated_f1[1]
    if lost > FORGOTTEN:
        said.append(
            f"On simulated images of all kinds F1 fell by {lost:.3f}: use the model for images "
            "like the labelled ones, and the old one for others."
        )
    if trial.contract.members > 1 and settings.speed == "threshold":
        said.append("The members of the ensemble are unchanged.")
    return tuple(said)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

"""Search for the settings of a recipe: every trial is a short training."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scanseg.config import read_yaml
from scanseg.train.recipe import Recipe, recipe_of
from scanseg.tune.results import write_results
from scanseg.tune.space import (
    SearchSpace,
    Values,
    nested,
    overrides_of,
    read_space,
    value_of,
    whole_numbers,
)
from scanseg.tune.study import Outcome, Report, Tuning, run_study

if TYPE_CHECKING:
    from scanseg.bundle import Model

__all__ = ["tune_recipe"]

log = logging.getLogger(__name__)


def tune_recipe(
    path: Path,
    *,
    output: Path,
    space: SearchSpace | None = None,
    settings: Tuning | None = None,
    overrides: Sequence[str] = (),
    start_from: Model | None = None,
    earlier: Sequence[Path] = (),
    budget_s: float | None = None,
    say: Callable[[str], None] = log.info,
) -> Outcome:
    """Search for the settings of a recipe that give the best validation F1.

    Parameters
    ----------
    path
        The recipe. Its ``steps`` are those of every trial: choose few of them.
    output
        Gets ``study.journal``, ``trials/`` with the models, ``trials.csv``, ``study.html`` and
        ``best.yaml``, the recipe with the best settings. Several processes may share it.
    space
        What is searched; learning rate, weight decay and losses by default.
    settings
        How.
    overrides
        ``dotted.key=value`` settings on top of the recipe, the same in every trial.
    start_from
        A model whose weights every trial starts from.
    earlier
        Folders of earlier studies.
    budget_s
        Seconds for everything; the trial that is running is ended.
    say
        Is told what happens, a sentence at a time.
    """
    if space is None:
        space = read_space(Path(str(files("scanseg.tune") / "training.yaml")))
    given = _with_overrides(read_yaml(path), overrides)
    recipe = recipe_of(given, origin=path.name)
    for edge in space.edges():  # a mistake in the last trial of a night would be a pity
        recipe_of(given, overrides=overrides_of(edge), origin=f"{path.name} and the search space")

    def train(values: Values, report: Report, number: int) -> float:
        return _train(
            path, (*overrides, *overrides_of(values)), output / "trials" / f"{number:04d}",
            report, start_from,
        )  # fmt: skip

    outcome = run_study(
        train,
        space,
        folder=output,
        identity={
            "recipe": recipe.model_dump(mode="json"),
            "from": start_from.sha256 if start_from else "",
        },
        settings=settings,
        whole=whole_numbers(recipe, list(space.search)),
        start=_as_it_is(recipe, space),
        earlier=earlier,
        budget_s=budget_s,
        say=say,
    )
    write_results(
        outcome,
        output,
        title=f"Search for the settings of {recipe.name}",
        measure="validation F1",
        best=nested(given, outcome.best) if outcome.best else None,
        before=_as_it_is(recipe, space),
        facts={"recipe": path.name, "steps of a trial": str(recipe.steps)},
    )
    return outcome


def _with_overrides(settings: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    values = {}
    for override in overrides:
        key, _, text = override.partition("=")
        values[key.strip()] = yaml.safe_load(text)
    return nested(settings, values)


def _as_it_is(recipe: Recipe, space: SearchSpace) -> dict[str, Any]:
    values = {name: value_of(recipe, name) for name in space.search}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None
    }


def _train(
    path: Path, overrides: tuple[str, ...], folder: Path, report: Report, start_from: Model | None
) -> float:
    from scanseg.train import train_recipe

    try:
        model = train_recipe(
            path, output=folder, overrides=overrides, start_from=start_from, on_validation=report
        )
    finally:
        # A checkpoint has three times the bytes of the weights; nobody resumes a trial.
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return model.contract.figures["validation_f1"]

"""``scanseg tune``: a search for better settings, of a training or behind the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.options import VerboseOption
from scanseg.cli.train import seconds_of
from scanseg.errors import ConfigError

if TYPE_CHECKING:
    from scanseg.tune import Outcome

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def tune(
    source: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml|DATA", help="A recipe, or labelled images.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Folder of the study; may be shared."),
    ],
    space: Annotated[
        Path | None,
        typer.Option(metavar="SPACE.yaml", help="What is searched, and values known to be good."),
    ] = None,
    search: Annotated[
        str, typer.Option(metavar="tpe|gp|random|grid", help="How the next values are chosen.")
    ] = "tpe",
    trials: Annotated[
        int, typer.Option(min=1, help="Trials of the study, all processes together.")
    ] = 30,
    budget: Annotated[
        str | None, typer.Option(metavar="2h", help="Stop this process after this time.")
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="The model that is tuned, or trained on."),
    ] = None,
    like: Annotated[
        list[Path] | None,
        typer.Option(metavar="STUDY", help="Try the best of an earlier study first; repeatable."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="A setting of every trial; may be repeated."),
    ] = None,
    prune: Annotated[
        bool, typer.Option(help="End trainings that are worse than the median at their step.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 1,
    verbose: VerboseOption = 0,
) -> None:
    """Search for the settings that give the best score (needs the extra tune).

    With a recipe every trial is a training, scored on its validation set.
    With a folder of labelled images and --from, the settings behind the
    network are searched on probabilities that are computed once. Run the
    command again, or several times at once, and the study goes on. OUT gets
    study.html, trials.csv and best.yaml.
    """
    from scanseg.tune.study import Tuning

    start_logging(verbose)
    settings = Tuning.from_settings(
        {"search": search, "trials": trials, "prune": prune, "seed": seed}, origin="the options"
    )
    shared: dict[str, Any] = {
        "output": output,
        "space": _space(space),
        "settings": settings,
        "overrides": tuple(set_ or ()),
        "earlier": tuple(like or ()),
        "budget_s": None if budget is None else seconds_of(budget),
        "say": typer.echo,
    }
    outcome = (
        _tune_data(source, start_from, shared)
        if source.is_dir()
        else _tune_training(source, start_from, shared)
    )
    if outcome.best is None:
        typer.echo("No trial was finished: give more time, or see trials.csv.", err=True)
        raise typer.Exit(ExitCode.SOME_FAILED)
    typer.echo(f"best {outcome.score:.4f}: {output / 'best.yaml'}, {output / 'study.html'}")


def _space(path: Path | None) -> Any:
    from scanseg.tune.space import read_space

    return None if path is None else read_space(path)


def _tune_training(recipe: Path, start_from: str | None, shared: dict[str, Any]) -> Outcome:
    from scanseg.bundle import load_model
    from scanseg.tune.training import tune_recipe

    return tune_recipe(recipe, start_from=load_model(start_from) if start_from else None, **shared)


def _tune_data(folder: Path, start_from: str | None, shared: dict[str, Any]) -> Outcome:
    from scanseg.bundle import load_model
    from scanseg.cli.label_table import problem_lines
    from scanseg.train.labelled_check import check_labelled

    if start_from is None:
        raise ConfigError(
            f"{folder} is a folder of labelled images, and no model was given.",
            hint="Add --from stem-atoms, --from pfm-walls, or the folder of a model.",
        )
    model = load_model(start_from)
    contract = model.contract
    data = check_labelled(folder, task=contract.task, class_names=contract.class_names)
    typer.echo("\n".join(problem_lines(data)))
    if data.errors:
        raise ConfigError(
            f"{len(data.errors)} errors in the labels, listed above.",
            hint="Correct them, or move those images away; scanseg check --labels lists them.",
        )
    from scanseg.tune.postprocessing import tune_postprocessing

    result = tune_postprocessing(data.images, model, **shared)
    of = "images held out" if result.held_out else "the images searched on"
    typer.echo(f"F1 on {of}: {result.before:.4f} before, {result.after:.4f} with the best.")
    if result.held_out and result.after < result.before:
        typer.echo("The best settings are no better on images held out: keep those you have.")
    return result.outcome

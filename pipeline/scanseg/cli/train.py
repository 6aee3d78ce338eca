"""``scanseg train``: a recipe, or a model and labelled images, in; a model out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import Events, VerboseOption
from scanseg.errors import ConfigError

__all__ = ["app", "seconds_of"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(duration: str) -> float:
    """A duration like 90s, 30m, 1.5h or 1h30m, in seconds.

    Examples
    --------
    >>> seconds_of("1h30m")
    5400.0
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration.strip():
        raise ConfigError(f"'{duration}' is no duration.", hint="Write it as 90s, 30m or 1h30m.")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


@app.command()
def train(
    source: Annotated[
        Path,
        typer.Argument(metavar="RECIPE.yaml|DATA", help="A recipe, or labelled images."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="Folder of the training run."),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="SHEET.png", help="Draw what would be trained on, labels beside it, and end."
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="30m", help="Stop after this time; the best stays.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")
    ] = False,
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Train this model further: a name or folder."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="A setting of the recipe; may be repeated."),
    ] = None,
    speed: Annotated[
        str,
        typer.Option(
            metavar="all|head|threshold",
            help="With DATA: train all weights, the decoder, or choose the threshold alone.",
        ),
    ] = "all",
    reviewed: Annotated[
        bool,
        typer.Option("--reviewed", help="DATA is a run; what was marked good in it are labels."),
    ] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="RECIPE.yaml", help="With DATA: the recipe of the model, if it does not ship."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="With DATA: what the new model is called.")
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=0, metavar="K", help="With DATA: hold every image out once; K + 1 trainings."
        ),
    ] = 0,
    new_class: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="With DATA: a class of the labels that is to be learned."
        ),
    ] = None,
    events: Annotated[
        Events | None,
        typer.Option(help="With DATA: write what happens to stdout, for programs."),
    ] = None,
    verbose: VerboseOption = 0,
) -> None:
    """Train a model from a recipe, or train one further on labelled images.

    A recipe says what is simulated and trained on. With a folder of
    labelled images and --from, a model is trained further on them; the
    old one is kept when the new one is not better on images held out.
    """
    start_logging(verbose)
    if preview is not None:
        from scanseg.cli.preview import draw_preview

        draw_preview(
            source, preview, start_from=start_from, recipe_file=recipe, reviewed=reviewed,
            overrides=set_ or (),
        )  # fmt: skip
        return
    if output is None:
        raise ConfigError("No folder for the training was given.", hint="Add --output FOLDER.")
    budget_s = None if budget is None else seconds_of(budget)
    if source.is_dir():
        if resume:
            raise ConfigError("A training on labelled images cannot be resumed.", hint="Start it.")
        from scanseg.cli.retrain import retrain_model

        retrain_model(
            source, start_from=start_from, output=output, speed=speed, reviewed=reviewed,
            recipe_file=recipe, name=name, budget_s=budget_s, overrides=set_ or (),
            folds=folds, new_classes=new_class or (),
            as_json=events is Events.JSONL,
        )  # fmt: skip
        return
    from scanseg.bundle import load_model
    from scanseg.train import train_recipe
    from scanseg.train.processes import is_first_process

    model = train_recipe(
        source,
        output=output,
        budget_s=budget_s,
        resume=resume,
        start_from=load_model(start_from) if start_from else None,
        overrides=tuple(set_ or ()),
        say=typer.echo,
    )
    if is_first_process():  # of several that train together
        typer.echo(f"{model.name} is trained: {model.folder}")

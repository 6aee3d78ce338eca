"""``scanseg models``: which models there are, what they promise, whether they keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanseg.cli.exits import ExitCode, start_logging

if TYPE_CHECKING:
    from scanseg.contract import Sampling

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A model: its name, or its folder.")]


@app.callback()
def _models() -> None:
    """List, describe, test and import models."""
    start_logging(0)


@app.command("list")
def list_models() -> None:
    """List the models that ship, and those that were imported."""
    from rich.console import Console
    from rich.table import Table

    from scanseg.bundle import installed_names, load_model, model_names

    heads = ("model", "version", "for", "classes", "trained at", "from")
    table = Table(*heads, box=None, pad_edge=False)
    shipped, imported = model_names(), installed_names()
    for name in (*shipped, *(each for each in imported if each not in shipped)):
        contract = load_model(name, verify=False).contract
        table.add_row(
            contract.name if name in shipped else name,
            contract.version,
            contract.modality,
            ", ".join(contract.class_names[1:]),
            _trained_at(contract.sampling),
            "scanseg" if name in shipped else "imported",
        )
    Console().print(table)


def _trained_at(sampling: Sampling) -> str:
    if sampling.spacing_px:
        return f"{sampling.spacing_px:g} px a spacing"
    return f"{sampling.pixel_size_nm:g} nm a pixel" if sampling.pixel_size_nm else "any pixel size"


@app.command("import")
def import_folder(
    path: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE.zip", help="A model from somebody else.")
    ],
    name: Annotated[str | None, typer.Option(help="What it is to be called here.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model of that name imported before.")
    ] = False,
) -> None:
    """Check a model from somebody else, and put it where models are found.

    It is read as data: safetensors, ONNX, arrays and YAML. Whatever could
    be code, pickles above all, is refused, and so is a model whose files
    were altered or which does not compute what is stored with it. The
    folder is that of the system for such data, or $SCANSEG_MODELS.
    """
    from scanseg.bundle.importing import import_model

    model = import_model(path, name=name, replace=replace)
    typer.echo(f"{model.folder.name} {model.contract.version} is imported: {model.folder}")
    typer.echo(
        f"Licence of the weights: {model.contract.licence}. Use it with -m {model.folder.name}"
    )


@app.command()
def info(name: Name) -> None:
    """Show the card of a model: what it is for, what it was trained on, how good it is."""
    from scanseg.bundle import load_model

    model = load_model(name)
    typer.echo(model.card_path.read_text(encoding="utf-8").rstrip())
    typer.echo("")
    for figure, value in model.contract.figures.items():
        typer.echo(f"{figure}: {value:g}")
    typer.echo(f"folder: {model.folder}")


@app.command("test")
def check(
    name: Annotated[
        str | None, typer.Argument(help="A model or a folder; all that are listed without.")
    ] = None,
) -> None:
    """Check files against their checksums, and outputs against those stored at training."""
    from scanseg.bundle import installed_names, load_model, model_names, self_test
    from scanseg.errors import ScansegError

    n_failed = 0
    for each in [name] if name else [*model_names(), *installed_names()]:
        try:
            outcome = self_test(load_model(each))
            passed, largest = outcome.passed, outcome.largest_difference
            remark = f"probabilities differ by {largest:.1g}, {outcome.tolerance[0]:g} may be"
        except ScansegError as error:
            passed, remark = False, str(error)
        n_failed += not passed
        typer.echo(f"{'ok    ' if passed else 'FAILED'} {each}: {remark}")
    raise typer.Exit(ExitCode.SOME_FAILED if n_failed else ExitCode.ALL_GOOD)

"""``scanseg models``: which models there are, what they promise, whether they keep it."""

from __future__ import annotations

from typing import Annotated

import typer

from scanseg.cli.exits import ExitCode, start_logging

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A shipped model, or the folder of one.")]


@app.callback()
def _models() -> None:
    """List, describe and test the models."""
    start_logging(0)


@app.command("list")
def list_models() -> None:
    """List the models that ship."""
    from rich.console import Console
    from rich.table import Table

    from scanseg.bundle import load_model, model_names

    table = Table("model", "version", "for", "classes", "trained at", box=None, pad_edge=False)
    for name in model_names():
        contract = load_model(name, verify=False).contract
        sampling = contract.sampling
        trained_at = (
            f"{sampling.spacing_px:g} px a spacing"
            if sampling.spacing_px
            else f"{sampling.pixel_size_nm:g} nm a pixel"
        )
        classes = ", ".join(contract.class_names[1:])
        table.add_row(contract.name, contract.version, contract.modality, classes, trained_at)
    Console().print(table)


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
        str | None, typer.Argument(help="A shipped model or a folder; all shipped ones without.")
    ] = None,
) -> None:
    """Check files against their checksums, and outputs against those stored at training."""
    from scanseg.bundle import load_model, model_names, self_test
    from scanseg.errors import ScansegError

    n_failed = 0
    for each in [name] if name else list(model_names()):
        try:
            outcome = self_test(load_model(each))
            passed, largest = outcome.passed, outcome.largest_difference
            remark = f"probabilities differ by {largest:.1g}, {outcome.tolerance[0]:g} may be"
        except ScansegError as error:
            passed, remark = False, str(error)
        n_failed += not passed
        typer.echo(f"{'ok    ' if passed else 'FAILED'} {each}: {remark}")
    raise typer.Exit(ExitCode.SOME_FAILED if n_failed else ExitCode.ALL_GOOD)

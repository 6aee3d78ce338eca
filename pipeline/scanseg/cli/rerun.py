"""``scanseg rerun``: a run made again from its record, and compared."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.progress import watch
from scanseg.errors import BundleError, ConfigError
from scanseg.runs.choice import ByModality
from scanseg.runs.execute import execute
from scanseg.runs.folder import RunFolder
from scanseg.runs.plan import InputFile, Plan
from scanseg.runs.process import ModelProcessor, Processor
from scanseg.runs.repeat import Repeat, compare_results, read_record
from scanseg.runs.settings import RunSettings

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def rerun(
    record: Annotated[
        Path, typer.Argument(metavar="run.json", help="Record of a run, or the folder it lies in.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="A new folder for the results."),
    ] = None,
) -> None:
    """Make a run again, and say what differs.

    Inputs are compared by their checksums; then model, versions and machine.
    With -o the images are processed once more, with the settings, the model
    and the names of the first run, and every file of the results is compared
    with the first one. The exit code is 3 if anything that decides results
    has changed, or the results have.
    """
    start_logging(0)
    repeat = read_record(record)
    processor, remarks = _open_models(repeat)
    for change in (*repeat.changes, *remarks):
        typer.echo(f"changed: {change}")
    n_inputs = len(repeat.record["inputs"])
    typer.echo(f"{len(repeat.inputs)} of {n_inputs} inputs are as they were")
    same = len(repeat.inputs) == n_inputs and not remarks
    if output is not None:
        same = _run_again(repeat, processor, output) and same
    raise typer.Exit(ExitCode.ALL_GOOD if same else ExitCode.SOME_FAILED)


def _open_models(repeat: Repeat) -> tuple[Processor, list[str]]:
    """The model, or those to choose from, and what is not as it was."""
    if "choices" not in repeat.model:
        return _open_model(repeat.model, repeat.settings)
    opened = {
        modality: _open_model(known, repeat.settings)
        for modality, known in repeat.model["choices"].items()
    }
    remarks = [remark for _, remarks in opened.values() for remark in remarks]
    return ByModality({modality: model for modality, (model, _) in opened.items()}), remarks


def _open_model(
    known: Mapping[str, Any], settings: RunSettings
) -> tuple[ModelProcessor, list[str]]:
    """The model from its folder, or the one of its name where that is gone."""
    from scanseg.bundle import load_model

    try:
        model = load_model(known["folder"])
    except BundleError:
        model = load_model(known["name"])
    remarks = []
    if model.sha256 != known["checksum"]:
        remarks.append(f"the model {known['name']}: its checksum is another")
    return ModelProcessor(model, settings, named=known.get("named", True)), remarks


def _run_again(repeat: Repeat, processor: Processor, output: Path) -> bool:
    if output.absolute() == repeat.folder:
        raise ConfigError(
            f"{output} holds the results of the first run.", hint="Name a new folder with -o."
        )
    files = tuple(InputFile(path, name) for name, path in sorted(repeat.inputs.items()))
    with RunFolder(output) as folder, watch(len(files), verbosity=0, as_json=False) as observe:
        execute(
            Plan(files, ()),
            folder,
            processor,
            settings=repeat.settings,
            observe=observe,
            command=tuple(sys.argv),
        )
    differences = compare_results(repeat.folder, output)
    for difference in differences:
        typer.echo(f"differs: {difference}")
    typer.echo(f"{len(files) - len(differences)} of {len(files)} images have the same results")
    return not differences

"""``scanseg report``: tables and report.html of an output folder, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scanseg.errors import ConfigError
from scanseg.runs.folder import RunFolder, is_run_folder
from scanseg.runs.publish import publish
from scanseg.runs.shards import missing_shards
from scanseg.runs.summary import write_summary

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def report(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results of a run.")],
) -> None:
    """Write the tables of a run and report.html anew, from what lies in its folder.

    The parts of a run with --shard are joined into one.
    """
    if not is_run_folder(output):
        raise ConfigError(
            f"{output} holds no results of scanseg.",
            hint="Name the folder that was given to predict with -o.",
        )
    with RunFolder(output) as folder:
        if missing := missing_shards(folder.record().get("shards") or ()):
            typer.echo(f"Nothing is here yet of part {', '.join(missing)}.", err=True)
        write_summary(folder)
        typer.echo(publish(folder, anew=True))

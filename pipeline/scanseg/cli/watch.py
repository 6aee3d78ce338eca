"""``scanseg watch``: results of a live microscope, as its images come in."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.folder_run import named_model
from scanseg.cli.options import (
    SETTINGS,
    ChannelOption,
    ConfigOption,
    DeviceOption,
    Events,
    EventsOption,
    MemoryOption,
    ModelOption,
    PixelSizeOption,
    QuietOption,
    SaveOption,
    SetOption,
    VerboseOption,
    run_settings,
)
from scanseg.cli.progress import print_event
from scanseg.cli.progress import watch as watched
from scanseg.cli.session import exit_code, log_file, print_result, stoppable, summary
from scanseg.errors import ConfigError
from scanseg.runs.choice import open_processor
from scanseg.runs.folder import RunFolder
from scanseg.runs.plan import find_inputs
from scanseg.runs.watch import EVERY_S, SETTLE_S, Pace, watch_folder

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


@app.command(epilog=SETTINGS)
def watch(
    images: Annotated[Path, typer.Argument(metavar="IN", help="Folder that images come into.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results.")],
    settle_s: Annotated[
        float,
        typer.Option(
            "--settle", metavar="SECONDS", min=0, help="Take a file that is unchanged for so long."
        ),
    ] = SETTLE_S,
    every_s: Annotated[
        float,
        typer.Option("--every", metavar="SECONDS", min=0.01, help="Time between two looks."),
    ] = EVERY_S,
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0, help="End after so long.")
    ] = None,
    idle_s: Annotated[
        float | None,
        typer.Option(
            "--idle", metavar="SECONDS", min=0, help="End when nothing has come for so long."
        ),
    ] = None,
    model: ModelOption = None,
    pixel_size_nm: PixelSizeOption = None,
    channel: ChannelOption = None,
    device: DeviceOption = None,
    save: SaveOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    memory: MemoryOption = None,
    events: EventsOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Process images as they come into a folder, until Ctrl-C.

    Results are those of 'scanseg predict IN -o OUT'. A file is taken when
    it has not changed for a while, and again when it changes later; tables
    and report follow after every batch. Files that are there already come
    first.
    """
    verbosity = -1 if quiet else verbose
    start_logging(verbosity)
    settings, bytes_in_flight = run_settings(
        config, set_,
        pixel_size_nm=pixel_size_nm, channel=channel, device=device, save=save, memory=memory,
    )  # fmt: skip
    if not images.is_dir():
        raise ConfigError(f"{images} is no folder.", hint="Name the folder that images come into.")
    as_json = events is Events.JSONL
    processor = open_processor(model, settings)
    find_inputs([images], output=output)  # before the output folder exists, for a mistyped path
    with RunFolder(output) as folder, log_file(folder.path / "run.log"):
        log.info("command: %s", shlex.join(sys.argv))
        if verbosity >= 0:
            print(f"model    {named_model(processor.description)}", file=sys.stderr)
            print(f"watching {images}; Ctrl-C ends it", file=sys.stderr)
        with (
            watched(None, verbosity=verbosity, as_json=as_json) as observe,
            stoppable() as stop,
        ):
            result = watch_folder(
                images,
                folder,
                processor,
                settings=settings,
                pace=Pace(settle_s, every_s, for_s, idle_s),
                stop=stop,
                observe=observe,
                command=tuple(sys.argv),
                bytes_in_flight=bytes_in_flight,
            )
    code = exit_code(result)
    if as_json:
        print_event({"event": "end", "exit_code": int(code), **summary(result)})
    else:
        print_result(result, output)
    raise typer.Exit(code)

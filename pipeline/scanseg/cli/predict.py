"""``scanseg predict``: files and folders in, tables and pictures out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import (
    SETTINGS,
    ChannelOption,
    ConfigOption,
    DeviceOption,
    Events,
    EventsOption,
    MemoryOption,
    ModelOption,
    OutputOption,
    PixelSizeOption,
    QuietOption,
    SaveOption,
    SetOption,
    VerboseOption,
    run_settings,
)
from scanseg.cli.progress import print_event
from scanseg.errors import ConfigError

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


class Retry(StrEnum):
    """What is tried again."""

    FAILED = "failed"


@app.command(epilog=SETTINGS)
def predict(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Images, and folders to search.")
    ],
    output: OutputOption,
    model: ModelOption = None,
    pixel_size_nm: PixelSizeOption = None,
    channel: ChannelOption = None,
    device: DeviceOption = None,
    save: SaveOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    memory: MemoryOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove earlier results in OUT and compute all anew.")
    ] = False,
    retry: Annotated[
        Retry | None, typer.Option(help="Try images again that failed in an earlier run.")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first image that fails.")
    ] = False,
    max_failures: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Stop when more than N images have failed."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Process part I of N; 'scanseg report OUT' joins them."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local|FILE.yaml", help="Run on the workers of a Dask cluster."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")
    ] = False,
    events: EventsOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Find the atoms, or the domain walls, of every image in files and folders.

    The kind of a file chooses its model: STEM images are searched for
    atoms, PFM scans for domain walls. A folder may hold both.

    Images whose contents, model and settings have not changed since an
    earlier run into the same folder are kept; a run that was stopped goes
    on where it was.
    """
    # What runs is loaded behind the options, so that help comes at once.
    from scanseg.cli.folder_run import predict_folder, show_plan
    from scanseg.cli.session import exit_code, print_result, summary
    from scanseg.runs.shards import Shard

    verbosity = -1 if quiet else verbose
    start_logging(verbosity)
    settings, bytes_in_flight = run_settings(
        config, set_,
        pixel_size_nm=pixel_size_nm, channel=channel, device=device, save=save, memory=memory,
    )  # fmt: skip
    part = None if shard is None else Shard.parse(shard)
    if fresh and part is not None:
        raise ConfigError(
            "--fresh removes the results of all parts, and --shard is one of them.",
            hint="Remove the folder by hand before the parts are started.",
        )
    if dask is not None and part is not None:
        raise ConfigError(
            "--dask makes parts by itself, and --shard asks for one of them.",
            hint="Leave out one of the two.",
        )
    if dry_run:
        raise typer.Exit(
            show_plan(
                inputs,
                output,
                model=model,
                settings=settings,
                shard=part,
                fresh=fresh,
                retry_failed=retry is Retry.FAILED,
                as_json=events is Events.JSONL,
            )
        )
    result = predict_folder(
        inputs,
        output,
        model=model,
        settings=settings,
        fresh=fresh,
        retry_failed=retry is Retry.FAILED,
        max_failures=0 if fail_fast else max_failures,
        shard=part,
        dask=dask,
        bytes_in_flight=bytes_in_flight,
        verbosity=verbosity,
        as_json=events is Events.JSONL,
    )
    code = exit_code(result, is_part=part is not None)
    if events is Events.JSONL:
        print_event({"event": "end", "exit_code": int(code), **summary(result)})
    elif result is not None:
        print_result(result, output, part)
    raise typer.Exit(code)

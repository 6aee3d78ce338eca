"""``scanseg predict``: files and folders in, tables and pictures out."""

from __future__ import annotations

import logging
import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.options import (
    SETTINGS,
    ChannelOption,
    ConfigOption,
    DeviceOption,
    Events,
    EventsOption,
    ModelOption,
    PixelSizeOption,
    QuietOption,
    SaveOption,
    SetOption,
    VerboseOption,
    given_settings,
)
from scanseg.cli.progress import print_event, watch
from scanseg.cli.session import exit_code, log_file, print_result, stoppable, summary
from scanseg.errors import ConfigError
from scanseg.runs.choice import open_processor
from scanseg.runs.clusters import open_client
from scanseg.runs.distribute import distribute
from scanseg.runs.execute import RunResult, execute
from scanseg.runs.folder import RunFolder, refuse_foreign
from scanseg.runs.manifest import Entry, Manifest
from scanseg.runs.memory import fit_memory, parse_memory
from scanseg.runs.plan import Plan, find_inputs
from scanseg.runs.process import Processor
from scanseg.runs.settings import RunSettings
from scanseg.runs.shards import Shard

__all__ = ["app", "named_model", "predict_folder", "show_plan"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


class Retry(StrEnum):
    """What is tried again."""

    FAILED = "failed"


@app.command(epilog=SETTINGS)
def predict(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Images, and folders to search.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder of the results.")
    ],
    model: ModelOption = None,
    pixel_size_nm: PixelSizeOption = None,
    channel: ChannelOption = None,
    device: DeviceOption = None,
    save: SaveOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="2GB", help="Fit tiles and images in flight to so much memory."),
    ] = None,
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
    verbosity = -1 if quiet else verbose
    start_logging(verbosity)
    settings = given_settings(
        config,
        set_,
        {
            "input.pixel_size_nm": pixel_size_nm,
            "input.channel": channel,
            "machine.device": device,
            "output.save": save,
        },
    )
    bytes_in_flight = None
    if memory is not None:
        settings, bytes_in_flight = fit_memory(settings, parse_memory(memory))
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


def predict_folder(
    inputs: list[Path],
    output: Path,
    *,
    model: str | None,
    settings: RunSettings,
    fresh: bool = False,
    retry_failed: bool = False,
    max_failures: int | None = None,
    shard: Shard | None = None,
    dask: str | None = None,
    bytes_in_flight: int | None = None,
    verbosity: int = 0,
    as_json: bool = False,
) -> RunResult | None:
    """Plan a run, show the plan, run it; None where there is nothing to do."""
    processor = open_processor(model, settings)
    # Before the output folder exists, so that a mistyped path leaves no trace.
    if not find_inputs(inputs, output=output).files:
        _say_nothing_found(inputs)
        return None
    part = "" if shard is None else shard.label
    log_name = f"run.{part}.log" if part else "run.log"
    with (
        RunFolder(output, fresh=fresh, part=part) as folder,
        log_file(folder.path / log_name),
    ):
        plan = find_inputs(inputs, output=folder.path, taken=folder.manifest.path_of)
        plan = plan if shard is None else shard.part_of(plan)
        log.info("command: %s", shlex.join(sys.argv))
        for each in plan.skipped:
            log.debug("skipped %s: %s", each.path, each.reason)
        if verbosity >= 0:
            _print_plan(plan, output, folder.manifest, processor, settings)
        run = execute if dask is None else partial(_on_cluster, dask, model)
        try:
            with (
                watch(len(plan.files), verbosity=verbosity, as_json=as_json) as observe,
                stoppable() as stop,
            ):
                return run(
                    plan,
                    folder,
                    processor,
                    settings=settings,
                    retry_failed=retry_failed,
                    max_failures=max_failures,
                    observe=observe,
                    command=tuple(sys.argv),
                    stop=stop,
                    bytes_in_flight=bytes_in_flight,
                )
        except Exception as error:
            log.debug("the run ended", exc_info=error)
            raise


def _on_cluster(
    target: str,
    model: str | None,
    plan: Plan,
    folder: RunFolder,
    processor: Processor,
    **options: Any,
) -> RunResult:
    with open_client(target) as client:
        return distribute(client, plan, folder, processor, model=model, **options)


def show_plan(
    inputs: list[Path],
    output: Path,
    *,
    model: str | None,
    settings: RunSettings,
    shard: Shard | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    as_json: bool = False,
) -> ExitCode:
    """Show what a run would do, image by image; write nothing."""
    refuse_foreign(output)
    processor = open_processor(model, settings)
    manifest = Manifest(output)
    plan = find_inputs(inputs, output=output, taken=manifest.path_of)
    plan = plan if shard is None else shard.part_of(plan)
    if not plan.files and shard is None:
        _say_nothing_found(inputs)
        return ExitCode.NOTHING_TO_DO
    processor.prepare()
    states = {
        file.name: "new" if fresh else _state(manifest.entry(file.name), retry_failed)
        for file in plan.files
    }
    if as_json:
        skipped = [{"path": str(each.path), "reason": each.reason} for each in plan.skipped]
        files = [
            {"image": f.name, "path": str(f.path), "state": states[f.name]} for f in plan.files
        ]
        print_event({"event": "plan", "images": files, "skipped": skipped})
        return ExitCode.ALL_GOOD
    _print_plan(plan, output, manifest, processor, settings)
    for file in plan.files:
        typer.echo(f"{states[file.name]:<8} {file.name}")
    for each in plan.skipped:
        typer.echo(f"{'skipped':<8} {each.path}: {each.reason}")
    return ExitCode.ALL_GOOD


def _state(entry: Entry | None, retry_failed: bool) -> str:
    """What a run makes of an image; of a known one, contents and settings are compared first."""
    if entry is None:
        return "new"
    if entry.failures:
        return "retried" if retry_failed else "failed"
    return "known"


def _print_plan(
    plan: Plan,
    output: Path,
    manifest: Manifest,
    processor: Processor,
    settings: RunSettings,
) -> None:
    reasons = Counter(each.reason for each in plan.skipped)
    skipped = ", ".join(f"{reason} ({number})" for reason, number in reasons.most_common(4))
    model = processor.description
    n_known = sum(manifest.entry(file.name) is not None for file in plan.files)
    known = f", {n_known} known from an earlier run" if n_known else ""
    lines = [
        f"images   {len(plan.files)}{known}",
        f"skipped  {len(plan.skipped)} files: {skipped}" if skipped else "",
        f"model    {named_model(model)}",
        f"device   {model.get('engine') or settings.machine.device}",
        f"tiles    {settings.inference.tile_px} px a side",
        f"output   {output}",
    ]
    print("\n".join(line for line in lines if line), file=sys.stderr)


def named_model(model: Mapping[str, Any]) -> str:
    """Name and version of the model, or of those that the kind of each file chooses from."""
    if "choices" in model:
        choices = model["choices"].items()
        named = (f"{each['name']} {each['version']} for {kind}" for kind, each in choices)
        return f"{', '.join(named)}, as the signal of each file says; name one with -m"
    why = "" if model.get("named", True) else ", which ships for STEM images; name another with -m"
    return f"{model['name']} {model['version']}{why}"


def _say_nothing_found(inputs: list[Path]) -> None:
    where = ", ".join(str(path) for path in inputs)
    print(
        f"Nothing to do: no image was found in {where}. Check the path; text files, tables, "
        "hidden files and the results of earlier runs do not count.",
        file=sys.stderr,
    )

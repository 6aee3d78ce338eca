"""A run over files and folders: planned, shown, carried out."""

from __future__ import annotations

import logging
import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import typer

from scanseg.cli.exits import ExitCode
from scanseg.cli.progress import print_event, watch
from scanseg.cli.session import log_file, stoppable
from scanseg.runs.choice import open_processor
from scanseg.runs.execute import RunResult, execute
from scanseg.runs.folder import RunFolder, refuse_foreign
from scanseg.runs.manifest import Entry, Manifest
from scanseg.runs.plan import Plan, find_inputs
from scanseg.runs.process import Processor
from scanseg.runs.settings import RunSettings
from scanseg.runs.shards import Shard

__all__ = ["named_model", "predict_folder", "show_plan"]

log = logging.getLogger("scanseg.cli")


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
    processor = open_processor(model, settings, scratch=output)
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
    from scanseg.runs.clusters import open_client
    from scanseg.runs.distribute import distribute

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

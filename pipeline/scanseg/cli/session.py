"""Around a run: its log, its signals, and what is said of it at the end."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from scanseg.cli.exits import ExitCode
from scanseg.runs.collect import Found
from scanseg.runs.execute import RunResult
from scanseg.runs.shards import Shard
from scanseg.runs.tasks import occurring

__all__ = ["exit_code", "log_file", "print_result", "stoppable", "summary"]

log = logging.getLogger("scanseg.cli")


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Write all messages to a file as well."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.DEBUG)
    logger = logging.getLogger("scanseg")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM (the end of a batch job) set; the second time they kill.

    An exception out of nowhere would not do: compiled code swallows it.
    """
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        log.warning("Stopping after the image in hand; once more to stop at once.")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, handle) for kind in kinds]
    try:
        yield stop
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def exit_code(result: RunResult | None, *, is_part: bool = False) -> ExitCode:
    """What the shell is told about a run."""
    if result is None:
        return ExitCode.NOTHING_TO_DO
    if result.interrupted:
        return ExitCode.INTERRUPTED
    if not result.n_done + result.n_kept + result.n_failed and not is_part:
        return ExitCode.NOTHING_TO_DO
    return ExitCode.SOME_FAILED if result.n_failed else ExitCode.ALL_GOOD


def summary(result: RunResult | None) -> dict[str, Any]:
    """What programs are told about a run."""
    if result is None:
        return {}
    summary = {name: getattr(result, name) for name in result.__slots__}
    found = {kind: each._asdict() for kind, each in result.found.items()}
    return {**summary, "n_objects": result.n_objects, "found": found}


def print_result(result: RunResult, output: Path, shard: Shard | None = None) -> None:
    """What a person is told about a run."""
    kept = f" ({result.n_kept} unchanged)" if result.n_kept else ""
    tasks = occurring(result.found)
    counts = [_counted(task.name, result.found.get(task.name, Found(0, 0))) for task in tasks]
    tables = [str(output / task.tables[0]) for task in tasks]
    typer.echo(
        f"{', '.join(counts)}{kept}, {result.seconds:.1f} s: "
        f"{output if shard else ', '.join(tables)}"
    )
    if shard is not None:
        typer.echo(
            f"This was part {shard.index} of {shard.count}; when all are done: "
            f"{shlex.join(['scanseg', 'report', str(output)])}"
        )
    if result.gave_up:
        typer.echo("Stopped, because more images failed than --max-failures or --fail-fast allow.")
    if result.n_failed:
        typer.echo(
            f"{result.n_failed} failed: {output / 'failures.csv'} says why and what to do; "
            "--retry failed tries them again."
        )
    if result.interrupted:
        arguments = [each for each in sys.argv[1:] if each != "--fresh"]
        print(
            f"Stopped. To go on: {shlex.join(['scanseg', *arguments])}",
            file=sys.stderr,
        )


def _counted(name: str, found: Found) -> str:
    images = "image" if found.n_images == 1 else "images"
    return f"{found.n_objects:,} {name} in {found.n_images} {images}"

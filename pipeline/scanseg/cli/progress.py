"""How a run is watched: a bar on a terminal, a line a file elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Observer", "print_event", "watch"]


class Observer(Protocol):
    """Is told about every event of a run."""

    def __call__(self, event: dict[str, Any]) -> None:
        """Show an event."""


@contextmanager
def watch(n_images: int | None, *, verbosity: int, as_json: bool) -> Iterator[Observer]:
    """Choose how to show a run of ``n_images`` images; None where nobody knows yet."""
    if as_json:
        print_event({"event": "start", "n_images": n_images})
        yield print_event
    elif verbosity < 0:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _bar(n_images) as observer:
            yield observer
    else:
        yield _Lines(n_images)


def print_event(event: dict[str, Any]) -> None:
    """Write an event as one line of JSON on stdout."""
    print(json.dumps(event), flush=True)


class _Lines:
    """One line an image, for logs of batch systems."""

    def __init__(self, n_images: int | None) -> None:
        self._n_images = n_images
        self._n_seen = 0

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] != "image":
            return
        self._n_seen += 1
        of_all = "" if self._n_images is None else f"/{self._n_images}"
        print(f"[{self._n_seen}{of_all}] {_describe(event)}", file=sys.stderr, flush=True)


@contextmanager
def _bar(n_images: int | None) -> Iterator[Observer]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[found]}"),
        TextColumn("[red]{task.fields[failed]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.description}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=n_images, found="", failed="")
        found: Counter[str] = Counter()
        n_failed = 0

        def observe(event: dict[str, Any]) -> None:
            nonlocal n_failed
            name = escape(event["image"])
            if event["event"] == "frame":
                several = event["n_frames"] > 1
                frame = f" frame {event['frame'] + 1}/{event['n_frames']}" if several else ""
                progress.update(task, description=name + frame)
                return
            if event.get("task"):
                found[event["task"]] += event["n_objects"]
            if event.get("error"):
                n_failed += 1
                console.print(f"[red]failed[/] {escape(_describe(event))}", highlight=False)
            elif event.get("warnings"):
                console.print(f"[yellow]note[/] {escape(_describe(event))}", highlight=False)
            failed = f"{n_failed} failed" if n_failed else ""
            counts = ", ".join(f"{number:,} {kind}" for kind, number in found.items())
            progress.update(task, advance=1, found=counts, failed=failed)

        yield observe


def _describe(event: dict[str, Any]) -> str:
    """One line about an image."""
    parts = [str(event["image"]) + ":"]
    if event["status"] == "skipped":
        return f"{parts[0]} skipped, no reader knows it"
    if event["status"] != "failed":
        kept = ", unchanged" if event["status"] == "kept" else f", {event['seconds']:.2f} s"
        parts.append(f"{event['n_objects']:,} {event['task']}{kept}")
    if event["error"]:
        parts.append(f"failed, {event['error']} {event['hint']}".strip())
    parts += [f"({warning})" for warning in event["warnings"]]
    return " ".join(parts)

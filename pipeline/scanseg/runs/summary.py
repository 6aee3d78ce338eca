"""Tables of the whole run, made anew from the manifest and the tables of the images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scanseg.report import ATOM_TABLES, join_tables, write_rows
from scanseg.runs.folder import RunFolder
from scanseg.runs.manifest import Entry
from scanseg.runs.tasks import TABLES, Task, occurring

__all__ = ["FAILURE_COLUMNS", "image_columns", "present_entries", "write_summary"]

# Columns of images.csv, before and behind those of the kinds of results.
IMAGE_COLUMNS = (
    "image",
    "frame",
    "status",
    "height_px",
    "width_px",
    "pixel_size_y_nm",
    "pixel_size_x_nm",
    "calibration",
    "signal",
    "model",
)
LAST_COLUMNS = ("warnings", "seconds")
FAILURE_COLUMNS = ("path", "stage", "error", "reason", "hint")


def write_summary(folder: RunFolder) -> None:
    """Write images.csv, failures.csv and the tables of what was found, each at once or not at all.

    Tables of a kind of result that no image has any more are removed.
    """
    entries = present_entries(folder)
    tasks = occurring(entry.task for entry in entries if entry.outputs)
    scratch = folder.scratch
    rows = (row for entry in entries for row in entry.frames)
    write_rows(scratch / "images.csv", rows, columns=image_columns(entries, tasks))
    write_rows(scratch / "failures.csv", _failures(entries), columns=FAILURE_COLUMNS)
    tables = [name for task in tasks for name in task.tables]
    for name in tables:
        parts = (folder.path / entry.name / name for entry in entries if name in entry.outputs)
        known = ATOM_TABLES[name].columns if name in ATOM_TABLES else ()
        join_tables(parts, scratch / name, columns=known)
    for name in ("images.csv", "failures.csv", *tables):
        os.replace(scratch / name, folder.path / name)
    for name in set(TABLES) - set(tables):
        (folder.path / name).unlink(missing_ok=True)


def image_columns(entries: list[Entry], tasks: tuple[Task, ...]) -> tuple[str, ...]:
    """Columns of images.csv: of each kind of result its own, then what single rows have beside."""
    numbers: dict[str, None] = {}
    for task in tasks:
        numbers |= dict.fromkeys(task.numbers)
        for entry in entries:
            if entry.task == task.name:
                numbers |= dict.fromkeys(name for row in entry.frames for name in row)
    outer = {*IMAGE_COLUMNS, *LAST_COLUMNS}
    return (*IMAGE_COLUMNS, *(name for name in numbers if name not in outer), *LAST_COLUMNS)


def present_entries(folder: RunFolder) -> list[Entry]:
    """Lines of the manifest, without failures of files that are no longer there."""
    return [entry for entry in folder.manifest.entries() if not _is_gone(entry)]


def _is_gone(entry: Entry) -> bool:
    """A broken file that has been removed since is nobody's failure any more.

    Where its whole folder is out of reach, as on another machine, nothing is known about it.
    """
    path = Path(entry.path)
    return entry.status == "failed" and path.parent.exists() and not path.exists()


def _failures(entries: list[Entry]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        for failure in entry.failures:
            yield {"path": entry.path, **failure}

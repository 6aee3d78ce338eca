"""Tables of the whole run, made anew from the manifest and the tables of the images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scanseg.report import ATOM_COLUMNS, join_tables, write_rows
from scanseg.runs.folder import RunFolder
from scanseg.runs.manifest import Entry

__all__ = ["FAILURE_COLUMNS", "IMAGE_COLUMNS", "present_entries", "write_summary"]

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
    "spacing_px",
    "spacing_nm",
    "n_atoms",
    "warnings",
    "seconds",
)
FAILURE_COLUMNS = ("path", "stage", "error", "reason", "hint")


def write_summary(folder: RunFolder) -> None:
    """Write images.csv, failures.csv and atoms.csv, each at once or not at all."""
    entries = present_entries(folder)
    tables = [
        folder.path / entry.name / "atoms.csv" for entry in entries if "atoms.csv" in entry.outputs
    ]
    scratch = folder.scratch
    rows = (row for entry in entries for row in entry.frames)
    write_rows(scratch / "images.csv", rows, columns=IMAGE_COLUMNS)
    write_rows(scratch / "failures.csv", _failures(entries), columns=FAILURE_COLUMNS)
    join_tables(tables, scratch / "atoms.csv", header=ATOM_COLUMNS)
    for name in ("images.csv", "failures.csv", "atoms.csv"):
        os.replace(scratch / name, folder.path / name)


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

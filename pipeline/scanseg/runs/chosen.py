"""Images of a finished run, chosen by name, for what comes after it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph, Stack
from scanseg.runs.folder import RECORD, is_run_folder
from scanseg.runs.manifest import Entry, Manifest, content_checksum
from scanseg.runs.plan import InputFile
from scanseg.runs.reading import read_file
from scanseg.runs.settings import RunSettings
from scanseg.runs.tasks import Task

__all__ = ["chosen_entries", "listed", "natural_order", "open_input", "run_settings"]

log = logging.getLogger("scanseg.runs")

# What a kind of result is called, and what predict needs for it.
WORDS = {"walls": ("scan", "domain walls", "PFM scans"), "atoms": ("image", "atoms", "STEM images")}


def natural_order(name: str) -> tuple[tuple[str, int], ...]:
    """Sort key by which scan 2 comes before scan 10.

    Examples
    --------
    >>> sorted(["scan10.ibw", "scan2.ibw"], key=natural_order)
    ['scan2.ibw', 'scan10.ibw']
    """
    parts = re.findall(r"(\D*)(\d*)", name.lower())
    return tuple((text, int(digits or -1)) for text, digits in parts)


def run_settings(run: Path) -> RunSettings:
    """How a run read its inputs.

    Raises
    ------
    ConfigError
        Where it is no run, or one that has not finished.
    """
    if not is_run_folder(run):
        raise ConfigError(
            f"{run} holds no results of scanseg.",
            hint="Name the folder that was given to predict with -o.",
        )
    record = json.loads((run / RECORD).read_text(encoding="utf-8"))
    if "settings" not in record:
        raise ConfigError(
            f"The run in {run} has not finished.", hint="Start the same predict command again."
        )
    return RunSettings.from_settings(record["settings"], origin=str(run / RECORD))


def chosen_entries(run: Path, wanted: Sequence[str], task: Task) -> list[Entry]:
    """Lines of the manifest that have results of a kind.

    Parameters
    ----------
    run
        Output folder of a run.
    wanted
        Names of images, or patterns such as ``day1/*``, in order; what a pattern matches, and all
        images where nothing is given, is in natural order.
    task
        The kind of result.

    Raises
    ------
    ConfigError
        Where a name is not known.
    """
    one, found, source = WORDS[task.name]
    manifest = Manifest(run)
    failed = [each.name for each in manifest.entries() if each.status == "failed"]
    if failed and not wanted:
        log.warning("Left out, since the run could not process them: %s.", listed(failed))
    known = sorted(
        (each.name for each in manifest.entries() if each.task == task.name and each.outputs),
        key=natural_order,
    )
    chosen: list[str] = []
    for name in wanted:
        matching = [name] if name in known else [each for each in known if fnmatchcase(each, name)]
        if not matching:
            raise ConfigError(
                f"{run} has no {one} called {name}.",
                hint=f"It has {listed(known)}."
                if known
                else f"It has none with {found}: run predict on {source}.",
            )
        chosen += matching
    return [each for name in chosen or known if (each := manifest.entry(name)) is not None]


def open_input(entry: Entry, settings: RunSettings, *, purpose: str) -> Micrograph | Stack:
    """The image of an entry as the run has read it.

    Parameters
    ----------
    entry
        Line of the manifest.
    settings
        Those of the run.
    purpose
        What it is needed for, a sentence without its stop; for the error.

    Raises
    ------
    ConfigError
        Where the file is gone or has changed.
    """
    path = Path(entry.path)
    if not path.exists():
        raise ConfigError(
            f"{path} is not there any more; {purpose}.",
            hint="Put it back, or run predict on it where it is now.",
        )
    if content_checksum(path) != entry.sha256:
        raise ConfigError(
            f"{path} has other contents than when it was processed; {purpose}.",
            hint="Run predict again.",
        )
    return read_file(InputFile(path, entry.name), settings)


def listed(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more

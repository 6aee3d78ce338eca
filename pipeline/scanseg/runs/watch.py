"""A folder that fills while a microscope works: what has come to rest is processed, in batches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scanseg.errors import ConfigError
from scanseg.runs.collect import Found
from scanseg.runs.execute import Earlier, RunResult, execute
from scanseg.runs.folder import RunFolder
from scanseg.runs.manifest import Entry
from scanseg.runs.plan import InputFile, Plan, find_inputs
from scanseg.runs.process import Processor
from scanseg.runs.publish import try_to_publish
from scanseg.runs.record import now
from scanseg.runs.settings import RunSettings
from scanseg.runs.summary import present_entries

__all__ = ["EVERY_S", "SETTLE_S", "Arrivals", "Pace", "watch_folder"]

log = logging.getLogger("scanseg.runs")

# Longer than a camera or a copying program pauses within a file.
SETTLE_S = 5.0
EVERY_S = 2.0
# Tables and report are made anew after so many images at most, when many wait at once.
BATCH_IMAGES = 100

# Size and time of change of a file, of all files where it is a folder, and of the note beside it.
_State = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, and for how long.

    Parameters
    ----------
    settle_s
        A file is taken when size and time of change have stayed the same for so long.
    every_s
        Time between two looks.
    for_s
        Ends after so long; None never does.
    idle_s
        Ends when nothing has come for so long; None never does.
    """

    settle_s: float = SETTLE_S
    every_s: float = EVERY_S
    for_s: float | None = None
    idle_s: float | None = None


class Arrivals:
    """Tells which files have come to rest and are not processed yet.

    Only what is seen here counts, not the times in the files: the clock of a server may be wrong,
    and a copied file keeps its old time.

    Parameters
    ----------
    settle_s
        How long a file must have stayed the same.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[Path, tuple[_State, float]] = {}
        self._taken: dict[Path, _State] = {}
        self.n_restless = 0

    def settled(self, files: Sequence[InputFile], now_s: float) -> tuple[InputFile, ...]:
        """Those of the files that are new or changed, and have been at rest for long enough.

        Parameters
        ----------
        files
            What is there.
        now_s
            Time of a clock that never goes back.
        """
        since = {}
        settled = []
        for file in files:
            state = _state(file.path)
            if state is None or state == self._taken.get(file.path):
                continue
            before, start_s = self._since.get(file.path, (None, now_s))
            start_s = start_s if before == state else now_s
            since[file.path] = state, start_s
            if now_s - start_s >= self._settle_s:
                settled.append(file)
        self._since = since
        self.n_restless = len(since) - len(settled)
        return tuple(settled)

    def take(self, files: Sequence[InputFile]) -> tuple[InputFile, ...]:
        """Those of the settled files that are still there; they count as processed from now on.

        One that changes later is new again, whatever had become of it.
        """
        there = tuple(file for file in files if file.path.exists())
        for file in there:
            self._taken[file.path] = self._since.pop(file.path)[0]
        return there


def watch_folder(
    images: Path,
    folder: RunFolder,
    processor: Processor,
    *,
    settings: RunSettings,
    pace: Pace,
    stop: threading.Event,
    observe: Callable[[dict[str, Any]], None] = lambda event: None,
    command: tuple[str, ...] = (),
    bytes_in_flight: int | None = None,
) -> RunResult:
    """Process what comes into a folder until it is stopped; tables and report follow.

    It looks again and again instead of being told, since network shares tell nobody.

    Parameters
    ----------
    images
        The folder, which may be out of reach for a while.
    folder
        Where results go, as ``execute`` writes them.
    processor, settings, observe, command, bytes_in_flight
        As ``execute`` takes them.
    pace
        How often to look, and for how long.
    stop
        Ends it after the frame in hand when it is set.
    """
    arrivals = Arrivals(pace.settle_s)
    batches = _Batches(folder, processor, settings, observe, command, stop, bytes_in_flight)
    started_s = active_s = time.monotonic()
    plan = find_inputs([images], output=folder.path, taken=folder.manifest.path_of)
    while not stop.is_set():
        waiting = arrivals.settled(plan.files, time.monotonic())
        if batch := arrivals.take(waiting[:BATCH_IMAGES]):
            batches.process(Plan(batch, plan.skipped))
        now_s = time.monotonic()
        if batch or arrivals.n_restless:
            active_s = now_s
        if pace.for_s is not None and now_s - started_s >= pace.for_s:
            break
        if pace.idle_s is not None and now_s - active_s >= pace.idle_s:
            break
        if not batch and stop.wait(pace.every_s):
            break
        plan = _look(images, folder, before=plan)
    if stop.is_set():
        try_to_publish(folder)  # a batch that was cut has not
    return batches.result(time.monotonic() - started_s, interrupted=stop.is_set())


def _look(images: Path, folder: RunFolder, *, before: Plan) -> Plan:
    """What is in the folder now; while it is out of reach, as it was."""
    try:
        return find_inputs([images], output=folder.path, taken=folder.manifest.path_of)
    except (ConfigError, OSError) as error:
        log.info("%s is out of reach: %s", images, error)
        return before


class _Batches:
    """Runs one after the other into one folder, which count as one."""

    def __init__(
        self,
        folder: RunFolder,
        processor: Processor,
        settings: RunSettings,
        observe: Callable[[dict[str, Any]], None],
        command: tuple[str, ...],
        stop: threading.Event,
        bytes_in_flight: int | None,
    ) -> None:
        self._folder = folder
        self._processor = processor
        self._settings = settings
        self._observe = observe
        self._command = command
        self._stop = stop
        self._bytes_in_flight = bytes_in_flight
        self._earlier = Earlier(started=now())
        self._kept: set[str] = set()

    def process(self, plan: Plan) -> None:
        """Process a batch; its tables and report are those of all."""
        result = execute(
            plan,
            self._folder,
            self._processor,
            settings=self._settings,
            observe=self._see,
            command=self._command,
            stop=self._stop,
            earlier=self._earlier,
            bytes_in_flight=self._bytes_in_flight,
        )
        files = {file.name: file for file in (*self._earlier.files, *plan.files)}
        self._earlier = replace(
            self._earlier,
            files=tuple(files.values()),
            seconds=self._earlier.seconds + result.seconds,
        )

    def _see(self, event: dict[str, Any]) -> None:
        if event["event"] == "image":
            (self._kept.add if event["status"] == "kept" else self._kept.discard)(event["image"])
        self._observe(event)

    def result(self, seconds: float, *, interrupted: bool) -> RunResult:
        """What there is of all files that came, each counted once however often it has changed."""
        names = {file.name for file in self._earlier.files}
        entries = [entry for entry in present_entries(self._folder) if entry.name in names]
        done = [entry for entry in entries if entry.status == "done"]
        return RunResult(
            n_done=sum(entry.name not in self._kept for entry in done),
            n_kept=sum(entry.name in self._kept for entry in done),
            n_failed=sum(bool(entry.failures) for entry in entries),
            found=_found(done),
            seconds=round(seconds, 4),
            interrupted=interrupted,
        )


def _found(entries: Sequence[Entry]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for entry in sorted(entries, key=lambda entry: entry.task):
        before = found.get(entry.task, Found(0, 0))
        found[entry.task] = Found(before.n_images + 1, before.n_objects + entry.n_objects)
    return found


def _state(path: Path) -> _State | None:
    """What a change would change; None where there is nothing any more."""
    from scanseg.readers import sidecar_of

    try:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        note = sidecar_of(path)
        files += [note] if note.exists() else []
        found = [each.stat() for each in files]
    except OSError:
        return None
    return tuple((each.st_size, each.st_mtime_ns) for each in found)

"""A run on the workers of a Dask cluster: its parts are tasks, all into one folder.

What has been done is told by the manifest, not by Dask: when a worker is lost, its part starts on
another one, which keeps the images that are in the folder already.
"""

from __future__ import annotations

import contextlib
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import scanseg
from scanseg.errors import MachineError
from scanseg.runs.choice import open_processor
from scanseg.runs.collect import Found
from scanseg.runs.execute import RunResult, execute
from scanseg.runs.folder import RECORD, RunFolder, is_run_folder
from scanseg.runs.lock import InUse
from scanseg.runs.manifest import Entry, Failure
from scanseg.runs.plan import Plan
from scanseg.runs.process import Processor
from scanseg.runs.publish import try_to_publish
from scanseg.runs.reading import content_and_key
from scanseg.runs.settings import RunSettings
from scanseg.runs.shards import Shard
from scanseg.runs.summary import write_summary

__all__ = ["OpenModel", "distribute"]

OpenModel = Callable[[str | None, RunSettings], Processor]

# So many parts a worker even out that some take longer, and a lost one costs little.
PARTS_PER_WORKER = 4
# Where the workers are still to come nobody knows how many there will be.
PARTS_AT_LEAST = 16
POLL_S = 0.1
# Name of a file that tells workers to stop.
STOP = ".scanseg-stop-"
# The lock of a lost worker lasts until its machine notices; that of a stopped one, for an image.
LOCK_WAIT_S = 120.0
# How often to look whether workers are there, and how long a cluster may be without one, which it
# had: batch systems take their time with new jobs.
LOOK_S = 5.0
ALONE_S = 900.0


@dataclass(frozen=True, slots=True)
class _Job:
    """What every part needs to know; it travels to the workers."""

    output: Path
    model: str | None
    checksum: str
    settings: RunSettings
    retry_failed: bool
    command: tuple[str, ...]
    stop_file: Path
    bytes_in_flight: int | None
    open_model: OpenModel
    version: str = scanseg.__version__


@dataclass(frozen=True, slots=True)
class _PartResult:
    """How a part went, and what its observer would have seen."""

    result: RunResult
    events: list[dict[str, Any]]


def distribute(
    client: Any,
    plan: Plan,
    folder: RunFolder,
    processor: Processor,
    *,
    model: str | None,
    settings: RunSettings,
    retry_failed: bool = False,
    max_failures: int | None = None,
    observe: Callable[[dict[str, Any]], None] = lambda event: None,
    command: tuple[str, ...] = (),
    stop: threading.Event | None = None,
    bytes_in_flight: int | None = None,
    open_model: OpenModel = open_processor,
) -> RunResult:
    """Process the images of a plan on the workers of a cluster, and join what they have written.

    Parameters
    ----------
    client
        A client of Dask distributed. All workers see inputs, output and model at the paths that
        they have here.
    plan
        The images.
    folder
        The output folder, which is closed when the parts begin: each has a lock of its own.
    processor
        The model as it is here, to compare with those of the workers.
    model
        Its name or folder, for the workers.
    settings, retry_failed, max_failures, observe, command, stop, bytes_in_flight
        As ``execute`` takes them; events come when a part is done, and memory is that of each
        worker.
    open_model
        How a worker opens the model.

    Raises
    ------
    MachineError
        When a worker cannot work: another version, another model, no access to the output; or when
        all are gone and none comes back.
    """
    started = time.perf_counter()
    stop = stop or threading.Event()
    stop_file = folder.path / f"{STOP}{uuid.uuid4().hex[:8]}"
    for left in folder.path.glob(f"{STOP}*"):  # by a run that ended while it had no workers
        left.unlink(missing_ok=True)
    # Parts of earlier runs, of which there may have been another number, are whole by now.
    folder.write_json(RECORD, {**folder.record(), "shards": {}})
    folder.close()
    job = _Job(
        output=folder.path,
        model=str(Path(model).absolute()) if model and Path(model).exists() else model,
        checksum=processor.checksum,
        settings=settings,
        retry_failed=retry_failed,
        command=command,
        stop_file=stop_file,
        bytes_in_flight=bytes_in_flight,
        open_model=open_model,
    )
    parts = _parts(plan, len(client.scheduler_info()["workers"]))
    try:
        done, lost = _run_parts(client, parts, job, stop, max_failures, observe)
    except BaseException:
        stop_file.touch()
        raise
    try:
        with _patiently(folder.path) as whole:
            n_lost = sum(
                _report_lost(parts[shard], whole, processor, settings, observe) for shard in lost
            )
            write_summary(whole)
            try_to_publish(whole)
    finally:
        stop_file.unlink(missing_ok=True)
    n_seen = sum(len(each.events) for each in done) + n_lost
    is_cut = len(done) + len(lost) < len(parts) or any(
        each.result.interrupted or each.result.gave_up for each in done
    )
    return RunResult(
        n_done=sum(each.result.n_done for each in done),
        n_kept=sum(each.result.n_kept for each in done),
        n_failed=sum(each.result.n_failed for each in done) + n_lost,
        found=_added(done),
        seconds=round(time.perf_counter() - started, 4),
        interrupted=is_cut and stop.is_set() and n_seen < len(plan.files),
        gave_up=is_cut and not stop.is_set(),
    )


def _parts(plan: Plan, n_workers: int) -> dict[Shard, Plan]:
    n_parts = max(1, min(len(plan.files), max(PARTS_AT_LEAST, PARTS_PER_WORKER * n_workers)))
    shards = [Shard(index, n_parts) for index in range(1, n_parts + 1)]
    return {shard: shard.part_of(plan) for shard in shards}


def _run_parts(
    client: Any,
    parts: dict[Shard, Plan],
    job: _Job,
    stop: threading.Event,
    max_failures: int | None,
    observe: Callable[[dict[str, Any]], None],
) -> tuple[list[_PartResult], list[Shard]]:
    """Results of the parts that came to an end, and parts that no worker has survived."""
    from distributed import KilledWorker

    waiting = {
        client.submit(_run_part, shard, part, job, max_failures, pure=False): shard
        for shard, part in parts.items()
    }
    done: list[_PartResult] = []
    lost: list[Shard] = []
    n_failed = 0
    workers = _Workers(client)
    while waiting:
        ended = [future for future in waiting if future.done()]
        for future in ended:
            shard = waiting.pop(future)
            try:
                part = future.result()
            except KilledWorker:
                lost.append(shard)
                continue
            done.append(part)
            n_failed += part.result.n_failed
            for event in part.events:
                observe(event)
        if stop.is_set() or (max_failures is not None and n_failed > max_failures):
            job.stop_file.touch()
            client.cancel(list(waiting))
            break
        if not ended:
            workers.look()
            time.sleep(POLL_S)
    return done, lost


class _Workers:
    """Whether a cluster still has workers, and asks it for new ones in place of those it lost."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._most = 0
        self._next_s = 0.0
        self._seen_s = time.monotonic()

    def look(self) -> None:
        """Look, if it is time to.

        Raises
        ------
        MachineError
            When there have been workers, and none has been there for long.
        """
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + LOOK_S
        n_workers = len(self._client.scheduler_info()["workers"])
        if n_workers or not self._most:
            self._seen_s = now_s
        cluster = self._client.cluster
        if n_workers < self._most and hasattr(cluster, "plan"):
            cluster.scale(len(cluster.plan))  # as many as it was to have: jobs are asked for anew
        self._most = max(self._most, n_workers)
        if now_s - self._seen_s > ALONE_S:
            raise MachineError(
                f"All {self._most} workers of the Dask cluster are gone, and none has come back.",
                hint="Start the same command again with new workers; what is done is kept.",
            )


def _run_part(shard: Shard, part: Plan, job: _Job, max_failures: int | None) -> _PartResult:
    """Process a part, in a worker."""
    if scanseg.__version__ != job.version:
        raise MachineError(
            f"The worker on {platform.node()} has scanseg {scanseg.__version__}, and the run was "
            f"started with {job.version}.",
            hint="Install the same version everywhere.",
        )
    if not is_run_folder(job.output):
        raise MachineError(
            f"The worker on {platform.node()} does not see the output folder {job.output}.",
            hint="Inputs and output must lie on a file system that all workers share.",
        )
    processor = _opened(job.open_model, job.model, job.settings)
    if processor.checksum != job.checksum:
        raise MachineError(
            f"The worker on {platform.node()} has another model of this name.",
            hint="Install the same models everywhere, or name a shared folder with --model.",
        )
    events: list[dict[str, Any]] = []
    with _patiently(job.output, part=shard.label) as folder, _stopped_by(job.stop_file) as stop:
        result = execute(
            part,
            folder,
            processor,
            settings=job.settings,
            retry_failed=job.retry_failed,
            max_failures=max_failures,
            observe=lambda event: events.append(event) if event["event"] == "image" else None,
            command=job.command,
            stop=stop,
            bytes_in_flight=job.bytes_in_flight,
        )
    return _PartResult(result, events)


@lru_cache(maxsize=1)
def _opened(open_model: OpenModel, model: str | None, settings: RunSettings) -> Processor:
    """The model, opened once for all parts of a worker."""
    return open_model(model, settings)


def _patiently(path: Path, *, part: str = "") -> RunFolder:
    """The folder, as soon as whoever writes to it has ended."""
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return RunFolder(path, part=part)
        except InUse:
            if time.monotonic() > until:
                raise
        time.sleep(POLL_S)


@contextlib.contextmanager
def _stopped_by(file: Path) -> Iterator[threading.Event]:
    """An event that is set when a file appears; a worker gets no signals."""
    stop, ended = threading.Event(), threading.Event()

    def look() -> None:
        while not ended.wait(10 * POLL_S):
            if file.exists():
                stop.set()
                return

    threading.Thread(target=look, name="scanseg-stop", daemon=True).start()
    try:
        yield stop
    finally:
        ended.set()


def _report_lost(
    part: Plan,
    folder: RunFolder,
    processor: Processor,
    settings: RunSettings,
    observe: Callable[[dict[str, Any]], None],
) -> int:
    """Write a failure for every image of a part whose workers have all died; how many these are."""
    failure = Failure(
        "predict",
        "KilledWorker",
        "every worker that had it or its neighbours in hand has died, for lack of memory perhaps.",
        "Give workers more memory, or process it without --dask; then --retry failed.",
    )
    n_lost = 0
    for file in part.files:
        content, key = content_and_key(file.path, processor.checksum, settings)
        entry = folder.manifest.entry(file.name)
        if entry is not None and entry.key == key:
            continue
        n_lost += 1
        folder.manifest.append(
            Entry(
                file.name,
                str(file.path),
                sha256=content,
                key=key,
                status="failed",
                error=f"{failure.error}: {failure.reason}",
                hint=failure.hint,
                task="",
                failures=[asdict(failure)],
                frames=[{"image": file.name, "frame": 0, "status": "failed"}],
            )
        )
        event = {"event": "image", "image": file.name, "status": "failed", "task": ""}
        error = {"error": failure.reason, "hint": failure.hint, "warnings": []}
        observe({**event, **error, "n_objects": 0, "seconds": 0.0})
    return n_lost


def _added(parts: list[_PartResult]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for part in parts:
        for kind, each in part.result.found.items():
            before = found.get(kind, Found(0, 0))
            found[kind] = Found(before.n_images + each.n_images, before.n_objects + each.n_objects)
    return dict(sorted(found.items()))

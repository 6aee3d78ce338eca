"""A run: every image once, whatever is wrong with some of them."""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from scanseg.errors import MachineError
from scanseg.runs.collect import Collector, Found, Frame, Outcome
from scanseg.runs.detection import Detection
from scanseg.runs.failures import failure_of
from scanseg.runs.folder import RunFolder
from scanseg.runs.manifest import Failure
from scanseg.runs.pipeline import WriteBehind, read_ahead
from scanseg.runs.plan import InputFile, Plan, Skipped
from scanseg.runs.process import Processor
from scanseg.runs.publish import try_to_publish
from scanseg.runs.reading import Read, Reading, read_file
from scanseg.runs.record import describe_machine, now, versions
from scanseg.runs.settings import RunSettings
from scanseg.runs.summary import write_summary

__all__ = ["Earlier", "RunResult", "execute"]

# A few images ahead keep the network busy; of large ones the memory budget lets fewer pass.
AHEAD = 4
# Images that are computed at the same time, and the size from which on they are not.
SIDE_BY_SIDE = 3
LARGE_PX = 4_000_000


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run went.

    Parameters
    ----------
    n_done, n_kept, n_failed
        Images processed, images whose results were there already, images without a result or with
        a frame without one.
    found
        Images with results, and atoms or walls in them, by the kind of result, for all images of
        the plan.
    seconds
        Wall time.
    interrupted
        Whether the user stopped it.
    gave_up
        Whether more images failed than may, so that it stopped by itself.
    """

    n_done: int
    n_kept: int
    n_failed: int
    found: Mapping[str, Found]
    seconds: float
    interrupted: bool
    gave_up: bool = False

    @property
    def n_objects(self) -> int:
        """Atoms and walls together."""
        return sum(each.n_objects for each in self.found.values())


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run that comes in batches has done before the one in hand.

    Parameters
    ----------
    files
        Its files.
    started
        When it began.
    seconds
        Wall time of all batches.
    """

    files: tuple[InputFile, ...] = ()
    started: str = ""
    seconds: float = 0.0


def execute(
    plan: Plan,
    folder: RunFolder,
    processor: Processor,
    *,
    settings: RunSettings,
    retry_failed: bool = False,
    max_failures: int | None = None,
    observe: Callable[[dict[str, Any]], None] = lambda event: None,
    read: Read | None = None,
    command: tuple[str, ...] = (),
    stop: threading.Event | None = None,
    earlier: Earlier | None = None,
    bytes_in_flight: int | None = None,
) -> RunResult:
    """Process the images of a plan and write all their results.

    Parameters
    ----------
    plan
        The images.
    folder
        Where results go. Images whose contents, model and settings have not changed are kept.
    processor
        The model.
    settings
        The settings.
    retry_failed
        Whether images that failed before are tried again although nothing has changed.
    max_failures
        The run stops when more images than this have failed; those of earlier runs do not count.
    observe
        Is told what happens, as a dictionary with a key ``event``: ``frame`` and ``image``.
    read
        Opens a file; the readers of this package by default.
    command
        The command line, for the record.
    stop
        Ends the run after the frame in hand when it is set.
    earlier
        For the record: what batches before this one have done.
    bytes_in_flight
        Memory of the images that are read, processed or written at the same time; a larger one
        passes alone. None is 256 MiB.

    Raises
    ------
    MachineError
        When the disk is full or the device is missing. What is finished stays.
    """
    started = time.perf_counter()
    earlier = earlier or Earlier()
    record = _record(plan, processor, settings, command, earlier)
    reading = Reading(
        plan, folder, processor, settings, retry_failed, read or read_file, bytes_in_flight
    )
    collector = Collector(folder, settings.output, observe, reading.release)
    writing = WriteBehind(collector.take, depth=2)
    stop = stop or threading.Event()
    frames = read_ahead(reading.frames(), depth=AHEAD, ends=stop)
    try:
        try:
            for outcome in _side_by_side(frames, processor):
                if stop.is_set() and outcome.failure is not None:
                    break  # compiled code turns an interruption into an error of its own
                writing.put(outcome)
                if max_failures is not None and collector.n_new_failures > max_failures:
                    break
        except KeyboardInterrupt:
            stop.set()
        finally:
            reading.stop()
            frames.close()
            writing.close()
            collector.abandon()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise MachineError(
            f"The disk of {folder.path} is full.",
            hint="Make room and run the same command again: what is finished is kept.",
        ) from error
    is_cut = collector.n_files < len(plan.files)
    result = RunResult(
        **collector.counts(),
        found=collector.found,
        seconds=_since(started),
        interrupted=is_cut and stop.is_set(),
        gave_up=is_cut and not stop.is_set(),
    )
    if not folder.part:  # the tables of the parts are made when all of them are there
        write_summary(folder)
    is_news = bool(result.n_done or collector.n_new_failures or earlier.files)
    if is_news or is_cut or folder.is_unfinished():
        folder.write_json(
            folder.record_name,
            record
            | {
                "skipped": _skipped(*plan.skipped, *collector.skipped),
                "model": dict(processor.description),  # by now the engine is known
                "finished": None if is_cut else now(),
                "seconds": round(earlier.seconds + result.seconds, 4),
            },
        )
    if not folder.part and not result.interrupted:
        try_to_publish(folder)
    return result


def _record(
    plan: Plan,
    processor: Processor,
    settings: RunSettings,
    command: tuple[str, ...],
    earlier: Earlier,
) -> dict[str, Any]:
    files = {file.name: file for file in (*earlier.files, *plan.files)}
    known = versions()
    return {
        "scanseg": known["scanseg"],
        "command": list(command),
        "started": earlier.started or now(),
        "model": dict(processor.description),
        "colours": dict(processor.colours),
        "settings": settings.model_dump(mode="json"),
        "inputs": [{"path": str(file.path), "image": name} for name, file in files.items()],
        "skipped": _skipped(*plan.skipped),
        "seeds": {},  # nothing on the way of an image is random
        "versions": known,
        "machine": describe_machine(),
    }


def _skipped(*skipped: Skipped) -> list[dict[str, str]]:
    return [{"path": str(each.path), "reason": each.reason} for each in skipped]


def _side_by_side(frames: Iterable[Frame | None], processor: Processor) -> Iterator[Outcome]:
    """Outcomes in the order of the frames; small images are computed three at a time.

    A network uses every core, and what follows it one: with three images in hand the other cores
    have the network of the next image to do. On two cores 100 images of 512² took 13.5 s, with two
    in hand 14.5 s. Large images keep the cores busy, and come alone for memory.
    """
    waiting: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="scanseg-compute") as pool:
        try:
            for frame in frames:
                if frame is None:  # the next one may wait for the memory of these
                    while waiting:
                        yield waiting.popleft().result()
                    continue
                if frame.image is not None:
                    processor.prepare(frame.image)  # once, before threads share it
                large = frame.image is not None and frame.image.data.size > LARGE_PX
                while waiting and (large or len(waiting) == SIDE_BY_SIDE):
                    yield waiting.popleft().result()
                waiting.append(pool.submit(_process, frame, processor))
                if large:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _process(frame: Frame, processor: Processor) -> Outcome:
    """Apply the model; an error becomes the outcome of this frame alone."""
    if frame.image is None:
        return Outcome(frame, None, frame.failure)
    started = time.perf_counter()
    detection: Detection | None = None
    failure: Failure | None = None
    try:
        detection = processor(frame.image)
    except Exception as error:
        failure = failure_of(error, "predict", f"{frame.file.name}, frame {frame.index}")
    return Outcome(frame, detection, failure, _since(started))


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 4)

"""Gathers the frames of a file into its outputs and its line of the manifest."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from scanseg.micrograph import Micrograph
from scanseg.runs.detection import Detection
from scanseg.runs.folder import RunFolder
from scanseg.runs.manifest import Entry, Failure
from scanseg.runs.outputs import ImageOutputs, remove_outputs
from scanseg.runs.plan import InputFile, Skipped
from scanseg.runs.settings import OutputConfig
from scanseg.runs.tasks import TASKS

__all__ = ["Collector", "Found", "Frame", "Outcome"]

log = logging.getLogger("scanseg.runs")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame on its way: read, refused, or kept from an earlier run.

    Parameters
    ----------
    file, content, key
        The file, the checksum of its contents, the key of its results.
    image
        The frame; None where there is nothing to process.
    failure
        Why there is nothing.
    kept
        What an earlier run has found.
    skipped
        Whether the file turned out to be no image, and nobody said it was one.
    index, n_frames
        Number of this frame, of all frames of the file.
    n_bytes
        Memory it takes.
    seconds
        Time of reading.
    """

    file: InputFile
    content: str
    key: str
    image: Micrograph | None = None
    failure: Failure | None = None
    kept: Entry | None = None
    skipped: bool = False
    index: int = 0
    n_frames: int = 1
    n_bytes: int = 0
    seconds: float = 0.0

    def refused(self, failure: Failure) -> Frame:
        """The same frame without its image."""
        return replace(self, image=None, failure=failure)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a frame: a detection or a failure."""

    frame: Frame
    detection: Detection | None
    failure: Failure | None
    seconds: float = 0.0


class Found(NamedTuple):
    """How many images have results of a kind, and how many objects those have."""

    n_images: int
    n_objects: int


@dataclass
class _File:
    """The file whose frames arrive."""

    outputs: ImageOutputs | None = None
    n_missing: int = 0  # frames without a result before the first with one
    broken: bool = False  # whether its outputs could not be written
    task: str = ""
    n_objects: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Collector:
    """Takes the outcomes in order; writes outputs, manifest and events.

    Parameters
    ----------
    folder
        The output folder.
    config
        What is written.
    observe
        Is told about every frame and image.
    release
        Is called when a frame is done with.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: OutputConfig,
        observe: Callable[[dict[str, Any]], None],
        release: Callable[[Frame], None],
    ) -> None:
        self._folder = folder
        self._config = config
        self._observe = observe
        self._release = release
        self._file = _File()
        self._counts = {"n_done": 0, "n_kept": 0, "n_failed": 0}
        self._found: dict[str, Found] = {}
        self.n_files = 0
        self.skipped: list[Skipped] = []
        self.n_kept_failures = 0

    def counts(self) -> dict[str, int]:
        """Numbers of images done, kept and failed."""
        return dict(self._counts)

    @property
    def found(self) -> dict[str, Found]:
        """What there is of each kind of result, in one order."""
        return {task.name: self._found[task.name] for task in TASKS if task.name in self._found}

    @property
    def n_new_failures(self) -> int:
        """Number of images that have failed in this run."""
        return self._counts["n_failed"] - self.n_kept_failures

    def take(self, outcome: Outcome) -> None:
        """Take the outcome of the next frame."""
        frame = outcome.frame
        try:
            if frame.skipped:
                self.n_files += 1
                self.skipped.append(Skipped(frame.file.path, "no reader knows its first bytes"))
                reason = frame.failure.reason if frame.failure else ""
                log.info("%s skipped: %s", frame.file.name, reason)
                self._observe({"event": "image", "image": frame.file.name, "status": "skipped"})
            elif frame.kept is not None:
                self._take_kept(frame.kept)
            else:
                self._take_frame(outcome)
        finally:
            self._release(frame)

    def abandon(self) -> None:
        """Drop a file whose frames have not all come."""
        if self._file.outputs is not None:
            self._file.outputs.discard()
        self._file = _File()

    def _take_kept(self, entry: Entry) -> None:
        self.n_kept_failures += bool(entry.failures)  # first: another thread takes the difference
        self._count(entry, "n_kept")
        self._observe(_event(entry) | {"status": "kept" if entry.status == "done" else "failed"})

    def _take_frame(self, outcome: Outcome) -> None:
        frame, file = outcome.frame, self._file
        failure = outcome.failure
        if outcome.detection is not None and frame.image is not None and not file.broken:
            failure = self._write(frame, frame.image, outcome.detection)
        elif file.outputs is not None:
            file.outputs.add_missing()
        else:
            file.n_missing += 1
        if failure is not None:
            many = frame.n_frames > 1
            reason = f"frame {frame.index}: {failure.reason}" if many else failure.reason
            file.failures.append(replace(failure, reason=reason))
        file.seconds += frame.seconds + outcome.seconds
        file.rows.append(_row(outcome, ok=failure is None and not file.broken))
        self._observe(
            {
                "event": "frame",
                "image": frame.file.name,
                "frame": frame.index,
                "n_frames": frame.n_frames,
            }
        )
        if frame.index == frame.n_frames - 1:
            self._finish(frame)

    def _write(self, frame: Frame, image: Micrograph, detection: Detection) -> Failure | None:
        file = self._file
        try:
            if file.outputs is None:
                file.outputs = ImageOutputs(
                    frame.file,
                    image,
                    detection,
                    frame.n_frames,
                    scratch=self._folder.scratch / "image",
                    config=self._config,
                )
                for _ in range(file.n_missing):
                    file.outputs.add_missing()
            file.outputs.add(frame.index, detection)
            file.task = detection.task.name
            file.n_objects += detection.n_objects
        except Exception as error:
            return self._broken(error, frame)
        return None

    def _broken(self, error: Exception, frame: Frame) -> Failure:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise error
        log.debug("%s: write failed", frame.file.name, exc_info=error)
        self.abandon_outputs()
        return Failure(
            "write",
            type(error).__name__,
            f"its results could not be written: {error}",
            "Check the output folder; then run again with --retry failed.",
        )

    def abandon_outputs(self) -> None:
        """Drop what has been written of the file in hand."""
        if self._file.outputs is not None:
            self._file.outputs.discard()
        self._file.outputs, self._file.broken = None, True

    def _finish(self, frame: Frame) -> None:
        file, name = self._file, frame.file.name
        folder = self._folder.path / name
        outputs: dict[str, str] = {}
        if file.outputs is not None:
            try:
                outputs = file.outputs.finish(folder)
            except Exception as error:
                file.failures.append(self._broken(error, frame))
        if not outputs:
            remove_outputs(folder)
            file.rows = [_failed_row(name, row["frame"]) for row in file.rows]
        first = file.failures[0] if file.failures else None
        entry = Entry(
            name=name,
            path=str(frame.file.path),
            sha256=frame.content,
            key=frame.key,
            status="done" if outputs else "failed",
            error=f"{first.error}: {first.reason}" if first else "",
            hint=first.hint if first else "",
            task=file.task if outputs else "",
            n_objects=file.n_objects if outputs else 0,
            seconds=round(file.seconds, 4),
            failures=[asdict(failure) for failure in file.failures],
            frames=file.rows,
            outputs=outputs,
        )
        self._folder.manifest.append(entry)
        self._file = _File()
        if first_done := next((row for row in entry.frames if row["status"] == "done"), None):
            log.info(
                "%s: %s, so model %s: %d %s",
                *(name, first_done["signal"], first_done["model"], entry.n_objects, entry.task),
            )
        self._count(entry, "n_done")
        self._observe(_event(entry))

    def _count(self, entry: Entry, kind: str) -> None:
        self.n_files += 1
        # An image with some frames missing has results and is a failure as well.
        if entry.status == "done":
            self._counts[kind] += 1
        if entry.failures:
            self._counts["n_failed"] += 1
        if entry.outputs:
            before = self._found.get(entry.task, Found(0, 0))
            self._found[entry.task] = Found(before.n_images + 1, before.n_objects + entry.n_objects)


def _row(outcome: Outcome, *, ok: bool) -> dict[str, Any]:
    """The row of images.csv of a frame."""
    frame, image, detection = outcome.frame, outcome.frame.image, outcome.detection
    if not ok or image is None or detection is None:
        return _failed_row(frame.file.name, frame.index)
    size = image.pixel_size_nm
    return {
        "image": frame.file.name,
        "frame": frame.index,
        "status": "done",
        "height_px": image.shape[0],
        "width_px": image.shape[1],
        "pixel_size_y_nm": size[0] if size else None,
        "pixel_size_x_nm": size[1] if size else None,
        "calibration": image.metadata.get("calibration", ""),
        "signal": str(image.signal),
        "model": detection.model,
        **detection.numbers,
        "warnings": list(dict.fromkeys((*image.warnings, *detection.warnings))),
        "seconds": round(frame.seconds + outcome.seconds, 4),
    }


def _failed_row(image: str, frame: int) -> dict[str, Any]:
    return {"image": image, "frame": frame, "status": "failed"}


def _event(entry: Entry) -> dict[str, Any]:
    warnings = dict.fromkeys(text for row in entry.frames for text in row.get("warnings") or ())
    return {
        "event": "image",
        "image": entry.name,
        "path": entry.path,
        "status": entry.status,
        "task": entry.task,
        "n_objects": entry.n_objects,
        "seconds": entry.seconds,
        "error": entry.error,
        "hint": entry.hint,
        "warnings": list(warnings),
    }

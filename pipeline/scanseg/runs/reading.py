"""Opens files ahead of the network, a frame at a time, and tells which need none of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scanseg.errors import NotRecognised, ScansegError
from scanseg.mapped import LARGE_BYTES, is_mapped
from scanseg.micrograph import Micrograph, Stack
from scanseg.runs.checks import check_image
from scanseg.runs.collect import Frame
from scanseg.runs.failures import failure_of
from scanseg.runs.folder import RunFolder
from scanseg.runs.manifest import Entry, Failure, content_checksum, result_key
from scanseg.runs.memory import BYTES_IN_FLIGHT
from scanseg.runs.pipeline import MemoryBudget
from scanseg.runs.plan import InputFile, Plan
from scanseg.runs.process import Processor
from scanseg.runs.settings import RunSettings

__all__ = ["Read", "Reading", "content_and_key", "read_file"]

log = logging.getLogger("scanseg.runs")

Read = Callable[[InputFile, RunSettings], Micrograph | Stack]


def read_file(file: InputFile, settings: RunSettings) -> Micrograph | Stack:
    """Read the image of a file as the settings say."""
    from scanseg.readers import read

    chosen = settings.input
    return read(file.path, channel=chosen.channel, pixel_size_nm=chosen.pixel_size_nm)


class Reading:
    """Opens the files of a plan one after the other, a frame at a time."""

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        processor: Processor,
        settings: RunSettings,
        retry_failed: bool,
        read: Read,
        bytes_in_flight: int | None,
    ) -> None:
        self._files = plan.files
        self._folder = folder
        self._checksum = processor.checksum
        self._settings = settings
        self._retry_failed = retry_failed
        self._read = read
        # What was asked for is a promise, and breaking it is said to the user.
        self._level = logging.INFO if bytes_in_flight is None else logging.WARNING
        self._bytes_in_flight = bytes_in_flight or BYTES_IN_FLIGHT
        self._budget = MemoryBudget(self._bytes_in_flight)

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._budget.close()

    def release(self, frame: Frame) -> None:
        """A frame is written and its memory free."""
        self._budget.release(frame.n_bytes)

    def frames(self) -> Iterator[Frame]:
        """All frames of all files; a file that cannot be read is one frame with a failure."""
        for file in self._files:
            content = key = ""
            try:
                content, key = content_and_key(file.path, self._checksum, self._settings)
                if (kept := self._kept(file, key)) is not None:
                    yield Frame(file, content, key, kept=kept)
                else:
                    yield from self._open(file, content, key)
            except NotRecognised as error:
                yield self._unread(file, content, key, error, skipped=not file.expected)
            except Exception as error:
                yield self._unread(file, content, key, error)

    def _unread(
        self, file: InputFile, content: str, key: str, error: Exception, *, skipped: bool = False
    ) -> Frame:
        return Frame(
            file, content, key, failure=failure_of(error, "read", file.name), skipped=skipped
        )

    def _kept(self, file: InputFile, key: str) -> Entry | None:
        entry = self._folder.manifest.entry(file.name)
        if entry is None or entry.key != key or (self._retry_failed and entry.failures):
            return None
        return entry if entry.is_complete(self._folder.path / file.name) else None

    def _open(self, file: InputFile, content: str, key: str) -> Iterator[Frame]:
        started = time.perf_counter()
        size = file.path.stat().st_size
        self._budget.acquire(size)
        try:
            image = self._read(file, self._settings)
        finally:
            self._budget.release(size)
        if isinstance(image, Micrograph):
            n_bytes = _bytes_of(image)
            self._say_if_large(file, n_bytes)
            self._budget.add(n_bytes)
            yield self._checked(
                Frame(file, content, key, image=image, n_bytes=n_bytes, seconds=_since(started))
            )
            return
        n_bytes = 4 * image.shape[0] * image.shape[1]
        self._say_if_large(file, n_bytes)
        for index in range(image.n_frames):
            self._budget.acquire(n_bytes)
            yield self._checked(self._frame(file, content, key, image, index, n_bytes))

    def _say_if_large(self, file: InputFile, n_bytes: int) -> None:
        if n_bytes > self._bytes_in_flight:
            log.log(
                self._level,
                "%s takes %.2g GB, more than the %.2g GB that images may have of the memory: "
                "it is processed alone, and memory grows with it.",
                *(file.name, n_bytes / 1e9, self._bytes_in_flight / 1e9),
            )

    def _frame(
        self, file: InputFile, content: str, key: str, stack: Stack, index: int, n_bytes: int
    ) -> Frame:
        started = time.perf_counter()
        image: Micrograph | None = None
        failure: Failure | None = None
        try:
            image = stack.frame(index)
        except Exception as error:
            failure = failure_of(error, "read", f"{file.name}, frame {index}")
        return Frame(
            file,
            content,
            key,
            image=image,
            failure=failure,
            index=index,
            n_frames=stack.n_frames,
            n_bytes=n_bytes,
            seconds=_since(started),
        )

    def _checked(self, frame: Frame) -> Frame:
        if frame.image is None:
            return frame
        try:
            check_image(frame.image)
        except ScansegError as error:
            return frame.refused(failure_of(error, "check", frame.file.name))
        return frame


def content_and_key(path: Path, model: str, settings: RunSettings) -> tuple[str, str]:
    """Checksum of the contents of a file, and key of its results.

    Parameters
    ----------
    path
        The file.
    model
        Checksum of the model.
    settings
        The settings.
    """
    content = content_checksum(path)
    return content, result_key(content + _note(path), model, settings.model_dump(mode="json"))


def _note(path: Path) -> str:
    """Checksum of the note beside a file, which decides its calibration; empty without one."""
    from scanseg.readers import sidecar_of

    note = sidecar_of(path)
    return content_checksum(note) if note.is_file() else ""


def _bytes_of(image: Micrograph) -> int:
    """Memory that an image takes; of one that lies in a file, what is computed from it does."""
    return sum(
        min(each.data.size, LARGE_BYTES) if is_mapped(each.data) else each.data.nbytes
        for each in image.channels().values()
    )


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 4)

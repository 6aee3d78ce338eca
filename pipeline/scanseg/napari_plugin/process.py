"""``scanseg`` in a process of its own: the window goes on, and cancel means kill."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, Signal

__all__ = ["Command", "program"]

# What a process may say on stderr and is kept for the message to the user.
KEPT_ERROR_BYTES = 4000
CANCEL_MS = 1000


def program() -> list[str]:
    """What this Python is asked to run."""
    return ["-m", "scanseg.cli"]


class Command(QObject):
    """One call of the command line with its events.

    ``told`` gives every event; ``ended`` comes when it has ended well, ``failed`` with what to tell
    the user when it has not. One of the two comes once, unless it is cancelled.
    """

    told = Signal(object)
    ended = Signal()
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._pending = b""
        self._errors = b""
        self._cancelled = False
        self._process = QProcess()
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("MPLBACKEND", "Agg")  # not the one of this window
        environment.insert("NO_ALBUMENTATIONS_UPDATE", "1")
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._not_started)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return bool(self._process.state() != QProcess.ProcessState.NotRunning)

    def start(self, arguments: Sequence[str]) -> None:
        """Start ``scanseg`` with arguments; returns at once."""
        self._process.start(sys.executable, [*program(), *arguments, "--events", "jsonl"])

    def kill(self) -> None:
        """End the process and those it has started; nothing is told any more."""
        self._cancelled = True
        if not self.is_running:
            return
        # Processes that prepare examples would notice after seconds that nobody takes them.
        children = _children(self._process.processId())
        self._process.kill()
        for child in children:
            with suppress(Exception):  # it has ended by itself
                child.kill()
        self._process.waitForFinished(CANCEL_MS)

    def _read_events(self) -> None:
        self._pending += bytes(self._process.readAllStandardOutput())
        *lines, self._pending = self._pending.split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and not self._cancelled:
                self.told.emit(event)

    def _read_errors(self) -> None:
        said = self._errors + bytes(self._process.readAllStandardError())
        self._errors = said[-KEPT_ERROR_BYTES:]

    def _not_started(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart and not self._cancelled:
            self.failed.emit(f"Python could not be started: {self._process.errorString()}")

    def _end(self, code: int, status: Any) -> None:
        self._read_events()
        self._read_errors()
        if self._cancelled:
            return
        if code == 0 and status == QProcess.ExitStatus.NormalExit:
            self.ended.emit()
        else:
            self.failed.emit(self._last_error(code))

    def _last_error(self, code: int) -> str:
        """The error of the command line with its hint, or the last line of a traceback."""
        lines = [line for line in self._errors.decode(errors="replace").splitlines() if line]
        said = [index for index, line in enumerate(lines) if line.startswith("Error: ")]
        if said:
            return " ".join(lines[said[-1] :]).removeprefix("Error: ")
        return lines[-1] if lines else f"it ended with exit code {code}"


def _children(process_id: int) -> list[Any]:
    import psutil

    try:
        return psutil.Process(process_id).children(recursive=True)
    except psutil.Error:
        return []

"""``scanseg predict`` in a process of its own: the window goes on, and cancel means kill."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, Signal

__all__ = ["Job", "Request"]

# What a process may say on stderr and is kept for the message to the user.
KEPT_ERROR_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Request:
    """What ``scanseg predict`` is asked.

    Parameters
    ----------
    input
        An image file.
    model
        Name or folder; None leaves the choice to the kind of the file.
    save
        Further maps: probability, uncertainty.
    settings
        Dotted settings as ``a.b=value``.
    """

    input: Path
    model: str | None = None
    save: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def arguments(self, output: str) -> list[str]:
        """Arguments of the command line, without the program."""
        model = [] if self.model is None else ["--model", self.model]
        save = ["--save", ",".join(self.save)] if self.save else []
        settings = [word for each in self.settings for word in ("--set", each)]
        return ["predict", str(self.input), "-o", output, *model, *save, *settings]

    def command(self, output: str = "OUT") -> str:
        """The line to type for the same numbers."""
        return shlex.join(["scanseg", *self.arguments(output)])

    def recipe(self) -> str:
        """The same settings as a file for ``--config``, with the command above them."""
        import yaml

        tree: dict[str, Any] = {"output": {"save": list(self.save)}} if self.save else {}
        for each in self.settings:
            dotted, _, value = each.partition("=")
            *groups, name = dotted.split(".")
            inner = tree
            for group in groups:
                inner = inner.setdefault(group, {})
            inner[name] = yaml.safe_load(value)
        words = ["scanseg", "predict", str(self.input), "-o", "OUT", "--config", "THIS_FILE"]
        words += [] if self.model is None else ["--model", self.model]
        return f"# {shlex.join(words)}\n{yaml.safe_dump(tree, sort_keys=False)}"


class Job(QObject):
    """One run, from start to its results or its error.

    ``progressed`` tells (done, total) frames; ``finished`` the folder with the results, which is
    removed when the slots return; ``failed`` what to tell the user. One of the last two comes once,
    unless the job is cancelled.
    """

    progressed = Signal(int, int)
    finished = Signal(object)
    failed = Signal(str)

    def __init__(self, request: Request, *, scratch: Path | None = None) -> None:
        super().__init__()
        self.request = request
        self._folder = scratch or Path(tempfile.mkdtemp(prefix="scanseg-napari-"))
        self._output = self._folder / "out"
        self._pending = b""
        self._errors = b""
        self._image_error = ""
        self._cancelled = False
        self._process = QProcess()
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("MPLBACKEND", "Agg")  # not the one of this window
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._not_started)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return bool(self._process.state() != QProcess.ProcessState.NotRunning)

    @property
    def folder(self) -> Path:
        """Where temporary files of this job are; gone when it has ended."""
        return self._folder

    def start(self) -> None:
        """Start the process; returns at once."""
        arguments = ["-m", "scanseg.cli", *self.request.arguments(str(self._output))]
        self._process.start(sys.executable, [*arguments, "--events", "jsonl", "--quiet"])

    def cancel(self) -> None:
        """Kill the process; nothing it has written is left.

        Results lie in a temporary folder, so there is nothing that an orderly end would save.
        """
        self._cancelled = True
        if self.is_running:
            self._process.kill()
            self._process.waitForFinished(1000)
        self._clean()

    def _read_events(self) -> None:
        self._pending += bytes(self._process.readAllStandardOutput())
        *lines, self._pending = self._pending.split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "frame":
                self.progressed.emit(int(event["frame"]) + 1, int(event["n_frames"]))
            elif event.get("event") == "image" and event.get("status") != "done":
                words = (event.get("error") or event["status"], event.get("hint") or "")
                self._image_error = " ".join(words).strip()

    def _read_errors(self) -> None:
        said = self._errors + bytes(self._process.readAllStandardError())
        self._errors = said[-KEPT_ERROR_BYTES:]

    def _not_started(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart and not self._cancelled:
            self._clean()
            self.failed.emit(f"Python could not be started: {self._process.errorString()}")

    def _end(self, code: int, status: Any) -> None:
        self._read_events()
        self._read_errors()
        try:
            if self._cancelled:
                return
            if code == 0 and status == QProcess.ExitStatus.NormalExit:
                self.finished.emit(self._output)
            else:
                self.failed.emit(self._image_error or self._last_error(code))
        finally:
            self._clean()

    def _last_error(self, code: int) -> str:
        lines = [line for line in self._errors.decode(errors="replace").splitlines() if line]
        told: Sequence[str] = [line for line in lines if line.startswith("Error: ")] or lines[-1:]
        return told[-1].removeprefix("Error: ") if told else f"it ended with exit code {code}"

    def _clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

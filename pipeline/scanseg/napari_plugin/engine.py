"""``scanseg predict`` for a layer: what it is asked, and the job that does it."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from scanseg.napari_plugin.process import Command

__all__ = ["Job", "Request"]


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
        Further maps: probability, uncertainty, domains.
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

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request
        self._folder = Path(tempfile.mkdtemp(prefix="scanseg-napari-"))
        self._image_error = ""
        self._command = Command()
        self._command.told.connect(self._take)
        self._command.ended.connect(self._finish)
        self._command.failed.connect(self._fail)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._command.is_running

    @property
    def folder(self) -> Path:
        """Where temporary files of this job are; gone when it has ended."""
        return self._folder

    def start(self) -> None:
        """Start the process; returns at once."""
        self._command.start([*self.request.arguments(str(self._output)), "--quiet"])

    def cancel(self) -> None:
        """Kill the process; nothing it has written is left.

        Results lie in a temporary folder, so there is nothing that an orderly end would save.
        """
        self._command.kill()
        self._clean()

    @property
    def _output(self) -> Path:
        return self._folder / "out"

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("event") == "frame":
            self.progressed.emit(int(event["frame"]) + 1, int(event["n_frames"]))
        elif event.get("event") == "image" and event.get("status") != "done":
            words = (event.get("error") or event["status"], event.get("hint") or "")
            self._image_error = " ".join(words).strip()

    def _finish(self) -> None:
        try:
            self.finished.emit(self._output)
        finally:
            self._clean()

    def _fail(self, reason: str) -> None:
        self._clean()
        self.failed.emit(self._image_error or reason)

    def _clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

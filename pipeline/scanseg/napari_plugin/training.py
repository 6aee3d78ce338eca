"""``scanseg train`` with corrected images: what it is asked, and the job that does it."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from scanseg.napari_plugin.process import Command

__all__ = ["Outcome", "TrainingJob", "TrainingRequest"]


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What ``scanseg train`` is asked.

    Parameters
    ----------
    data
        Folder of labelled images.
    model
        To start from: a name or a folder.
    name
        Of the new model.
    budget_s
        For everything.
    speed
        ``all`` or ``threshold``, see ``scanseg train --speed``.
    """

    data: Path
    model: str
    name: str
    budget_s: int
    speed: str = "all"

    def arguments(self, output: str) -> list[str]:
        """Arguments of the command line, without the program."""
        return [
            "train", str(self.data), "--from", self.model, "-o", output, "--name", self.name,
            "--budget", f"{self.budget_s}s", "--speed", self.speed,
        ]  # fmt: skip

    def command(self, output: str = "OUT") -> str:
        """The line to type for the same training."""
        return shlex.join(["scanseg", *self.arguments(output)])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training.

    Parameters
    ----------
    folder
        Of the new model; it is removed with the job.
    is_better
        On images held out; the old model was kept where not, and ``folder`` is a copy of it.
    held_out
        Names of the images that were not trained on.
    figures
        (figure, before, after) on images held out, or on those trained on where there are none.
    images
        (image, F1 before, F1 after).
    remarks
        What users of the model should know.
    """

    folder: Path
    is_better: bool
    held_out: tuple[str, ...]
    figures: tuple[tuple[str, float, float], ...]
    images: tuple[tuple[str, float, float], ...]
    remarks: tuple[str, ...]

    @staticmethod
    def from_event(event: dict[str, Any]) -> Outcome:
        """From the last event of the command line."""
        before = event["f1_of_image_before"]
        simulated = ("f1 on simulations", *event["simulated_f1"])
        return Outcome(
            Path(event["folder"]),
            bool(event["is_better"]),
            tuple(event["held_out"]),
            (*((str(name), old, new) for name, old, new in event["figures"]), simulated),
            tuple((name, before[name], new) for name, new in event["f1_of_image"].items()),
            tuple(event["remarks"]),
        )


class TrainingJob(QObject):
    """One training, from start to its outcome or its error.

    ``said`` gives a sentence for the user, ``stepped`` (member, step, steps, loss), ``finished``
    the outcome, ``failed`` what to tell the user. The new model lies in a temporary folder until
    ``discard``.
    """

    said = Signal(str)
    stepped = Signal(int, int, int, float)
    finished = Signal(object)
    failed = Signal(str)

    def __init__(self, request: TrainingRequest) -> None:
        super().__init__()
        self.request = request
        self.folder = Path(tempfile.mkdtemp(prefix="scanseg-training-"))
        self._outcome: Outcome | None = None
        self._command = Command()
        self._command.told.connect(self._take)
        self._command.ended.connect(self._finish)
        self._command.failed.connect(self._fail)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._command.is_running

    def start(self) -> None:
        """Start the process; returns at once."""
        self._command.start(self.request.arguments(str(self.folder / "out")))

    def cancel(self) -> None:
        """Kill the process; nothing it has written is left."""
        self._command.kill()
        self.discard()

    def discard(self) -> None:
        """Remove the new model."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "said":
            self.said.emit(str(event["text"]))
        elif kind == "step":
            place = (int(event[name]) for name in ("member", "step", "n_steps"))
            self.stepped.emit(*place, float(event["loss"]))
        elif kind == "end":
            self._outcome = Outcome.from_event(event)

    def _finish(self) -> None:
        if self._outcome is None:
            self._fail("it ended without a result")
        else:
            self.finished.emit(self._outcome)

    def _fail(self, reason: str) -> None:
        self.discard()
        self.failed.emit(reason)

"""Retrain: corrected images make a model better, if images held out say so."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from scanseg.napari_plugin.curve import LossCurve
from scanseg.napari_plugin.docking import DockContent, still_progress_bar
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.model_choice import ModelChoice, offer_model, withdraw_model
from scanseg.napari_plugin.own_models import accept_model, free_name, home_of_data, remove_model
from scanseg.napari_plugin.plugin_settings import DEFAULTS, setting
from scanseg.napari_plugin.training import Outcome, TrainingJob, TrainingRequest
from scanseg.napari_plugin.training_set import (
    add_labelled,
    labelled_images,
    remove_labelled,
    task_of_layer,
)
from scanseg.napari_plugin.viewing import image_layer_of

__all__ = ["RetrainWidget"]

KINDS = ("Points", "Shapes", "Labels")
ROLES = ("atoms", "walls", "class map", "")
WHOLE, IN_VIEW = "whole image", "field of view"
SPEEDS = {"all weights": "all", "threshold only": "threshold"}
FIRST_MODEL = {"atoms": "stem-atoms", "walls": "pfm-walls"}


class RetrainWidget(DockContent):
    """Trains a model further on corrected images."""

    done = Signal(str)  # what is said at the end, however it ended

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._job: TrainingJob | None = None
        self._outcome: Outcome | None = None
        self._accepted: Path | None = None
        self.folder = home_of_data("corrected")
        self.layer_choice = LayerChoice(napari_viewer, KINDS, ROLES)
        self.region = QComboBox()
        self.region.addItems([WHOLE, IN_VIEW])
        self.region.setToolTip("Where the labels are right")
        self.add_button = QPushButton("Add to the training images")
        self.images = QListWidget()
        self.images.setMaximumHeight(90)
        self.remove_button = QPushButton("Remove")
        self.folder_button = QPushButton("Folder…")
        self.model = ModelChoice(automatic=False)
        self.budget = QSpinBox()
        self.budget.setRange(1, 24 * 60)
        self.budget.setSuffix(" min")
        self.budget.setValue(DEFAULTS["retraining"]["budget_minutes"])
        self.speed = QComboBox()
        self.speed.addItems([*SPEEDS])
        self.train_button = QPushButton("Train")
        self.cancel_button = QPushButton("Cancel")
        self.copy_button = QPushButton("Copy command")
        self.progress = still_progress_bar()
        self.curve = LossCurve()
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(("figure", "before", "after"))
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.setMinimumHeight(80)
        self.accept_button = QPushButton("Accept")
        self.roll_back_button = QPushButton("Roll back")
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self._connect()
        self._busy(False)
        self.list_images()
        self._take_layer(self.layer_choice.layer)
        # napari takes 0.3 s to read the settings of plugins: after the dock is on the screen.
        QTimer.singleShot(0, self._take_settings)

    @property
    def is_running(self) -> bool:
        """Whether a training is at work."""
        return self._job is not None and self._job.is_running

    def use_folder(self, folder: Path) -> None:
        """Collect training images in another folder, or take one that was labelled elsewhere."""
        self.folder = folder
        self.list_images()

    def add(self) -> None:
        """Add the image under the chosen layer, with the layer as its labels."""
        layer = self.layer_choice.layer
        image = None if layer is None else image_layer_of(self._viewer, layer)
        if layer is None or image is None:
            self._say(
                "There is no image with atoms, walls or a class map: use Segment and Correct."
            )
            return
        in_view = self.region.currentText() == IN_VIEW
        try:
            stem = add_labelled(self.folder, self._viewer, layer, image, in_view=in_view)
        except (OSError, ValueError) as error:
            self._say(f"{layer.name} cannot be used: {error}")
            return
        self.list_images()
        self._say(f"Added: {stem}")

    def remove(self) -> None:
        """Take the selected image out of the training images."""
        item = self.images.currentItem()
        if item is None:
            return
        if remove_labelled(self.folder, item.data(Qt.ItemDataRole.UserRole)):
            self.list_images()
        else:
            self._say("It was not added here: remove its files from the folder.")

    def list_images(self) -> None:
        """Show what there is in the folder."""
        self.images.clear()
        for files in labelled_images(self.folder):
            item = QListWidgetItem(f"{files.name}  ({files.kind})", self.images)
            item.setData(Qt.ItemDataRole.UserRole, files.image.stem)
        self.folder_button.setToolTip(str(self.folder))

    def request(self) -> TrainingRequest:
        """What the command line is asked."""
        model = self.model.chosen or FIRST_MODEL["atoms"]
        base = Path(model).name
        return TrainingRequest(
            self.folder, model, free_name(base), 60 * self.budget.value(),
            SPEEDS[self.speed.currentText()],
        )  # fmt: skip

    def train(self) -> None:
        """Start a training; returns at once."""
        if self.is_running:
            return
        if not self.images.count():
            self._say("There are no training images: correct one and add it.")
            return
        if find_spec("torch") is None:
            self._say("Training needs PyTorch, which is not installed: pip install torch")
            return
        self._drop()
        self.curve.clear()
        self.table.setRowCount(0)
        self._job = job = TrainingJob(self.request())
        job.said.connect(self.status.setText)
        job.stepped.connect(self._show_step)
        job.finished.connect(self._show_outcome)
        job.failed.connect(self._fail)
        # The widget may be destroyed with its window; the process must not outlive it.
        self.destroyed.connect(partial(_cancel, job))
        self._busy(True)
        self.status.setText("Reading the images …")
        job.start()

    def cancel(self) -> None:
        """Kill the training."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._busy(False)
            self._say("Cancelled; nothing is left behind.")

    def accept(self) -> None:
        """Keep the new model; Segment takes it where it took the old one."""
        if self._job is None or self._outcome is None:
            return
        request = self._job.request
        try:
            self._accepted = accept_model(self._outcome.folder)
        except OSError as error:
            self._say(f"The model cannot be kept: {error}")
            return
        self._drop()
        offer_model(self._accepted, base=request.model)
        self._decidable(accept=False, roll_back=True)
        self._say(f"{self._accepted.name} is kept, and Segment uses it: {self._accepted}")

    def roll_back(self) -> None:
        """Drop the new model; Segment takes the old one again."""
        self._drop()
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            remove_model(accepted)
            withdraw_model(accepted)
        self._decidable(accept=False, roll_back=False)
        self._say("The old model is in use; the new one is gone.")

    def copy_command(self) -> None:
        """Put the command line for this training on the clipboard."""
        command = self.request().command()
        QApplication.clipboard().setText(command)
        self._say(f"Copied: {command}")

    def release(self) -> None:
        """End the process with the dock."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _drop(self) -> None:
        """Forget a model that was neither accepted nor refused."""
        if self._job is not None:
            self._job.cancel()
        self._job = self._outcome = None

    def _take_settings(self) -> None:
        with suppress(RuntimeError):  # the dock was closed before
            self.budget.setValue(int(setting("retraining", "budget_minutes")))

    def _take_layer(self, layer: Any) -> None:
        image = None if layer is None else image_layer_of(self._viewer, layer)
        if image is None:
            return
        name = FIRST_MODEL[task_of_layer(layer, image)]
        if self.model.chosen in FIRST_MODEL.values():
            self.model.choose(name)

    def _show_step(self, member: int, step: int, n_steps: int, loss: float) -> None:
        self.curve.add(member, step, n_steps, loss)
        self.progress.setRange(0, n_steps)
        self.progress.setValue(step)

    def _show_outcome(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._busy(False)
        rows = (*outcome.figures, *((f"F1 of {name}", a, b) for name, a, b in outcome.images))
        self.table.setRowCount(len(rows))
        for row, (name, before, after) in enumerate(rows):
            for column, text in enumerate((name, f"{before:.4f}", f"{after:.4f}")):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.resizeColumnsToContents()
        of = f"{len(outcome.held_out)} images held out" if outcome.held_out else "no image held out"
        if outcome.is_better:
            self._decidable(accept=True, roll_back=True)
            self._say(" ".join([f"Better on {of}: accept it, or roll back.", *outcome.remarks]))
        else:
            self._drop()
            self._say(f"Not better on {of}: the old model stays. Correct more images, and all of "
                      "what is wrong in them.")  # fmt: skip

    def _fail(self, reason: str) -> None:
        self._job = None
        self._busy(False)
        self._say(f"Failed: {reason}")

    def _busy(self, busy: bool) -> None:
        self.train_button.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        self.progress.setRange(0, 0)
        self.progress.setVisible(busy)
        self._decidable(accept=False, roll_back=False)

    def _decidable(self, *, accept: bool, roll_back: bool) -> None:
        self.accept_button.setEnabled(accept)
        self.roll_back_button.setEnabled(roll_back)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        if not self.is_running:
            self.done.emit(text)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Folder of training images", os.fspath(self.folder)
        )
        if folder:
            self.use_folder(Path(folder))

    def _connect(self) -> None:
        for button, act in (
            (self.add_button, self.add),
            (self.remove_button, self.remove),
            (self.folder_button, self._ask_for_folder),
            (self.train_button, self.train),
            (self.cancel_button, self.cancel),
            (self.copy_button, self.copy_command),
            (self.accept_button, self.accept),
            (self.roll_back_button, self.roll_back),
        ):
            button.clicked.connect(partial(_call, act))
        self.layer_choice.layer_changed.connect(self._take_layer)

    def _lay_out(self) -> None:
        labels = QFormLayout()
        labels.addRow("corrected", self.layer_choice)
        labels.addRow("right in the", self.region)
        form = QFormLayout()
        form.addRow("start from", self.model)
        form.addRow("budget", self.budget)
        form.addRow("train", self.speed)
        column = QVBoxLayout(self)
        column.addLayout(labels)
        column.addWidget(self.add_button)
        column.addWidget(self.images)
        column.addLayout(_row(self.remove_button, self.folder_button))
        column.addLayout(form)
        column.addLayout(_row(self.train_button, self.cancel_button, self.copy_button))
        column.addWidget(self.progress)
        column.addWidget(self.curve)
        column.addWidget(self.table, 1)
        column.addLayout(_row(self.accept_button, self.roll_back_button))
        column.addWidget(self.status)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _cancel(job: TrainingJob, *_: Any) -> None:
    job.cancel()


def _call(act: Any, *_: Any) -> None:
    act()

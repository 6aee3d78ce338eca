"""Segment: apply a model to a layer or to what is in view, with the numbers of the command line."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from scanseg.napari_plugin.calibration import like
from scanseg.napari_plugin.content import LayerTuple
from scanseg.napari_plugin.docking import DockContent, still_progress_bar
from scanseg.napari_plugin.engine import Job, Request
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.model_choice import ModelChoice
from scanseg.napari_plugin.pixels import frame_in_view, image_of, region_in_view, whole_region
from scanseg.napari_plugin.plugin_settings import engine_settings
from scanseg.napari_plugin.results import Loader, Target
from scanseg.napari_plugin.viewing import facts_of, partner_layers, show_layers

__all__ = ["SegmentWidget"]

WHOLE, IN_VIEW, FRAME = "whole image", "field of view", "this frame"
MAPS = ("probability", "uncertainty", "domains")


class SegmentWidget(DockContent):
    """Finds atoms or walls in a layer and shows them as layers."""

    done = Signal(str)  # what is said at the end, however it ended

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._target: Target | None = None
        self._loader: Loader | None = None
        self.layer_choice = LayerChoice(napari_viewer, ("Image",))
        self.region = QComboBox()
        self.region.addItems([WHOLE, IN_VIEW, FRAME])
        self.model = ModelChoice(automatic=True)
        self.maps = {name: QCheckBox(name) for name in MAPS}
        self.maps["domains"].setToolTip("The regions between domain walls, with their polarity")
        self.run_button = QPushButton("Segment")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.copy_button = QPushButton("Copy command")
        self.save_button = QPushButton("Save recipe…")
        self.progress = still_progress_bar()
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self.run_button.clicked.connect(self.segment)
        self.cancel_button.clicked.connect(self.cancel)
        self.copy_button.clicked.connect(self.copy_command)
        self.save_button.clicked.connect(self._ask_and_save_recipe)

    @property
    def is_running(self) -> bool:
        """Whether a job is at work."""
        return self._job is not None

    def segment(self) -> None:
        """Start the job for the chosen layer; returns at once."""
        layer = self.layer_choice.layer
        if layer is None:
            self._say("There is no image layer. Open one, or File > Open Sample > scanseg.")
            return
        if self.is_running:
            return
        try:
            job, target = self._prepare(layer)
        except (OSError, ValueError) as error:
            self._say(f"{layer.name} cannot be used: {error}")
            return
        self._job, self._target = job, target
        job.progressed.connect(self._show_progress)
        job.finished.connect(self._load_results)
        job.failed.connect(self._fail)
        # The widget may be destroyed with its window; the process must not outlive it.
        self.destroyed.connect(partial(_cancel, job))
        self._busy(True)
        self._say(f"Working on {target.name} …")
        job.start()

    def cancel(self) -> None:
        """Kill the job."""
        job, self._job, self._loader = self._job, None, None
        if job is not None:
            job.cancel()
            self._busy(False)
            self._say("Cancelled; nothing is left behind.")

    def release(self) -> None:
        """End the process with the dock."""
        job, self._job, self._loader = self._job, None, None
        if job is not None:
            job.cancel()

    def request(self, input: Path) -> Request:
        """What the command line is asked for a file."""
        save = tuple(name for name, box in self.maps.items() if box.isChecked())
        return Request(input, model=self.model.chosen, save=save, settings=engine_settings())

    def copy_command(self) -> None:
        """Put the command line for the chosen layer on the clipboard."""
        command = self.request(self._file()).command()
        QApplication.clipboard().setText(command)
        self._say(f"Copied: {command}")

    def save_recipe(self, path: Path) -> None:
        """Write the settings as YAML for ``scanseg predict --config``."""
        path.write_text(self.request(self._file()).recipe(), encoding="utf-8")
        self._say(f"Saved: {path}")

    def _file(self) -> Path:
        """The file of the chosen layer, or a word in its place."""
        layer = self.layer_choice.layer
        return Path((facts_of(layer).get("path") if layer is not None else None) or "IMAGE")

    def _prepare(self, layer: Any) -> tuple[Job, Target]:
        """A job for a layer; what is no whole file is written to a temporary one first."""
        facts = facts_of(layer)
        region = self.region.currentText()
        path = Path(facts["path"]) if facts.get("path") else None
        kept: dict[str, Any] = {key: facts[key] for key in ("path", "image", "run") if key in facts}
        kept["of"] = layer.name
        if path is not None:
            kept.setdefault("image", path.name)
        if region == WHOLE and path is not None and path.exists():
            return Job(self.request(path)), Target(layer.name, like(layer), kept)
        ndim = layer.ndim if region == WHOLE else 2
        place = region_in_view(self._viewer, layer) if region == IN_VIEW else whole_region(layer)
        top, left, height, width = place
        partners = [each for each in partner_layers(self._viewer, layer) if each is not layer]
        image = image_of(
            [layer, *partners],
            frame=None if region == WHOLE else frame_in_view(self._viewer, layer),
            rows=slice(top, top + height),
            columns=slice(left, left + width),
        )
        from scanseg.writers import write

        job = Job(self.request(Path("layer.tif")))
        write(image, job.folder / "layer.tif")
        job.request = replace(job.request, input=job.folder / "layer.tif")
        return job, Target(layer.name, like(layer, ndim), kept, (top, left))

    def _show_progress(self, done: int, total: int) -> None:
        if total > 1:
            self.progress.setRange(0, total)
            self.progress.setValue(done)

    def _load_results(self, folder: Path) -> None:
        """Read tables and maps in a thread; the files are removed when this returns."""
        if self._target is None:
            return
        self._say("Reading the results …")
        self._loader = loader = Loader(folder, self._target)
        loader.loaded.connect(self._show_results)
        loader.failed.connect(self._fail)
        loader.start()

    def _show_results(self, layers: list[LayerTuple]) -> None:
        if self.sender() is not self._loader:
            return  # cancelled meanwhile
        target, self._job, self._loader = self._target, None, None
        assert target is not None
        shown = show_layers(self._viewer, layers, slot=f"results of {target.name}")
        self._busy(False)
        self._say(_summary(shown))

    def _fail(self, reason: str) -> None:
        self._job = self._loader = None
        self._busy(False)
        self._say(f"Failed: {reason}")

    def _busy(self, busy: bool) -> None:
        self.run_button.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        self.progress.setRange(0, 0)
        self.progress.setVisible(busy)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        if not self.is_running:
            self.done.emit(text)

    def _ask_and_save_recipe(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save recipe", "recipe.yaml", "*.yaml")
        if path:
            self.save_recipe(Path(path))

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("image", self.layer_choice)
        form.addRow("region", self.region)
        form.addRow("model", self.model)
        maps = QHBoxLayout()
        for box in self.maps.values():
            maps.addWidget(box)
        form.addRow("also show", maps)
        run = QHBoxLayout()
        run.addWidget(self.run_button)
        run.addWidget(self.cancel_button)
        keep = QHBoxLayout()
        keep.addWidget(self.copy_button)
        keep.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(run)
        column.addWidget(self.progress)
        column.addWidget(self.status)
        column.addLayout(keep)
        column.addStretch(1)


def _cancel(job: Job, *_: Any) -> None:
    job.cancel()


def _summary(layers: list[Any]) -> str:
    counts = [
        f"{len(layer.data):,} {facts_of(layer)['role']}"
        for layer in layers
        if facts_of(layer).get("role") in ("atoms", "walls")
    ]
    return f"Found {', '.join(counts) or 'nothing'}."

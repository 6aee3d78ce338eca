"""Segment: apply a model to a layer or to what is in view, with the numbers of the command line."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from scanseg.micrograph import Micrograph, Stack
from scanseg.micrograph import Signal as Detected
from scanseg.napari_plugin.calibration import like, pixel_size_nm_of
from scanseg.napari_plugin.content import LayerTuple
from scanseg.napari_plugin.docking import DockContent
from scanseg.napari_plugin.engine import Job, Request
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.viewing import facts_of, partner_layers, show_layers

__all__ = ["SegmentWidget"]

AUTOMATIC = "chosen by the image"
WHOLE, IN_VIEW, FRAME = "whole image", "field of view", "this frame"


@dataclass(frozen=True, slots=True)
class Target:
    """What a job works on, remembered: the layer may be gone when it has finished.

    Parameters
    ----------
    name
        Of the layer.
    axes
        Attributes of its axes, with the origin of the region.
    facts
        Go into the metadata of what was found.
    offset_px
        (y, x) of the region in the layer.
    """

    name: str
    axes: dict[str, Any]
    facts: dict[str, Any]
    offset_px: tuple[int, int] = (0, 0)


class SegmentWidget(DockContent):
    """Finds atoms or walls in a layer and shows them as layers."""

    done = Signal(str)  # what is said at the end, however it ended

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._target: Target | None = None
        self._loader: _Loader | None = None
        self.layer_choice = LayerChoice(napari_viewer, ("Image",))
        self.region = QComboBox()
        self.region.addItems([WHOLE, IN_VIEW, FRAME])
        self.model = QComboBox()
        self.model.addItem(AUTOMATIC, None)
        self._offer_models()
        self.probability = QCheckBox("probability")
        self.uncertainty = QCheckBox("uncertainty")
        self.run_button = QPushButton("Segment")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.copy_button = QPushButton("Copy command")
        self.save_button = QPushButton("Save recipe…")
        self.progress = QProgressBar()
        self.progress.setVisible(False)
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self.run_button.clicked.connect(self.segment)
        self.cancel_button.clicked.connect(self.cancel)
        self.copy_button.clicked.connect(self.copy_command)
        self.save_button.clicked.connect(self._ask_and_save_recipe)
        self.model.activated.connect(self._browse_for_model)

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
        wanted = (("probability", self.probability), ("uncertainty", self.uncertainty))
        save = tuple(name for name, box in wanted if box.isChecked())
        return Request(input, model=self.model.currentData(), save=save)

    def copy_command(self) -> None:
        """Put the command line for the chosen layer on the clipboard."""
        layer = self.layer_choice.layer
        facts = {} if layer is None else facts_of(layer)
        command = self.request(Path(facts.get("path") or "IMAGE")).command()
        QApplication.clipboard().setText(command)
        self._say(f"Copied: {command}")

    def save_recipe(self, path: Path) -> None:
        """Write the settings as YAML for ``scanseg predict --config``."""
        layer = self.layer_choice.layer
        facts = {} if layer is None else facts_of(layer)
        recipe = self.request(Path(facts.get("path") or "IMAGE")).recipe()
        path.write_text(recipe, encoding="utf-8")
        self._say(f"Saved: {path}")

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
        top, left, height, width = _region_px(self._viewer, layer, whole=region != IN_VIEW)
        job = Job(self.request(Path("layer.tif")))
        image = _image_of(
            [layer, *(each for each in partner_layers(self._viewer, layer) if each is not layer)],
            frame=None if region == WHOLE else _frame_in_view(self._viewer, layer),
            rows=slice(top, top + height),
            columns=slice(left, left + width),
        )
        _write(image, job.folder / "layer.tif")
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
        self._loader = loader = _Loader(folder, self._target)
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

    def _offer_models(self) -> None:
        from scanseg.bundle import model_names

        for name in model_names():
            self.model.addItem(name, name)
        self.model.addItem("other folder …", "")

    def _browse_for_model(self) -> None:
        if self.model.currentData() != "":
            return
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model")
        if folder:
            self.model.insertItem(self.model.count() - 1, Path(folder).name, folder)
            self.model.setCurrentIndex(self.model.count() - 2)
        else:
            self.model.setCurrentIndex(0)

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
        maps.addWidget(self.probability)
        maps.addWidget(self.uncertainty)
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


class _Loader(QObject):
    """Reads the results of a run in a thread."""

    loaded = Signal(object)
    failed = Signal(str)

    def __init__(self, folder: Path, target: Target) -> None:
        super().__init__()
        # Renamed, so that the job's own folder may go at once.
        self._folder = folder.rename(folder.parent.with_suffix(".results"))
        self._target = target

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._work, name="scanseg-results", daemon=True).start()

    def _work(self) -> None:
        import shutil

        try:
            layers = _results(self._folder, self._target)
        except Exception as error:
            self._tell(self.failed, f"{type(error).__name__}: {error}")
        else:
            self._tell(self.loaded, layers)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, signal: Any, value: object) -> None:
        try:
            signal.emit(value)
        except RuntimeError:
            return  # the window was closed meanwhile


def _results(folder: Path, target: Target) -> list[LayerTuple]:
    from scanseg.napari_plugin.reading import RunView

    run = RunView(folder)
    (name,) = run.names
    layers = run.found(name, target.axes, title=target.name, facts=target.facts)
    for _, attributes, kind in layers:
        if kind in ("points", "shapes"):  # not the name of a temporary file
            attributes["features"]["image"] = target.facts.get("image") or target.name
    return [_moved(layer, target) for layer in layers]


def _moved(layer: LayerTuple, target: Target) -> LayerTuple:
    """What was found in a region, at its place in the image.

    Positions are those of the whole image; maps are small and get an origin of their own.
    """
    data, attributes, kind = layer
    top, left = target.offset_px
    if (top, left) == (0, 0):
        return layer
    if kind in ("image", "labels"):
        step = np.array(attributes["scale"][-2:]) * (top, left)
        moved = np.array(attributes["translate"], float)
        moved[-2:] += step
        return data, {**attributes, "translate": tuple(moved)}, kind
    features = attributes["features"]
    size = pixel_size_nm_of(attributes) or (np.nan, np.nan)
    for axis, shift, nm in (("y", top, size[0]), ("x", left, size[1])):
        if f"{axis}_px" in features:
            features[f"{axis}_px"] += shift
            features[f"{axis}_nm"] += shift * nm
    if kind == "points":
        data[:, -2:] += (top, left)
    else:
        for line in data:
            line[:, -2:] += (top, left)
    return data, attributes, kind


def _region_px(viewer: Any, layer: Any, *, whole: bool) -> tuple[int, int, int, int]:
    """(top, left, height, width) of what is on the canvas, or of all."""
    rows, columns = _plane_shape(layer)
    if whole:
        return 0, 0, rows, columns
    corners = np.asarray(layer.corner_pixels)[:, -2:]
    y, x = viewer.camera.center[-2:]
    height, width = (side / viewer.camera.zoom for side in _canvas_size(viewer))
    place = np.array([[y - height / 2, x - width / 2], [y + height / 2, x + width / 2]])
    corners = (place - np.asarray(layer.translate[-2:])) / np.asarray(layer.scale[-2:])
    top, left = (int(max(0, np.floor(each))) for each in corners[0])
    bottom = int(min(rows, np.ceil(corners[1][0])))
    right = int(min(columns, np.ceil(corners[1][1])))
    if bottom - top < 8 or right - left < 8:
        raise ValueError("it is not in view")
    return top, left, bottom - top, right - left


def _canvas_size(viewer: Any) -> tuple[float, float]:
    size = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    return float(size[0]), float(size[1])


def _plane_shape(layer: Any) -> tuple[int, int]:
    shape = layer.data.shape[:-1] if getattr(layer, "rgb", False) else layer.data.shape
    return int(shape[-2]), int(shape[-1])


def _frame_in_view(viewer: Any, layer: Any) -> int:
    if layer.ndim < 3:
        return 0
    step = viewer.dims.point[-3] / float(layer.scale[-3])
    return int(np.clip(round(step), 0, layer.data.shape[0] - 1))


def _image_of(
    layers: list[Any], *, frame: int | None, rows: slice, columns: slice
) -> Micrograph | Stack:
    """Pixels of layers as the readers would give them; the first is the main one."""
    first = layers[0]
    planes = [_plane(each, frame or 0)[rows, columns] for each in layers]
    size = pixel_size_nm_of(first)
    names = [facts_of(each).get("signal", "UNKNOWN") for each in layers]
    companions = {
        Detected(name): Micrograph(plane, pixel_size_nm=size, signal=Detected(name))
        for name, plane in zip(names[1:], planes[1:], strict=True)
        if name not in (names[0], "UNKNOWN")
    }
    image = Micrograph(
        planes[0], pixel_size_nm=size, signal=Detected(names[0]), companions=companions
    )
    n_frames = first.data.shape[0] if first.ndim > 2 else 1
    if frame is not None or n_frames == 1:
        return image
    return Stack(lambda index: _plane(first, index)[rows, columns], n_frames, image)


def _plane(layer: Any, frame: int) -> NDArray[Any]:
    """One frame of a layer; of a colour picture the mean of red, green and blue."""
    data = layer.data[frame] if layer.ndim > 2 else layer.data
    if getattr(layer, "multiscale", False):
        data = data[0]
    pixels = np.asarray(data)
    if getattr(layer, "rgb", False):
        pixels = pixels[..., :3].mean(axis=-1)
    return pixels


def _write(image: Micrograph | Stack, path: Path) -> None:
    from scanseg.writers import write

    write(image, path)


def _cancel(job: Job, *_: Any) -> None:
    job.cancel()


def _summary(layers: list[Any]) -> str:
    counts = [
        f"{len(layer.data):,} {facts_of(layer)['role']}"
        for layer in layers
        if facts_of(layer).get("role") in ("atoms", "walls")
    ]
    return f"Found {', '.join(counts) or 'nothing'}."

"""Figures of a layer inside the window: a choice of them, the figure, and a button to save it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from scanseg.napari_plugin.calibration import pixel_size_nm_of
from scanseg.napari_plugin.pixels import image_of
from scanseg.napari_plugin.viewing import facts_of, image_layer_of

__all__ = ["DISPLACEMENTS", "ORIENTATIONS", "SPACINGS", "FigurePanel"]

SPACINGS = "spacing histogram"
DISPLACEMENTS = "displacement map"
ORIENTATIONS = "orientation rose"
SLOW = (DISPLACEMENTS, ORIENTATIONS)  # a lattice to find, a kernel to compile
NO_MEASURES = {"atom", "frame", "branch", "start", "end"}
FIRST_SHOWN = ("probability", "width_nm")
SMALLEST_PX, LARGEST_PX = 190, 460


class FigurePanel(QWidget):
    """Histograms of columns, spacings, displacements, orientations."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self._rows: NDArray[np.intp] | None = None
        self._marked: int | None = None
        self._ready = False
        self._canvas: Any = None
        self._work: _Work | None = None
        self.figure: Any = None
        self._shape_in = (1.0, 1.0)
        self.choice = QComboBox()
        self.save_button = QPushButton("Save figure…")
        self.note = QLabel("")
        self.note.setWordWrap(True)
        self._lay_out()
        self.choice.currentTextChanged.connect(self.draw)
        self.save_button.clicked.connect(self._ask_and_save)
        # matplotlib takes longest to load of all here: beside the window, before it is needed.
        self._loading = _Work(_load_matplotlib)
        self._loading.made.connect(self._make_ready)
        self._loading.failed.connect(self._make_ready)  # then it is said where it is drawn
        QTimer.singleShot(0, self._loading.start)

    def take(self, layer: Any) -> None:
        """Offer the figures of a layer; what was chosen stays, where there is one like it."""
        self._layer = layer
        names = _choices(layer)
        kept = self.choice.currentText()
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems(names)
        if names:
            wanted = (kept, *FIRST_SHOWN, *names)
            self.choice.setCurrentText(next(each for each in wanted if each in names))
        self.choice.blockSignals(False)

    def show_rows(self, rows: NDArray[np.intp] | None, marked: int | None) -> None:
        """Draw some objects, or all, and point at one."""
        self._rows, self._marked = rows, marked
        self.draw()

    def draw(self, *_: Any) -> None:
        """Draw the chosen figure."""
        self._work = None
        self.note.setText("")
        name = self.choice.currentText()
        if not self._ready or self._layer is None or not name:
            return
        try:
            make = self._recipe(name)
        except ValueError as error:
            self.note.setText(f"It cannot be drawn: {error}")
            return
        if name not in SLOW:
            self._show(make())
            return
        self.note.setText("Drawing …")
        self._work = work = _Work(make)
        work.made.connect(self._show_made)
        work.failed.connect(self._say_failed)
        work.start()

    def save(self, path: Path) -> None:
        """Write the figure; the extension chooses the format."""
        self._make_ready()
        if self.figure is not None:
            self.figure.savefig(path, dpi=200)
            self.note.setText(f"Saved: {path}")

    def _recipe(self, name: str) -> Callable[[], Any]:
        """What makes a figure; the layer is read now, since it may change meanwhile."""
        from scanseg.napari_plugin import figures

        layer = self._layer
        size, colours = pixel_size_nm_of(layer), facts_of(layer).get("colours") or {}
        rows = np.arange(len(layer.data)) if self._rows is None else self._rows
        features = layer.features.iloc[rows]
        if name == ORIENTATIONS:
            classes = features["class"].astype(str) if "class" in features else [""] * len(rows)
            lines = [np.asarray(layer.data[row]) for row in rows]
            return lambda: figures.draw_orientations(
                zip(classes, lines, strict=True), size, colours
            )
        if name == SPACINGS:
            position = np.asarray(layer.data)[rows]
            return lambda: figures.draw_spacings(position, size)
        if name == DISPLACEMENTS:
            return self._displacements(layer)
        marked = None if self._marked is None else float(layer.features[name].iloc[self._marked])
        return lambda: figures.draw_column(features, name, colours, marked=marked)

    def _displacements(self, layer: Any) -> Callable[[], Any]:
        from scanseg.napari_plugin import figures

        image_layer = image_layer_of(self._viewer, layer)
        if image_layer is None:
            raise ValueError("there is no image that the atoms lie on")
        frame, atoms = 0, layer.features.copy()
        atoms["y_px"], atoms["x_px"] = np.array(layer.data)[:, -2:].T
        if layer.ndim > 2:
            frame = round(float(self._viewer.dims.point[0]) / float(layer.scale[0]))
            atoms = atoms[np.rint(np.array(layer.data)[:, 0]) == frame]
        image = image_of([image_layer], frame=frame, rows=slice(None), columns=slice(None))
        return lambda: figures.draw_displacement_map(atoms.reset_index(drop=True), image)

    def _show_made(self, figure: Any) -> None:
        if self.sender() is self._work:  # another one was chosen otherwise
            self._work = None
            self.note.setText("")
            self._show(figure)

    def _say_failed(self, reason: str) -> None:
        if self.sender() is self._work:
            self._work = None
            self.note.setText(f"It cannot be drawn: {reason}")

    def _show(self, figure: Any) -> None:
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

        old, self.figure = self._canvas, figure
        self._shape_in = tuple(figure.get_size_inches())
        self._canvas = FigureCanvasQTAgg(figure)  # type: ignore[no-untyped-call]
        self._fit_canvas()
        self._column.addWidget(self._canvas)
        if old is not None:
            self._column.removeWidget(old)
            old.deleteLater()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """As Qt asks."""
        super().resizeEvent(event)
        self._fit_canvas()

    def _fit_canvas(self) -> None:
        """Give the canvas the shape of the figure: one on an image has no room for bands."""
        if self._canvas is not None:
            width_in, height_in = self._shape_in
            height = int(self.width() * height_in / width_in)
            self._canvas.setFixedHeight(min(max(height, SMALLEST_PX), LARGEST_PX))

    def _make_ready(self, *_: Any) -> None:
        if self._ready:
            return
        self._ready = True
        with suppress(RuntimeError):  # the dock was closed before
            self.draw()

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save figure", "figure.svg", "Figures (*.svg *.pdf *.png)"
        )
        if path:
            self.save(Path(path))

    def _lay_out(self) -> None:
        shown = QHBoxLayout()
        shown.addWidget(QLabel("figure"))
        shown.addWidget(self.choice, 1)
        shown.addWidget(self.save_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(shown)
        self._column.addWidget(self.note)


class _Work(QObject):
    """Makes a figure in a thread."""

    made = Signal(object)
    failed = Signal(str)

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make

    def start(self) -> None:
        threading.Thread(target=self._run, name="scanseg-figure", daemon=True).start()

    def _run(self) -> None:
        try:
            figure = self._make()
        except Exception as error:
            self._tell(self.failed, str(error))
        else:
            self._tell(self.made, figure)

    def _tell(self, signal: Any, value: object) -> None:
        with suppress(RuntimeError):  # the window was closed meanwhile
            signal.emit(value)


def _load_matplotlib() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def _choices(layer: Any) -> list[str]:
    if layer is None:
        return []
    numeric = layer.features.select_dtypes("number").columns
    names = [
        name for name in numeric if name not in NO_MEASURES and layer.features[name].notna().any()
    ]
    special = (SPACINGS, DISPLACEMENTS) if type(layer).__name__ == "Points" else (ORIENTATIONS,)
    return [*names, *special] if len(layer.data) else []

"""Inspect: the table of what was found, figures of it, and the way from suspect to suspect."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from scanseg.napari_plugin.content import spacing_px
from scanseg.napari_plugin.docking import DockContent
from scanseg.napari_plugin.doubt import suspects
from scanseg.napari_plugin.figure_panel import FigurePanel
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.pixels import canvas_size
from scanseg.napari_plugin.table_model import TableModel, cell_text
from scanseg.napari_plugin.viewing import show_scale_bar

__all__ = ["InspectWidget"]

KINDS = ("Points", "Shapes")
ROLES = ("atoms", "walls")
KEYS = {"n": 1, "p": -1}
# So many distances between neighbours are shown around a suspect.
VIEW_SPACINGS = 14.0
# Selections are shown after a pause: dragging a box changes them at every step. What is corrected
# is read anew when the hand rests: sorting 100,000 rows and drawing them takes 0.2 s.
PAUSE_MS = 60
REST_MS = 800


class InspectWidget(DockContent):
    """Table, figures and suspects of a layer of atoms or walls."""

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._order: NDArray[np.intp] = np.empty(0, np.intp)
        self._rank = -1
        self._watched: Any = None
        self._stale = False
        self.layer_choice = LayerChoice(napari_viewer, KINDS, ROLES)
        self.rows = TableModel()
        self.table = QTableView()
        self.table.setModel(self.rows)
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.setMinimumHeight(90)
        self.figures = FigurePanel(napari_viewer)
        self.next_button = QPushButton("Next suspect (n)")
        self.previous_button = QPushButton("Previous (p)")
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._catch_up)
        self._lay_out()
        self.layer_choice.layer_changed.connect(self._take_layer)
        self.next_button.clicked.connect(partial(self.step, 1))
        self.previous_button.clicked.connect(partial(self.step, -1))
        self.table.clicked.connect(self._show_clicked)
        self._bind_keys()
        # Making it takes 0.2 s: after the dock is on the screen.
        QTimer.singleShot(0, partial(show_scale_bar, napari_viewer))
        self._take_layer(self.layer_choice.layer)

    def release(self) -> None:
        """Listen to no layer and no key any more."""
        self._watch(None)
        _unbind(self._viewer)

    def step(self, by: int, *_: Any) -> None:
        """Go to the next suspect, or back."""
        if self._stale:
            self._refresh()
        if len(self._order):
            self._rank = int(np.clip(self._rank + by, 0, len(self._order) - 1))
            self.show_object(int(self._order[self._rank]))

    def show_object(self, index: int) -> None:
        """Bring an object to the middle of the view and select it."""
        layer = self.layer_choice.layer
        if layer is None or not 0 <= index < len(layer.data):
            return
        place = np.atleast_2d(np.asarray(layer.data[index]))
        middle = place[len(place) // 2]
        world = np.asarray(layer.data_to_world(middle), float)
        if layer.ndim > 2:
            self._viewer.dims.set_point(0, world[0])
        self._viewer.camera.center = tuple(world[-2:])
        extent = self._extent_px(layer, place) * float(layer.scale[-1])
        self._viewer.camera.zoom = min(canvas_size(self._viewer)) / extent
        layer.selected_data = {index}
        self._rank = int(np.flatnonzero(self._order == index)[0])
        self.status.setText(self._describe(layer, index))

    def _show_clicked(self, index: Any) -> None:
        self.show_object(self.rows.source_row(index.row()))

    def _extent_px(self, layer: Any, place: NDArray[Any]) -> float:
        if type(layer).__name__ == "Shapes":
            return float(max(40.0, 1.5 * np.ptp(place[:, -2:], axis=0).max()))
        return VIEW_SPACINGS * spacing_px(np.asarray(layer.data))

    def _describe(self, layer: Any, index: int) -> str:
        row = layer.features.iloc[index]
        shown = ("class", "probability", "y_px", "x_px", "y_err_px", "length_nm", "width_nm")
        words = [f"{name} {cell_text(row[name])}" for name in shown if name in row.index]
        return f"{self._rank + 1} of {len(self._order)} suspects: " + ", ".join(words)

    def _take_layer(self, layer: Any) -> None:
        self._watch(layer)
        self._rank = -1
        self.status.setText("")
        self._refresh()

    def _watch(self, layer: Any) -> None:
        if self._watched is not None:
            for events, slot in self._watched:
                events.disconnect(slot)
        self._watched = None
        if layer is not None:
            selected = layer.selected_data
            self._watched = [(layer.events.features, self._features_changed)]
            if hasattr(selected, "events"):
                self._watched.append((selected.events.items_changed, self._selection_changed))
            for events, slot in self._watched:
                events.connect(slot)

    def _features_changed(self, event: Any = None) -> None:
        self._stale = True
        self._pause.start(REST_MS)

    def _refresh(self) -> None:
        self._stale = False
        layer = self.layer_choice.layer
        features = None if layer is None else layer.features
        self._order = np.empty(0, np.intp) if features is None else suspects(features)
        self.rows.show(features, self._order)
        self.figures.take(layer)
        self._show_selection()

    def _selection_changed(self, event: Any = None) -> None:
        if not self._stale:
            self._pause.start(PAUSE_MS)

    def _catch_up(self) -> None:
        if self._stale:
            self._refresh()
        else:
            self._show_selection()

    def _show_selection(self) -> None:
        layer = self.layer_choice.layer
        chosen = [] if layer is None else sorted(int(each) for each in layer.selected_data)
        # Of one object there is no distribution: it is marked among the others.
        marked = chosen[0] if len(chosen) == 1 else None
        rows = np.array(chosen, np.intp) if len(chosen) > 1 else None
        self.rows.restrict(rows)
        if marked is not None:
            self.table.selectRow(self.rows.row_of(marked))
        self.figures.show_rows(rows, marked)

    def _bind_keys(self) -> None:
        for key, by in KEYS.items():
            self._viewer.bind_key(key, partial(_step, self, by), overwrite=True)
        self.destroyed.connect(partial(_unbind, self._viewer))

    def _lay_out(self) -> None:
        steps = QHBoxLayout()
        steps.addWidget(self.previous_button)
        steps.addWidget(self.next_button)
        column = QVBoxLayout(self)
        column.addWidget(self.layer_choice)
        column.addLayout(steps)
        column.addWidget(self.status)
        column.addWidget(self.table, 1)
        column.addWidget(self.figures)


def _step(widget: InspectWidget, by: int, viewer: Any) -> None:
    try:
        widget.step(by)
    except RuntimeError:  # the dock was closed
        _unbind(viewer)


def _unbind(viewer: Any, *_: Any) -> None:
    for key in KEYS:
        viewer.bind_key(key, None, overwrite=True)

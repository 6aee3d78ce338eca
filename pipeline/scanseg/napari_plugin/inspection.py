"""Inspect: the table of what was found, histograms, and the way from suspect to suspect."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
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
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.viewing import facts_of

__all__ = ["InspectWidget"]

KINDS = ("Points", "Shapes")
ROLES = ("atoms", "walls")
KEYS = {"n": 1, "p": -1}
N_BINS = 60
# Columns that are looked at most; the name of the image is on its layer.
FIRST = ("class", "probability", "status", "y_err_px", "x_err_px", "length_nm", "width_nm")
LAST = ("image", "frame", "atom", "branch")
# So many distances between neighbours are shown around a suspect.
VIEW_SPACINGS = 14.0
# Selections are shown after a pause: dragging a box changes them at every step.
PAUSE_MS = 60


class InspectWidget(DockContent):
    """Table, histogram and suspects of a layer of atoms or walls."""

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._order: NDArray[np.intp] = np.empty(0, np.intp)
        self._rank = -1
        self._watched: Any = None
        self._figure: Any = None
        self._stale = False
        self._marked: int | None = None
        self.layer_choice = LayerChoice(napari_viewer, KINDS, ROLES)
        self.rows = TableModel()
        self.table = QTableView()
        self.table.setModel(self.rows)
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.setMinimumHeight(90)
        self.column = QComboBox()
        self.next_button = QPushButton("Next suspect (n)")
        self.previous_button = QPushButton("Previous (p)")
        self.export_button = QPushButton("Save figure…")
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._catch_up)
        self._lay_out()
        self.layer_choice.layer_changed.connect(self._take_layer)
        self.column.currentTextChanged.connect(self._draw)
        self.next_button.clicked.connect(partial(self.step, 1))
        self.previous_button.clicked.connect(partial(self.step, -1))
        self.export_button.clicked.connect(self._ask_and_save_figure)
        self.table.clicked.connect(
            lambda index: self.show_object(self.rows.source_row(index.row()))
        )
        self._bind_keys()
        self._take_layer(self.layer_choice.layer)
        # matplotlib takes longer to load than all else here: after the dock is on the screen.
        QTimer.singleShot(0, self._make_figure)

    @property
    def figure(self) -> Any | None:
        """The histogram, a matplotlib figure; None until it was drawn first."""
        return self._figure

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
        self._viewer.camera.zoom = self._canvas_side() / extent
        layer.selected_data = {index}
        self._rank = int(np.flatnonzero(self._order == index)[0])
        self.status.setText(self._describe(layer, index))

    def _show_clicked(self, index: Any) -> None:
        self.show_object(self.rows.source_row(index.row()))

    def save_figure(self, path: Path) -> None:
        """Write the histogram; the extension chooses the format."""
        self._make_figure()
        self._figure.savefig(path, dpi=200)
        self.status.setText(f"Saved: {path}")

    def _extent_px(self, layer: Any, place: NDArray[Any]) -> float:
        if type(layer).__name__ == "Shapes":
            return float(max(40.0, 1.5 * np.ptp(place[:, -2:], axis=0).max()))
        return VIEW_SPACINGS * spacing_px(np.asarray(layer.data))

    def _canvas_side(self) -> float:
        canvas = getattr(self._viewer, "canvas", None)
        size = canvas.size if canvas is not None else self._viewer._canvas_size
        return float(min(size))

    def _describe(self, layer: Any, index: int) -> str:
        row = layer.features.iloc[index]
        shown = ("class", "probability", "y_px", "x_px", "y_err_px", "length_nm", "width_nm")
        words = [f"{name} {_text(row[name])}" for name in shown if name in row.index]
        return f"{self._rank + 1} of {len(self._order)} suspects: " + ", ".join(words)

    def _take_layer(self, layer: Any) -> None:
        self._watch(layer)
        self._rank = -1
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
        self._pause.start()

    def _refresh(self, event: Any = None) -> None:
        self._stale = False
        layer = self.layer_choice.layer
        features = None if layer is None else layer.features
        self._order = np.empty(0, np.intp) if features is None else suspects(features)
        self.rows.show(features, self._order)
        numbers = [] if features is None else _numbers(features)
        kept = self.column.currentText()
        self.column.blockSignals(True)
        self.column.clear()
        self.column.addItems(numbers)
        wanted = [kept, "probability", "width_nm", *numbers]
        if numbers:
            self.column.setCurrentText(next(each for each in wanted if each in numbers))
        self.column.blockSignals(False)
        self._show_selection()

    def _selection_changed(self, event: Any = None) -> None:
        self._pause.start()

    def _catch_up(self) -> None:
        if self._stale:
            self._refresh()
        else:
            self._show_selection()

    def _show_selection(self) -> None:
        layer = self.layer_choice.layer
        chosen = [] if layer is None else sorted(int(each) for each in layer.selected_data)
        # Of one object there is no distribution: it is marked among the others.
        self._marked = chosen[0] if len(chosen) == 1 else None
        self.rows.restrict(np.array(chosen, np.intp) if len(chosen) > 1 else None)
        if self._marked is not None:
            self.table.selectRow(self.rows.row_of(self._marked))
        self._draw()

    def _make_figure(self) -> None:
        if self._figure is not None:
            return
        try:
            from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
            from matplotlib.figure import Figure

            self._figure = Figure(figsize=(3.4, 2.2), layout="constrained")
            self._figure.get_layout_engine().set(h_pad=0.1)
            canvas = FigureCanvasQTAgg(self._figure)  # type: ignore[no-untyped-call]
            canvas.setMinimumHeight(150)
            self._below.addWidget(canvas)
        except RuntimeError:
            return  # the dock was closed before
        self._draw()

    def _draw(self, *_: Any) -> None:
        if self._figure is None:
            return
        self._figure.clear()
        layer, name = self.layer_choice.layer, self.column.currentText()
        axes = self._figure.add_subplot()
        if layer is not None and name in layer.features:
            features = layer.features
            if self.rows.restricted is not None:
                features = features.iloc[self.rows.restricted]
            _histogram(axes, features, name, facts_of(layer).get("colours") or {})
            if self._marked is not None and self._marked < len(layer.features):
                axes.axvline(float(layer.features[name].iloc[self._marked]), color="#1a1a1a", lw=1)
        self._figure.canvas.draw_idle()

    def _ask_and_save_figure(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save figure", "histogram.svg", "Figures (*.svg *.pdf *.png)"
        )
        if path:
            self.save_figure(Path(path))

    def _bind_keys(self) -> None:
        for key, by in KEYS.items():
            self._viewer.bind_key(key, partial(_step, self, by), overwrite=True)
        self.destroyed.connect(partial(_unbind, self._viewer))

    def _lay_out(self) -> None:
        steps = QHBoxLayout()
        steps.addWidget(self.previous_button)
        steps.addWidget(self.next_button)
        shown = QHBoxLayout()
        shown.addWidget(QLabel("histogram of"))
        shown.addWidget(self.column, 1)
        shown.addWidget(self.export_button)
        column = QVBoxLayout(self)
        column.addWidget(self.layer_choice)
        column.addLayout(steps)
        column.addWidget(self.status)
        column.addWidget(self.table, 1)
        column.addLayout(shown)
        self._below = QVBoxLayout()
        column.addLayout(self._below)


class TableModel(QAbstractTableModel):
    """A DataFrame in an order of rows, a hundred thousand of them at no cost."""

    def __init__(self) -> None:
        super().__init__()
        self._features: Any = None
        self._rows: NDArray[np.intp] = np.empty(0, np.intp)
        self._order = self._rows
        self.restricted: NDArray[np.intp] | None = None
        self._names: list[str] = []
        self._columns: list[int] = []

    def show(self, features: Any, order: NDArray[np.intp]) -> None:
        """Show a table with its rows in an order."""
        self.beginResetModel()
        self._features, self._order, self._rows, self.restricted = features, order, order, None
        names = [] if features is None else list(features.columns)
        first = [name for name in FIRST if name in names]
        self._names = first + [name for name in names if name not in (*first, *LAST)]
        self._columns = [names.index(name) for name in self._names]
        self.endResetModel()

    def restrict(self, rows: NDArray[np.intp] | None) -> None:
        """Show some rows only; None shows all."""
        if rows is None and self.restricted is None:
            return
        self.beginResetModel()
        self.restricted = rows
        self._rows = self._order if rows is None else self._order[np.isin(self._order, rows)]
        self.endResetModel()

    def source_row(self, row: int) -> int:
        """The row of the table that stands in a row of the view."""
        return int(self._rows[row])

    def row_of(self, source: int) -> int:
        """Where a row of the table stands in the view; -1 where it does not."""
        places = np.flatnonzero(self._rows == source)
        return int(places[0]) if len(places) else -1

    def rowCount(self, parent: Any = QModelIndex()) -> int:  # noqa: N802, B008
        """As Qt asks."""
        return len(self._rows)

    def columnCount(self, parent: Any = QModelIndex()) -> int:  # noqa: N802, B008
        """As Qt asks."""
        return len(self._columns)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """As Qt asks."""
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        return _text(self._features.iat[self._rows[index.row()], self._columns[index.column()]])

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:  # noqa: N802
        """As Qt asks."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return self._names[section]
        return str(int(self._rows[section]))


def _numbers(features: Any) -> list[str]:
    skipped = {"atom", "frame", "branch", "start", "end"}
    numeric = features.select_dtypes("number").columns
    return [name for name in numeric if name not in skipped and features[name].notna().any()]


def _histogram(axes: Any, features: Any, name: str, colours: dict[str, str]) -> None:
    """One outline a class, over bins they share."""
    values = features[name].to_numpy(float)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    edges = np.histogram_bin_edges(finite, bins=min(N_BINS, max(5, int(np.sqrt(finite.size)))))
    classes = features["class"].astype(str).to_numpy() if "class" in features else None
    names = [""] if classes is None else sorted(set(classes))
    for each in names:
        chosen = values if classes is None else values[classes == each]
        counts, _ = np.histogram(chosen[np.isfinite(chosen)], edges)
        axes.stairs(counts, edges, fill=True, alpha=0.6, color=colours.get(each), label=each)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8)
    median = float(np.median(finite))
    axes.set_xlabel(f"{name}  (median {median:.4g}, {finite.size:,} objects)", fontsize=8)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _step(widget: InspectWidget, by: int, viewer: Any) -> None:
    try:
        widget.step(by)
    except RuntimeError:  # the dock was closed
        _unbind(viewer)


def _unbind(viewer: Any, *_: Any) -> None:
    for key in KEYS:
        viewer.bind_key(key, None, overwrite=True)

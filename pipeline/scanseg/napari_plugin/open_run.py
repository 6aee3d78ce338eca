"""Open run: the images of a run, the most doubtful first; a click shows one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from scanseg.errors import ScansegError
from scanseg.napari_plugin.reading import SLOT, RunView
from scanseg.napari_plugin.viewing import facts_of, show_layers

__all__ = ["OpenRunWidget"]

COLUMNS = ("doubt", "image", "found", "remarks")
# Slower to fill than to scroll through; the report has the rest.
MAX_ROWS = 5000


class OpenRunWidget(QWidget):
    """Browses the results of ``scanseg predict``."""

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._run: RunView | None = None
        self.open_button = QPushButton("Open the folder of a run…")
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.status = QLabel("")
        self.status.setWordWrap(True)
        column = QVBoxLayout(self)
        column.addWidget(self.open_button)
        column.addWidget(self.table, 1)
        column.addWidget(self.status)
        self.open_button.clicked.connect(self._ask)
        self.table.currentCellChanged.connect(lambda row, *_: self.show_row(row))
        self._open_run_in_view()

    def open(self, folder: Path) -> None:
        """List the images of a run."""
        try:
            run = RunView(folder)
        except (OSError, ValueError, ScansegError) as error:
            self.status.setText(f"{folder} holds no run: {error}")
            return
        self._run = run
        self.table.blockSignals(True)
        self.table.setRowCount(0)
        self.table.setRowCount(min(len(run.names), MAX_ROWS))
        for row, name in enumerate(run.names[:MAX_ROWS]):
            entry = run.entries[name]
            remarks = dict.fromkeys(
                text for frame in entry.frames for text in frame.get("warnings") or ()
            )
            cells = (
                f"{run.doubt[name]:.2f}",
                name,
                f"{entry.n_objects:,} {entry.task}",
                " ".join(remarks),
            )
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.table.resizeColumnsToContents()
        self.table.blockSignals(False)
        failed = f"; {len(run.failures)} failed, see failures.csv" if run.failures else ""
        self.status.setText(f"{len(run.names)} images{failed}. The most doubtful come first.")

    def show_row(self, row: int) -> None:
        """Show an image of the run and what was found in it."""
        if self._run is None or not 0 <= row < len(self._run.names):
            return
        name = self._run.names[row]
        try:
            layers = self._run.layers(name)
        except (OSError, ValueError, ScansegError) as error:
            self.status.setText(f"{name}: {error}")
            return
        show_layers(self._viewer, layers, slot=SLOT)
        self._viewer.reset_view()
        self.status.setText(f"{name}: doubt {self._run.doubt[name]:.2f}")

    def _open_run_in_view(self) -> None:
        """The run that the layers in view come from, where they do."""
        for layer in self._viewer.layers:
            if folder := facts_of(layer).get("run"):
                self.open(Path(folder))
                return

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a run")
        if folder:
            self.open(Path(folder))

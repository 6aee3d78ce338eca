"""A table of features for Qt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

__all__ = ["TableModel", "cell_text"]

# Columns that are looked at most; the name of the image is on its layer.
FIRST = ("class", "probability", "status", "y_err_px", "x_err_px", "length_nm", "width_nm")
LAST = ("image", "frame", "atom", "branch")


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
        row = self._rows[index.row()]
        if row >= len(self._features):  # removed a moment ago
            return None
        return cell_text(self._features.iat[row, self._columns[index.column()]])

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:  # noqa: N802
        """As Qt asks."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return self._names[section]
        return str(int(self._rows[section]))


def cell_text(value: Any) -> str:
    """A value as it is shown."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)

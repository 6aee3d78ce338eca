"""A widget that ends with its dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget

__all__ = ["DockContent"]


class DockContent(QWidget):
    """A widget that is destroyed when its dock is closed.

    napari takes the widget out of a closed dock and leaves it alone: it would go on listening to
    layers, hold its keys, and let its process run.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._was_docked = False

    def release(self) -> None:
        """Let go of everything outside of the widget."""

    def event(self, event: Any) -> bool:
        """As Qt asks."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._was_docked = True
            elif self._was_docked:
                self._was_docked = False
                self.release()
                self.deleteLater()
        return bool(super().event(event))

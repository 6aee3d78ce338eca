"""Corrections kept on disk while they are made, a moment after each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from scanseg.napari_plugin import recovery
from scanseg.napari_plugin.editing import State

__all__ = ["Autosave"]

AFTER_MS = 1500


class Autosave(QObject):
    """Stores what is worked on when the hand rests.

    Parameters
    ----------
    key
        Names what is worked on; an empty one is nothing.
    state
        Returns what must survive a crash.
    """

    def __init__(self, key: Callable[[], str], state: Callable[[], State], parent: Any) -> None:
        super().__init__(parent)
        self._key, self._state = key, state
        self.is_due = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(AFTER_MS)
        self._timer.timeout.connect(self.store)

    @property
    def has_left(self) -> bool:
        """Whether an earlier session has left corrections of this."""
        return bool(self._key()) and recovery.place_of(self._key()).is_file()

    def wake(self) -> None:
        """Something has changed."""
        self.is_due = True
        self._timer.start()

    def store(self) -> None:
        """Write in a thread, so that the window does not wait for the disk."""
        self._timer.stop()
        if not self.is_due or not self._key():
            return
        self.is_due = False
        arguments = (self._key(), *self._state())
        threading.Thread(target=recovery.store, args=arguments, daemon=False).start()

    def forget(self) -> None:
        """What was changed is no correction: a new result has replaced it."""
        self._timer.stop()
        self.is_due = False

    def discard(self) -> None:
        """Corrections were saved: nothing is left to recover."""
        self.forget()
        recovery.discard(self._key())

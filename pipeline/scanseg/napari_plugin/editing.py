"""Corrections of a layer whose objects have features: fitted, marked, undoable.

Tools of napari do the pointing: its add and select modes. What they do is heard of here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from scanseg.napari_plugin.content import colours_of
from scanseg.napari_plugin.history import History, Snapshot
from scanseg.napari_plugin.viewing import facts_of

__all__ = ["ADDED", "CHANGED", "MOVED", "Editor", "State", "TableEditor"]

ADDED, MOVED, CHANGED = "added", "moved", "class changed"
# Data of a layer (points, lines, or a map) and its features.
State = tuple[Any, Any]


class Editor(Protocol):
    """What the widget needs of an editor, whatever it edits."""

    changed: Any  # Signal(str): what was done
    said: Any  # Signal(str): what the user should do
    replaced: Any  # Signal(): the layer holds a new result

    @property
    def tools(self) -> Mapping[str, Callable[[], None]]:
        """Buttons, and what they do."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What an object can be."""

    @property
    def ending(self) -> str:
        """What follows the name of the image in that of a file of corrections."""

    @property
    def n_changes(self) -> int:
        """How many changes can be taken back."""

    def state(self) -> State:
        """What must survive a crash."""

    def recover(self, state: State) -> None:
        """Take what an earlier session has left."""

    def write(self, path: Path) -> None:
        """Write the layer in the form that scanseg reads labels in."""

    def release(self) -> None:
        """Listen to the layer no more."""


class TableEditor(QObject):
    """Corrects objects that each have a row of features; what they are is told by subclasses.

    Parameters
    ----------
    viewer, layer
        The viewer, and the layer to correct.
    class_name
        Tells the class that is chosen for what is added.
    """

    changed = Signal(str)
    said = Signal(str)
    replaced = Signal()

    def __init__(self, viewer: Any, layer: Any, class_name: Callable[[], str]) -> None:
        super().__init__()
        self.viewer, self.layer = viewer, layer
        self._class_name = class_name
        self.history = History(self._snapshot, self._restore)
        self._own_change = False
        self._dragging = False
        layer.events.data.connect(self._hear)
        layer.mouse_drag_callbacks.append(self._follow_drag)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of the model, then others that occur."""
        names = [*self._colours]
        if "class" in self.layer.features:
            names += list(self.layer.features["class"].dropna().astype(str).unique())
        return tuple(dict.fromkeys(names))

    @property
    def n_changes(self) -> int:
        """How many changes can be taken back."""
        return len(self.history)

    @property
    def _colours(self) -> dict[str, str]:
        return dict(facts_of(self.layer).get("colours") or {})

    def release(self) -> None:
        """Listen to the layer no more."""
        self.layer.events.data.disconnect(self._hear)
        if self._follow_drag in self.layer.mouse_drag_callbacks:
            self.layer.mouse_drag_callbacks.remove(self._follow_drag)

    def use_mode(self, mode: str) -> None:
        """Let the mouse do what a mode of napari does."""
        self.viewer.layers.selection.active = self.layer
        self.layer.mode = mode

    def delete(self) -> None:
        """Delete what is selected."""
        if self.layer.selected_data:
            self.layer.remove_selected()
        else:
            self.said.emit("Select what shall be deleted first.")

    def set_class(self) -> None:
        """Give what is selected the class in the box."""
        chosen = sorted(int(each) for each in self.layer.selected_data)
        if not chosen or "class" not in self.layer.features:
            self.said.emit("Select what shall change its class first.")
            return
        self.history.remember()
        self.write_features(chosen, {"class": self._class_name()}, CHANGED)
        self._recolour(chosen)
        self.tell(f"{len(chosen)} changed to {self._class_name()}.")

    def undo(self) -> None:
        """Take the last change back."""
        if self.history.undo():
            self.tell("Undone.")

    def redo(self) -> None:
        """Make it again."""
        if self.history.redo():
            self.tell("Made again.")

    def state(self) -> State:
        """Data and features."""
        now = self._snapshot()
        return now.data, now.features

    def recover(self, state: State) -> None:
        """Take what an earlier session has left; the state before can be had back."""
        data, features = state
        self.history.remember()
        self._restore(Snapshot(self._joined(data), features, self._colours_of(features)))
        self.tell("Recovered what the last session had corrected.")

    # What subclasses know.

    def _snapshot(self) -> Snapshot:
        raise NotImplementedError

    def _put(self, state: Snapshot) -> None:
        raise NotImplementedError

    def _joined(self, data: list[Any]) -> Any:
        raise NotImplementedError

    def _show_colours(self, rows: list[int], colours: Any) -> None:
        raise NotImplementedError

    def _moved_rows(self, before: Any) -> list[int]:
        raise NotImplementedError

    def measured(self, row: int, status: str) -> dict[str, Any]:
        """Features of an object as it lies now."""
        raise NotImplementedError

    # What happens to the layer.

    def _hear(self, event: Any) -> None:
        """What napari's own tools do to the layer, before and after."""
        if self._own_change:
            return
        if facts_of(self.layer).get("updating"):  # a new result, no correction
            self.history.clear()
            self.replaced.emit()
            return
        action = str(event.action)
        if action.endswith("ing"):
            self.history.remember()
        elif action == "added":
            # After napari has finished with the click: it selects the new point yet.
            QTimer.singleShot(0, partial(self._settle_new, len(event.data_indices)))
        elif action == "changed" and not self._dragging:
            self._settle_moved()
        elif action == "removed":
            self.tell("Deleted.")

    def _follow_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Settle when the mouse is let go, not at every step of the way."""
        if str(layer.mode) == "pan_zoom":  # moves the camera, or is a tool of our own
            return
        self._dragging = True
        n_before = len(self.history)
        yield
        while event.type == "mouse_move":
            yield
        self._dragging = False
        if len(self.history) > n_before:
            self._settle_moved()

    def _settle_new(self, n_new: int) -> None:
        layer = self.layer
        if n_new > len(layer.data):
            return
        n_before = len(layer.data) - n_new
        new = list(range(n_before, len(layer.data)))
        # napari repeats the row of what was selected last.
        unknown = {"probability": np.nan, "class": self._class_name()}
        self.write_features(new, unknown, ADDED)
        for name in ("atom", "branch"):
            if name in layer.features and n_before:
                first = int(layer.features[name].iloc[:n_before].max()) + 1
                for offset, row in enumerate(new):
                    self.write_features([row], {name: first + offset}, ADDED)
        self.settle(new, ADDED)

    def _settle_moved(self) -> None:
        before = self.history.before
        if before is None:
            return
        if len(before.data) != len(self.layer.data):
            self.tell("Changed.")
        else:
            self.settle(self._moved_rows(before.data), MOVED)

    def settle(self, rows: list[int], status: str) -> None:
        """Measure what was placed by hand, and write it down."""
        if not rows:
            return
        for row in rows:
            self.write_features([row], self.measured(row, status), status)
        if status == ADDED:
            self._recolour(rows)
        self.tell(f"{len(rows)} {status}.")

    def write_features(self, rows: list[int], values: Mapping[str, Any], status: str) -> None:
        """Write into the rows of some objects; columns that the layer has not are left out."""
        features = self.layer.features
        if "status" not in features:
            features["status"] = ""
        for name, value in {**values, "status": status}.items():
            if name not in features:
                continue
            if features[name].dtype.name == "category":
                features[name] = features[name].astype(object)
            if isinstance(value, float) and features[name].dtype.kind in "iub":
                features[name] = features[name].astype(object if value != value else float)
            features.iloc[rows, features.columns.get_loc(name)] = value

    def tell(self, what: str) -> None:
        """Say what was done; whoever shows features reads them anew."""
        self.layer.events.features()
        self.changed.emit(what)

    def _recolour(self, rows: list[int]) -> None:
        if rows and "class" in self.layer.features:
            chosen = colours_of(self.layer.features["class"].iloc[rows], self._colours)
            self.silently(lambda: self._show_colours(rows, chosen))

    def _colours_of(self, features: Any) -> Any:
        if "class" in features:
            return colours_of(features["class"], self._colours)
        return self._snapshot().colours[: len(features)]

    def _restore(self, state: Snapshot) -> None:
        self.silently(lambda: self._put(state))

    def silently(self, act: Callable[[], None]) -> None:
        """Change the layer without taking it for a change by hand."""
        self._own_change = True
        try:
            act()
        finally:
            self._own_change = False

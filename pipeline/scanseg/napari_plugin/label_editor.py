"""Corrections of class maps: painted with the tools of napari, class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from scanseg.napari_plugin.editing import State
from scanseg.napari_plugin.viewing import facts_of
from scanseg.napari_plugin.writing import write_labels

__all__ = ["LabelEditor"]


class LabelEditor(QObject):
    """Corrects a labels layer; napari remembers its strokes.

    Parameters
    ----------
    viewer, layer
        The viewer, and the layer to correct.
    class_name
        Tells the class that is painted.
    """

    changed = Signal(str)
    said = Signal(str)
    replaced = Signal()
    ending = "_labels.tif"

    def __init__(self, viewer: Any, layer: Any, class_name: Callable[[], str]) -> None:
        super().__init__()
        self.viewer, self.layer = viewer, layer
        self._class_name = class_name
        self.n_changes = 0
        layer.events.paint.connect(self._hear)
        layer.events.data.connect(self._hear_new_data)

    @property
    def tools(self) -> Mapping[str, Callable[[], None]]:
        """Buttons, and what they do."""
        return {
            "Paint": lambda: self.use("paint"),
            "Fill": lambda: self.use("fill"),
            "Outline": lambda: self.use("polygon"),
            "Erase": lambda: self.use("erase"),
            "Undo": self.undo,
            "Redo": self.redo,
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the features of the layer, background left out; numbers where it has none."""
        features = self.layer.features
        if "name" in features and len(features) > 1:
            return tuple(features["name"].astype(str)[1:])
        return tuple(str(number) for number in range(1, max(2, int(np.max(self.layer.data))) + 1))

    def use(self, mode: str) -> None:
        """Paint the chosen class with a tool of napari."""
        layer = self.layer
        self.viewer.layers.selection.active = layer
        layer.visible = True
        names = self.class_names
        if self._class_name() in names:
            layer.selected_label = names.index(self._class_name()) + 1
        layer.mode = mode

    def undo(self) -> None:
        """Take the last stroke back."""
        self.layer.undo()
        self._tell("Undone.")

    def redo(self) -> None:
        """Paint it again."""
        self.layer.redo()
        self._tell("Made again.")

    def state(self) -> State:
        """The map; there are no features to keep."""
        import pandas as pd

        return np.array(self.layer.data), pd.DataFrame()

    def recover(self, state: State) -> None:
        """Take what an earlier session has left."""
        stored = np.concatenate([np.atleast_2d(each) for each in state[0]])
        shape, dtype = self.layer.data.shape, self.layer.data.dtype
        if stored.size != np.prod(shape):
            self.said.emit("What was left is of an image of another size.")
            return
        self.layer.data = stored.reshape(shape).astype(dtype)
        self._tell("Recovered what the last session had corrected.")

    def write(self, path: Path) -> None:
        """Write the map as OME-TIFF with its pixel size."""
        data, attributes, _ = self.layer.as_layer_data_tuple()
        write_labels(str(path), data, attributes)

    def release(self) -> None:
        """Listen to the layer no more."""
        self.layer.events.paint.disconnect(self._hear)
        self.layer.events.data.disconnect(self._hear_new_data)

    def _hear(self, event: Any = None) -> None:
        self._tell("Painted.")

    def _hear_new_data(self, event: Any = None) -> None:
        if facts_of(self.layer).get("updating"):
            self.n_changes = 0
            self.replaced.emit()

    def _tell(self, what: str) -> None:
        self.n_changes += 1
        self.changed.emit(what)

"""A box that lists the layers of some kinds and follows the viewer."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from scanseg.napari_plugin.content import KEY

__all__ = ["LayerChoice"]


class LayerChoice(QComboBox):
    """Layers to choose from; the active one of the viewer is taken when it fits.

    Parameters
    ----------
    viewer
        The viewer.
    kinds
        Names of the classes of layers.
    roles
        What they must be, as this plugin marks its layers; empty takes images of any origin.
    """

    layer_changed = Signal(object)

    def __init__(
        self,
        viewer: Any,
        kinds: tuple[str, ...],
        roles: tuple[str, ...] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._kinds, self._roles = kinds, roles
        self._layers: list[Any] = []
        self._told: Any = None
        events = viewer.layers.events
        self._connections = [
            (events.inserted, self._refill),
            (events.removed, self._refill),
            (viewer.layers.selection.events.active, self._follow),
        ]
        for emitter, slot in self._connections:
            emitter.connect(slot)
        self.destroyed.connect(lambda *_, c=self._connections: _disconnect(c))
        self.currentIndexChanged.connect(self._tell)
        self._refill()

    @property
    def layer(self) -> Any | None:
        """The chosen layer, or None where none fits."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Any) -> None:
        """Choose a layer."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def _fits(self, layer: Any) -> bool:
        role = (layer.metadata.get(KEY) or {}).get("role", "")
        if type(layer).__name__ not in self._kinds:
            return False
        return role in self._roles if self._roles else role in ("", "image")

    def _refill(self, event: Any = None) -> None:
        before = self.layer
        self._layers = [each for each in self._viewer.layers if self._fits(each)]
        active = self._viewer.layers.selection.active
        chosen = next((each for each in (before, active) if each in self._layers), None)
        self.blockSignals(True)
        self.clear()
        self.addItems([each.name for each in self._layers])
        if self._layers:
            last = len(self._layers) - 1
            self.setCurrentIndex(self._layers.index(chosen) if chosen is not None else last)
        self.blockSignals(False)
        self._tell()

    def _follow(self, event: Any = None) -> None:
        self.choose(self._viewer.layers.selection.active)

    def _tell(self, *_: Any) -> None:
        if self.layer is not self._told:
            self._told = self.layer
            self.layer_changed.emit(self.layer)


def _disconnect(connections: list[Any]) -> None:
    for emitter, slot in connections:
        try:
            emitter.disconnect(slot)
        except (RuntimeError, ValueError):
            continue

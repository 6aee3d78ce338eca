"""Atoms dragged with the mouse, one of a hundred thousand without a wait.

napari uploads all points of a layer at each step of a drag, and draws all of them: 110 ms for
100,000. So what is dragged is drawn on a layer of its own, with its neighbours, until the hand
rests; the large layer is hidden so long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from scanseg.napari_plugin.calibration import like
from scanseg.napari_plugin.content import KEY

__all__ = ["AtomMover"]

# As many can be told apart in a window; taking hold of one costs 10 ms for a thousand of them.
MANY = 2000
REST_MS = 700
# An atom is taken hold of up to this part of its mark's width from its middle.
REACH_OF_SIZE = 0.75
OVERLAY = "atoms being moved"


class AtomMover(QObject):
    """Lets the mouse drag atoms of a points layer.

    Parameters
    ----------
    viewer, layer
        The viewer and the layer.
    before
        Called before an atom is moved.
    after
        Called with the row of an atom that was moved.
    """

    def __init__(
        self, viewer: Any, layer: Any, *, before: Callable[[], None], after: Callable[[int], None]
    ) -> None:
        super().__init__()
        self._viewer, self._layer = viewer, layer
        self._before, self._after = before, after
        self._overlay: Any = None
        self._shown: np.ndarray = np.empty(0, int)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self.draw_all)

    @property
    def is_on(self) -> bool:
        """Whether the mouse drags atoms."""
        return self._overlay is not None

    @property
    def is_drawing(self) -> bool:
        """Whether the layer of its own stands for the layer now."""
        return bool(len(self._shown))

    def start(self) -> None:
        """Take the mouse."""
        if self.is_on:
            return
        layers, sizes = self._viewer.layers, self._layer.size
        self._overlay = self._viewer.add_points(
            np.empty((0, self._layer.ndim)),
            name=OVERLAY,
            border_width=0.0,
            size=float(sizes[0] if len(sizes) else self._layer.current_size),
            opacity=self._layer.opacity,
            metadata={KEY: {"role": "overlay"}},
            **like(self._layer),
        )
        layers.selection.active = self._layer
        self._layer.mouse_drag_callbacks.append(self._drag)
        layers.events.removed.connect(self._notice_removal)
        self._layer.events.mode.connect(self._notice_mode)

    def stop(self) -> None:
        """Give the mouse back."""
        if not self.is_on:
            return
        self.draw_all()
        overlay, self._overlay = self._overlay, None
        self._viewer.layers.events.removed.disconnect(self._notice_removal)
        self._layer.events.mode.disconnect(self._notice_mode)
        if self._drag in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._drag)
        if overlay in self._viewer.layers:
            self._viewer.layers.remove(overlay)

    def draw_all(self) -> None:
        """Draw the layer itself again, with what was moved."""
        self._rest.stop()
        if not self.is_drawing:
            return
        self._shown = np.empty(0, int)
        self._overlay.data = np.empty((0, self._layer.ndim))
        if self._layer.visible:
            self._layer.refresh()
        else:
            self._layer.visible = True

    def _drag(self, layer: Any, event: Any) -> Iterator[None]:
        pointer = np.asarray(layer.world_to_data(event.position))
        distance = self._distance(pointer)
        row = int(np.argmin(distance)) if len(distance) else 0
        if not len(distance) or distance[row] > REACH_OF_SIZE * float(layer.size[row]):
            return
        self._rest.stop()
        layer.mouse_pan = False
        self._before()
        start = np.array(layer.data[row])
        self._draw_around(row, distance)
        yield
        while event.type == "mouse_move":
            place = start + np.asarray(layer.world_to_data(event.position)) - pointer
            layer.data[row, -2:] = place[-2:]
            self._draw()
            yield
        layer.mouse_pan = True
        if not np.array_equal(layer.data[row], start):
            self._after(row)
            self._draw()
        self._rest.start()

    def _distance(self, place: Any) -> Any:
        """Of every atom from a place in pixels; atoms of other frames are far away."""
        data = self._layer.data
        distance = np.hypot(*(data[:, -2:] - np.asarray(place)[-2:]).T)
        if self._layer.ndim > 2:
            distance[np.rint(data[:, 0]) != round(float(place[0]))] = np.inf
        return distance

    def _draw_around(self, row: int, distance: Any) -> None:
        """Show an atom with its neighbours on the layer of its own."""
        layer = self._layer
        n_near = min(MANY, len(distance))
        near = np.argpartition(distance, n_near - 1)[:n_near]
        # The one in hand last, on top.
        rows = np.append(near[(near != row) & np.isfinite(distance[near])], row)
        moved_before = self._shown[~np.isin(self._shown, rows)]
        self._shown = np.concatenate([moved_before, rows])[-2 * MANY :]
        self._draw()
        self._overlay.face_color = layer.face_color[self._shown]
        layer.visible = False

    def _draw(self) -> None:
        self._overlay.data = self._layer.data[self._shown]

    def _notice_mode(self, event: Any) -> None:
        """Whoever chooses a tool of napari ends the moving."""
        if str(self._layer.mode) != "pan_zoom":
            self.stop()

    def _notice_removal(self, event: Any) -> None:
        """Whoever removes the layer of its own ends the moving."""
        if self._overlay is not None and self._overlay not in self._viewer.layers:
            self._shown = np.empty(0, int)
            self._layer.visible = True
            self.stop()

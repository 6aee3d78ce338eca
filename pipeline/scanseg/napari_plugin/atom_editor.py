"""Corrections of atoms: added, moved and fitted to the image under them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scanseg.napari_plugin.calibration import pixel_size_nm_of
from scanseg.napari_plugin.content import spacing_px
from scanseg.napari_plugin.editing import MOVED, TableEditor
from scanseg.napari_plugin.history import Snapshot
from scanseg.napari_plugin.moving import AtomMover
from scanseg.napari_plugin.pixels import plane_of
from scanseg.napari_plugin.snapping import snap
from scanseg.napari_plugin.viewing import image_layer_of
from scanseg.napari_plugin.writing import write_points

__all__ = ["AtomEditor"]

# Columns further away than this tell nothing of the distance of neighbours.
NEAR_PX = 200
ENOUGH = 4


class AtomEditor(TableEditor):
    """Corrects a points layer.

    Parameters
    ----------
    viewer, layer, class_name
        As for :class:`TableEditor`.
    is_snapping
        Tells whether atoms move to the column that is fitted where they are put.
    """

    ending = "_atoms.csv"

    def __init__(
        self,
        viewer: Any,
        layer: Any,
        class_name: Callable[[], str],
        is_snapping: Callable[[], bool],
    ) -> None:
        if not layer.data.flags.writeable:  # a table's own array; atoms are moved in place
            layer.data = np.array(layer.data)
        super().__init__(viewer, layer, class_name)
        self._is_snapping = is_snapping
        self.mover = AtomMover(viewer, layer, before=self.history.remember, after=self._moved)

    @property
    def tools(self) -> Mapping[str, Callable[[], None]]:
        """Buttons, and what they do."""
        return {
            "Add": lambda: self._point("add"),
            "Move": self.start_moving,
            "Select": lambda: self._point("select"),
            "Delete": self.delete,
            "Set class": self.set_class,
            "Undo": self.undo,
            "Redo": self.redo,
        }

    def start_moving(self) -> None:
        """Let the mouse drag atoms, each fitted where it is let go."""
        self.use_mode("pan_zoom")
        self.mover.start()
        self.said.emit("Drag an atom; it is fitted where you let it go.")

    def release(self) -> None:
        """Listen to the layer no more."""
        self.mover.stop()
        super().release()

    def write(self, path: Path) -> None:
        """Write positions in pixels and nm, with the features, as CSV."""
        data, attributes, _ = self.layer.as_layer_data_tuple()
        write_points(str(path), data, attributes)

    def measured(self, row: int, status: str) -> dict[str, Any]:
        """Position and fit of an atom; it moves to the column where there is one."""
        layer = self.layer
        place = np.array(layer.data[row], float)
        fitted: dict[str, Any] = {}
        image = image_layer_of(self.viewer, layer) if self._is_snapping() else None
        if image is not None:
            place[-2:], fitted = self._snapped(image, place)
        layer.data[row] = place
        size = pixel_size_nm_of(layer) or (np.nan, np.nan)
        y_px, x_px = (float(each) for each in place[-2:])
        where = {"y_px": y_px, "x_px": x_px, "y_nm": y_px * size[0], "x_nm": x_px * size[1]}
        if layer.ndim > 2:
            where["frame"] = round(float(place[0]))
        return {**where, **fitted}

    def settle(self, rows: list[int], status: str) -> None:
        """Fit what was placed by hand, write it down, and draw it where it is now."""
        super().settle(rows, status)
        if status == MOVED and not self.mover.is_drawing:
            self.layer.refresh()

    def _snapped(self, image: Any, place: Any) -> tuple[Any, dict[str, Any]]:
        data = self.layer.data
        frame = round(float(place[0])) if self.layer.ndim > 2 else 0
        same_frame = data[np.rint(data[:, 0]) == frame] if self.layer.ndim > 2 else data
        near = np.abs(same_frame[:, -2:] - place[-2:]).max(axis=1)
        others = same_frame[near < NEAR_PX, -2:]
        others = others[np.any(others != place[-2:], axis=1)]
        spacing = spacing_px(others if len(others) >= ENOUGH else data)
        return snap(plane_of(image, frame), place[-2:], others, spacing_px=spacing)

    def _point(self, mode: str) -> None:
        self.mover.stop()
        self.use_mode(mode)

    def _hear(self, event: Any) -> None:
        self.mover.draw_all()  # its rows are about to be others
        super()._hear(event)

    def _moved(self, row: int) -> None:
        self.settle([row], MOVED)

    def _snapshot(self) -> Snapshot:
        layer = self.layer
        return Snapshot(np.array(layer.data), layer.features.copy(), np.array(layer.face_color))

    def _put(self, state: Snapshot) -> None:
        layer = self.layer
        self.mover.draw_all()
        layer.selected_data = set()
        if len(state.data) == len(layer.data):  # in place: four times as fast for 100,000
            layer.data[:] = state.data
            layer.features = state.features
            layer.face_color[:] = state.colours
            layer.refresh()
            return
        layer.data = np.array(state.data)  # the snapshot must not change with the layer
        layer.features = state.features
        if len(state.data):
            layer.face_color = state.colours
        layer.size = float(layer.current_size)
        layer.refresh()

    def _joined(self, data: list[Any]) -> Any:
        return np.concatenate(data) if data else np.empty((0, self.layer.ndim))

    def _show_colours(self, rows: list[int], colours: Any) -> None:
        self.layer.face_color[rows] = colours  # in place: of 100,000 points all others stay
        self.layer.refresh()

    def _moved_rows(self, before: Any) -> list[int]:
        return np.flatnonzero(np.any(before != self.layer.data, axis=1)).tolist()

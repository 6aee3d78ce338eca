"""Correct: add, move and delete atoms, draw, cut, join and erase walls; undo, and never lose work.

Tools of napari do the pointing: its add and select modes for points, its path mode for shapes. What
is added or moved is fitted, marked, undoable and kept on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from scanseg.napari_plugin import recovery
from scanseg.napari_plugin.calibration import pixel_size_nm_of
from scanseg.napari_plugin.content import colours_of, spacing_px
from scanseg.napari_plugin.docking import DockContent
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.snapping import snap
from scanseg.napari_plugin.viewing import facts_of, image_layer_of
from scanseg.napari_plugin.writing import write_points, write_walls

__all__ = ["CorrectWidget"]

UNDO_STEPS = 40
AUTOSAVE_MS = 1500
ADDED, MOVED, CHANGED = "added", "moved", "class changed"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A layer before a change."""

    data: Any
    features: Any
    colours: NDArray[Any]


class CorrectWidget(DockContent):
    """Corrects a layer of atoms or walls."""

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._layer: Any = None
        self._done: list[Snapshot] = []
        self._undone: list[Snapshot] = []
        self._own_change = False
        self._dragging = False
        self._dirty = False
        self.layer_choice = LayerChoice(napari_viewer, ("Points", "Shapes"), ("atoms", "walls"))
        self.class_choice = QComboBox()
        self.snap_box = QCheckBox("snap to the local fit")
        self.snap_box.setChecked(True)
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.buttons = {
            "Add / draw": self.start_adding,
            "Select / move": self.start_selecting,
            "Delete": self.delete,
            "Set class": self.set_class,
            "Cut wall": self.cut,
            "Join walls": self.join,
            "Undo": self.undo,
            "Redo": self.redo,
            "Save…": self._ask_and_save,
            "Recover": self.recover,
        }
        self._widgets = {name: QPushButton(name) for name in self.buttons}
        self._autosave = QTimer(self)
        self._autosave.setSingleShot(True)
        self._autosave.setInterval(AUTOSAVE_MS)
        self._autosave.timeout.connect(self.autosave)
        self._lay_out()
        for name, act in self.buttons.items():
            self._widgets[name].clicked.connect(partial(_call, act))
        self.layer_choice.layer_changed.connect(self._take_layer)
        self._take_layer(self.layer_choice.layer)

    @property
    def is_saved(self) -> bool:
        """Whether every correction is on disk."""
        return not self._dirty

    def release(self) -> None:
        """Keep what is not saved yet, and listen to no layer any more."""
        if self._dirty:
            self.autosave()
        self._let_go()

    def start_adding(self) -> None:
        """The next clicks add atoms, or draw a wall."""
        if self._layer is not None:
            self._viewer.layers.selection.active = self._layer
            self._layer.mode = "add" if self._is_points else "add_path"

    def start_selecting(self) -> None:
        """The next clicks select and drag."""
        if self._layer is not None:
            self._viewer.layers.selection.active = self._layer
            self._layer.mode = "select"

    def delete(self) -> None:
        """Delete what is selected."""
        if self._layer is not None and self._layer.selected_data:
            self._layer.remove_selected()

    def set_class(self) -> None:
        """Give what is selected the class in the box."""
        layer = self._layer
        chosen = [] if layer is None else sorted(layer.selected_data)
        if not chosen:
            self._say("Select what shall change its class first.")
            return
        self._remember()
        self._write_features(chosen, {"class": self.class_choice.currentText()}, CHANGED)
        self._recolour(chosen)
        self._changed(f"{len(chosen)} changed to {self.class_choice.currentText()}.")

    def cut(self, at_px: Any = None) -> None:
        """Cut the selected wall at the point closest to a place (y, x), or in the middle."""
        layer = self._walls()
        if layer is None or len(layer.selected_data) != 1:
            self._say(
                "Select one wall; the key x cuts it at the pointer, the button in the middle."
            )
            return
        (index,) = layer.selected_data
        line = np.asarray(layer.data[index])
        if len(line) < 3:
            self._say("A wall of two points cannot be cut.")
            return
        at = len(line) // 2
        if at_px is not None:
            at = int(np.argmin(np.hypot(*(line[:, -2:] - at_px).T)))
        at = int(np.clip(at, 1, len(line) - 2))
        self._replace_lines([index], [line[: at + 1], line[at:]], "Cut.")

    def cut_at_pointer(self, *_: Any) -> None:
        """Cut the selected wall where the mouse points."""
        if self._walls() is not None:
            pointer = self._layer.world_to_data(self._viewer.cursor.position)
            self.cut(np.asarray(pointer)[-2:])

    def join(self) -> None:
        """Join two selected walls at the ends that are closest."""
        layer = self._walls()
        if layer is None or len(layer.selected_data) != 2:
            self._say("Select two walls to join.")
            return
        first, second = sorted(layer.selected_data)
        one, other = (np.asarray(layer.data[each]) for each in (first, second))
        ways = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
        a, b = min(ways, key=lambda way: float(np.hypot(*(way[0][-1] - way[1][0])[-2:])))
        b = b[1:] if np.allclose(a[-1], b[0]) else b
        self._replace_lines([first, second], [np.vstack([a, b])], "Joined.")

    def undo(self) -> None:
        """Take the last change back."""
        self._travel(self._done, self._undone, "Undone.")

    def redo(self) -> None:
        """Make it again."""
        self._travel(self._undone, self._done, "Made again.")

    def save(self, path: Path) -> None:
        """Write the corrected layer: atoms as CSV, walls as GeoJSON."""
        layer = self._layer
        if layer is None:
            return
        data, attributes, _ = layer.as_layer_data_tuple()
        (write_points if self._is_points else write_walls)(str(path), data, attributes)
        self._autosave.stop()
        self._dirty = False
        recovery.discard(self._key)
        self._offer_recovery()
        self._say(f"Saved: {path}")

    def recover(self) -> None:
        """Take the corrections that an earlier session has left."""
        left = None if self._layer is None else recovery.load(self._key)
        if left is None:
            return
        data, features = left
        self._remember()
        stacked = np.concatenate(data) if data else np.empty((0, self._layer.ndim))
        colours = colours_of(features["class"], self._colours)
        self._restore(Snapshot(stacked if self._is_points else data, features, colours))
        self._changed("Recovered what the last session had corrected.")

    def autosave(self) -> None:
        """Write corrections in a thread, so that a crash does not take them."""
        if self._layer is None:
            return
        state = self._snapshot()
        self._dirty = False
        arguments = (self._key, state.data, state.features)
        threading.Thread(target=recovery.store, args=arguments, daemon=False).start()

    @property
    def _is_points(self) -> bool:
        return type(self._layer).__name__ == "Points"

    @property
    def _colours(self) -> dict[str, str]:
        return dict(facts_of(self._layer).get("colours") or {})

    @property
    def _key(self) -> str:
        facts = facts_of(self._layer)
        return f"{facts.get('path', self._layer.name)} {facts.get('role')}"

    def _walls(self) -> Any | None:
        return None if self._layer is None or self._is_points else self._layer

    def _take_layer(self, layer: Any) -> None:
        self._let_go()
        self._layer = layer
        self._done.clear()
        self._undone.clear()
        self.class_choice.clear()
        for widget in self._widgets.values():
            widget.setEnabled(layer is not None)
        if layer is None:
            self._say("There are no atoms or walls yet: use Segment, or open a run.")
            return
        names = [*self._colours]
        if "class" in layer.features:
            used = layer.features["class"].dropna().astype(str).unique()
            names += [name for name in used if name not in names]
        self.class_choice.addItems(names)
        layer.events.data.connect(self._data_event)
        layer.mouse_drag_callbacks.append(self._follow_drag)
        if not self._is_points:
            layer.bind_key("x", lambda _: self.cut_at_pointer(), overwrite=True)
        self.snap_box.setVisible(self._is_points)
        for name in ("Cut wall", "Join walls"):
            self._widgets[name].setVisible(not self._is_points)
        self._say("")
        self._offer_recovery()

    def _let_go(self) -> None:
        if self._layer is not None:
            self._layer.events.data.disconnect(self._data_event)
            if self._follow_drag in self._layer.mouse_drag_callbacks:
                self._layer.mouse_drag_callbacks.remove(self._follow_drag)
        self._layer = None

    def _offer_recovery(self) -> None:
        left = self._layer is not None and recovery.place_of(self._key).is_file()
        self._widgets["Recover"].setEnabled(bool(left) and not self._done)
        if left and not self._done:
            self._say("An earlier session has left corrections of this image: Recover.")

    def _data_event(self, event: Any) -> None:
        """What napari's own tools do to the layer, before and after."""
        if self._own_change:
            return
        if facts_of(self._layer).get("updating"):  # a new result, no correction
            self._done.clear()
            self._undone.clear()
            self._autosave.stop()
            return
        action = str(event.action)
        if action.endswith("ing"):
            self._remember()
        elif action == "added":
            n_new = len(event.data_indices)
            # After napari has finished with the click: it selects the new point yet.
            QTimer.singleShot(0, partial(self._settle_new, n_new))
        elif action == "changed" and not self._dragging:
            self._settle_moved()
        elif action == "removed":
            self._changed("Deleted.")

    def _follow_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Snap when the mouse is let go, not at every step of the way."""
        self._dragging = True
        n_before = len(self._done)
        yield
        while event.type == "mouse_move":
            yield
        self._dragging = False
        if len(self._done) > n_before:
            self._settle_moved()

    def _settle_new(self, n_new: int) -> None:
        layer = self._layer
        if layer is None or n_new > len(layer.data):
            return
        n_before = len(layer.data) - n_new
        new = list(range(n_before, len(layer.data)))
        # napari repeats the row of what was selected last.
        unknown = {"probability": np.nan, "class": self.class_choice.currentText()}
        self._write_features(new, unknown, ADDED)
        for name in ("atom", "branch"):
            if name in layer.features and n_before:
                first = int(layer.features[name].iloc[:n_before].max()) + 1
                for offset, index in enumerate(new):
                    self._write_features([index], {name: first + offset}, ADDED)
        self._settle(new, ADDED)

    def _settle_moved(self) -> None:
        layer = self._layer
        if not self._done or layer is None:
            return
        before = self._done[-1].data
        if len(before) != len(layer.data):
            self._changed("Changed.")
        elif self._is_points:
            moved = np.flatnonzero(np.any(np.asarray(before) != layer.data, axis=1))
            self._settle([int(each) for each in moved], MOVED)
        else:
            pairs = zip(before, layer.data, strict=True)
            moved_lines = [i for i, (a, b) in enumerate(pairs) if not np.array_equal(a, b)]
            self._settle(moved_lines, MOVED)

    def _settle(self, indices: list[int], status: str) -> None:
        """Fit what was placed by hand, and write down where it is."""
        if not indices:
            return
        if self._is_points:
            for index in indices:
                self._settle_point(index, status)
        else:
            for index in indices:
                self._write_features([index], self._measured(index), status)
        if status == ADDED:
            self._recolour(indices)
        elif self._is_points:
            self._layer.refresh()
        self._changed(f"{len(indices)} {status}.")

    def _settle_point(self, index: int, status: str) -> None:
        layer = self._layer
        place = np.array(layer.data[index], float)
        measured: dict[str, Any] = {}
        image = image_layer_of(self._viewer, layer) if self.snap_box.isChecked() else None
        if image is not None:
            same_frame = layer.data[layer.data[:, 0] == place[0]] if layer.ndim > 2 else layer.data
            near = np.abs(same_frame[:, -2:] - place[-2:]).max(axis=1)
            others = same_frame[near < 200, -2:]
            others = others[np.any(others != place[-2:], axis=1)]
            spacing = spacing_px(others) if len(others) > 3 else spacing_px(layer.data)
            place[-2:], measured = snap(
                _plane(image, place), place[-2:], others, spacing_px=spacing
            )
        layer.data[index] = place
        size = pixel_size_nm_of(layer) or (np.nan, np.nan)
        y_px, x_px = (float(each) for each in place[-2:])
        where = {"y_px": y_px, "x_px": x_px, "y_nm": y_px * size[0], "x_nm": x_px * size[1]}
        if layer.ndim > 2:
            where["frame"] = round(float(place[0]))
        self._write_features([index], {**where, **measured}, status)

    def _measured(self, index: int) -> dict[str, Any]:
        """Length of a wall as it lies; widths belonged to the line that was fitted."""
        line = np.asarray(self._layer.data[index])[:, -2:]
        size = pixel_size_nm_of(self._layer)
        length = float(np.hypot(*np.diff(line, axis=0).T).sum())
        in_nm = np.nan
        if size is not None:
            in_nm = float(np.hypot(*(np.diff(line, axis=0) * size).T).sum())
        missing = [name for name in self._layer.features if name.startswith(("width", "dip"))]
        return {"length_px": length, "length_nm": in_nm, **dict.fromkeys(missing, np.nan)}

    def _write_features(self, rows: list[int], values: dict[str, Any], status: str) -> None:
        features = self._layer.features
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

    def _recolour(self, rows: list[int]) -> None:
        layer = self._layer
        if "class" not in layer.features or not rows:
            return
        colours = colours_of(layer.features["class"].iloc[rows], self._colours)
        if self._is_points:
            layer.face_color[rows] = colours  # in place: of 100,000 points all others stay
            layer.refresh()
            return
        everything = np.array(layer.edge_color)
        everything[rows] = colours
        self._silently(lambda: setattr(layer, "edge_color", everything))

    def _replace_lines(self, gone: list[int], lines: list[Any], said: str) -> None:
        """Put lines in the place of others; they keep the features of the first of these."""
        layer = self._layer
        self._remember()
        row = layer.features.iloc[[gone[0]]]
        kept = [i for i in range(len(layer.data)) if i not in gone]
        import pandas as pd

        features = pd.concat([layer.features.iloc[kept], *[row] * len(lines)], ignore_index=True)
        data = [np.asarray(layer.data[i]) for i in kept] + lines
        self._restore(Snapshot(data, features, colours_of(features["class"], self._colours)))
        new = list(range(len(kept), len(data)))
        for index in new:
            self._write_features([index], self._measured(index), CHANGED.rsplit(maxsplit=1)[-1])
        self._changed(said)

    def _snapshot(self) -> Snapshot:
        layer = self._layer
        data = np.array(layer.data) if self._is_points else [np.array(line) for line in layer.data]
        colours = layer.face_color if self._is_points else layer.edge_color
        return Snapshot(data, layer.features.copy(), np.array(colours))

    def _remember(self) -> None:
        self._done.append(self._snapshot())
        del self._done[:-UNDO_STEPS]
        self._undone.clear()

    def _travel(self, source: list[Snapshot], target: list[Snapshot], said: str) -> None:
        if self._layer is None or not source:
            return
        target.append(self._snapshot())
        self._restore(source.pop())
        self._changed(said)

    def _restore(self, state: Snapshot) -> None:
        def put() -> None:
            layer = self._layer
            layer.selected_data = set()
            if self._is_points:
                layer.data = state.data
                layer.features = state.features
                if len(state.data):
                    layer.face_color = state.colours
                layer.size = float(layer.current_size)
                layer.refresh()
                return
            layer.data = []
            if state.data:
                layer.add(state.data, shape_type="path", edge_width=1.2)
                layer.features = state.features
                layer.edge_color = state.colours

        self._silently(put)

    def _silently(self, act: Any) -> None:
        """Change the layer without taking it for a change by hand."""
        self._own_change = True
        try:
            act()
        finally:
            self._own_change = False

    def _changed(self, said: str) -> None:
        self._dirty = True
        self._autosave.start()
        self._layer.events.features()
        self._say(said)

    def _say(self, text: str) -> None:
        self.status.setText(text)

    def _ask_and_save(self) -> None:
        suffix = "csv" if self._is_points else "geojson"
        path, _ = QFileDialog.getSaveFileName(
            self, "Save corrections", f"{self._layer.name}.{suffix}", f"*.{suffix}"
        )
        if path:
            self.save(Path(path))

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("layer", self.layer_choice)
        form.addRow("class", self.class_choice)
        grid = QGridLayout()
        for place, widget in enumerate(self._widgets.values()):
            grid.addWidget(widget, place // 2, place % 2)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.snap_box)
        column.addLayout(grid)
        column.addWidget(self.status)
        column.addStretch(1)


def _plane(image: Any, place: NDArray[np.float64]) -> NDArray[Any]:
    """The frame of an image layer that a point lies in."""
    data = image.data
    if image.ndim > 2:
        data = data[round(float(place[0]))]
    plane = np.asarray(data)
    return plane[..., :3].mean(axis=-1) if getattr(image, "rgb", False) else plane


def _call(act: Any, *_: Any) -> None:
    act()

"""Corrections of domain walls: drawn, cut, joined, erased, and measured as they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.napari_plugin.calibration import pixel_size_nm_of
from scanseg.napari_plugin.content import WALL_WIDTH_PX
from scanseg.napari_plugin.editing import TableEditor
from scanseg.napari_plugin.history import Snapshot
from scanseg.napari_plugin.writing import write_walls

__all__ = ["WallEditor", "joined", "outside_of_strokes"]

# The eraser is so wide on the screen, whatever the zoom.
ERASER_SCREEN_PX = 12.0
SHORTEST = 2


class WallEditor(TableEditor):
    """Corrects a shapes layer of paths."""

    ending = "_walls.geojson"

    def __init__(self, viewer: Any, layer: Any, class_name: Callable[[], str]) -> None:
        super().__init__(viewer, layer, class_name)
        self._erasing = False
        layer.mouse_drag_callbacks.append(self._erase_along)
        layer.bind_key("x", lambda _: self.cut_at_pointer(), overwrite=True)

    @property
    def tools(self) -> Mapping[str, Callable[[], None]]:
        """Buttons, and what they do."""
        return {
            "Draw": lambda: self._point("add_path"),
            "Select": lambda: self._point("select"),
            "Move points": lambda: self._point("direct"),
            "Erase": self.start_erasing,
            "Cut (x)": self.cut,
            "Join": self.join,
            "Delete": self.delete,
            "Set class": self.set_class,
            "Undo": self.undo,
            "Redo": self.redo,
        }

    def release(self) -> None:
        """Listen to the layer no more."""
        if self._erase_along in self.layer.mouse_drag_callbacks:
            self.layer.mouse_drag_callbacks.remove(self._erase_along)
        self.layer.bind_key("x", None, overwrite=True)
        super().release()

    def write(self, path: Path) -> None:
        """Write the lines as GeoJSON."""
        data, attributes, _ = self.layer.as_layer_data_tuple()
        write_walls(str(path), data, attributes)

    def start_erasing(self) -> None:
        """Let the mouse erase what it is dragged over."""
        self.use_mode("pan_zoom")
        self._erasing = True
        self.said.emit("Drag over what shall go; the rest of a wall stays.")

    def erase(self, stroke_px: NDArray[np.float64], *, radius_px: float) -> None:
        """Remove what lies along a stroke.

        Parameters
        ----------
        stroke_px
            (y, x) or (frame, y, x) of the way of the eraser, shape (N, D).
        radius_px
            Its radius.
        """
        gone, parts, rows = [], [], []
        for row, line in enumerate(self.layer.data):
            if line.shape[1] > 2 and round(float(line[0, 0])) != round(float(stroke_px[0, 0])):
                continue
            left = outside_of_strokes(np.asarray(line), stroke_px, radius_px=radius_px)
            if left is not None:
                gone.append(row)
                parts += left
                rows += [row] * len(left)
        if gone:
            self._replace(gone, parts, rows, f"Erased from {len(gone)} walls.")

    def cut(self, at_px: Any = None) -> None:
        """Cut the selected wall at the point closest to a place (y, x), or in the middle."""
        layer = self.layer
        if len(layer.selected_data) != 1:
            self.said.emit(
                "Select one wall; the key x cuts it at the pointer, the button in the middle."
            )
            return
        (row,) = layer.selected_data
        line = np.asarray(layer.data[row])
        if len(line) <= SHORTEST:
            self.said.emit("A wall of two points cannot be cut.")
            return
        at = len(line) // 2
        if at_px is not None:
            at = int(np.argmin(np.hypot(*(line[:, -2:] - at_px).T)))
        at = int(np.clip(at, 1, len(line) - 2))
        self._replace([row], [line[: at + 1], line[at:]], [row, row], "Cut.")

    def cut_at_pointer(self) -> None:
        """Cut the selected wall where the mouse points."""
        pointer = self.layer.world_to_data(self.viewer.cursor.position)
        self.cut(np.asarray(pointer)[-2:])

    def join(self) -> None:
        """Join two selected walls at the ends that are closest."""
        layer = self.layer
        if len(layer.selected_data) != 2:
            self.said.emit("Select two walls to join.")
            return
        rows = sorted(int(each) for each in layer.selected_data)
        line = joined(*(np.asarray(layer.data[row]) for row in rows))
        self._replace(rows, [line], rows[:1], "Joined.")

    def measured(self, row: int, status: str) -> dict[str, Any]:
        """Length of a wall as it lies; widths belonged to the line that was fitted."""
        line = np.asarray(self.layer.data[row])[:, -2:]
        size = pixel_size_nm_of(self.layer)
        length = float(np.hypot(*np.diff(line, axis=0).T).sum())
        in_nm = np.nan
        if size is not None:
            in_nm = float(np.hypot(*(np.diff(line, axis=0) * size).T).sum())
        missing = [name for name in self.layer.features if name.startswith(("width", "dip"))]
        return {"length_px": length, "length_nm": in_nm, **dict.fromkeys(missing, np.nan)}

    def _point(self, mode: str) -> None:
        self._erasing = False
        self.use_mode(mode)

    def _erase_along(self, layer: Any, event: Any) -> Iterator[None]:
        if not self._erasing or str(layer.mode) != "pan_zoom":
            return
        layer.mouse_pan = False
        stroke = [layer.world_to_data(event.position)]
        yield
        while event.type == "mouse_move":
            stroke.append(layer.world_to_data(event.position))
            yield
        layer.mouse_pan = True
        radius = ERASER_SCREEN_PX / (self.viewer.camera.zoom * float(layer.scale[-1]))
        self.erase(np.array(stroke), radius_px=radius)

    def _replace(self, gone: list[int], lines: list[Any], rows: Sequence[int], what: str) -> None:
        """Put lines in the place of others; each with features of one of them, measured anew."""
        layer = self.layer
        self.history.remember()
        import pandas as pd

        kept = [row for row in range(len(layer.data)) if row not in gone]
        features = pd.concat(
            [layer.features.iloc[kept], layer.features.iloc[list(rows)]], ignore_index=True
        )
        data = [np.asarray(layer.data[row]) for row in kept] + lines
        self._restore(Snapshot(data, features, self._colours_of(features)))
        for row in range(len(kept), len(data)):
            self.write_features([row], self.measured(row, "changed"), "changed")
        self.tell(what)

    def _snapshot(self) -> Snapshot:
        layer = self.layer
        lines = [np.array(line) for line in layer.data]
        return Snapshot(lines, layer.features.copy(), np.array(layer.edge_color))

    def _put(self, state: Snapshot) -> None:
        layer = self.layer
        layer.selected_data = set()
        layer.data = []
        if state.data:
            layer.add(state.data, shape_type="path", edge_width=WALL_WIDTH_PX)
            layer.features = state.features
            layer.edge_color = state.colours

    def _joined(self, data: list[Any]) -> Any:
        return data

    def _show_colours(self, rows: list[int], colours: Any) -> None:
        everything = np.array(self.layer.edge_color)
        everything[rows] = colours
        self.layer.edge_color = everything

    def _moved_rows(self, before: Any) -> list[int]:
        pairs = zip(before, self.layer.data, strict=True)
        return [row for row, (a, b) in enumerate(pairs) if not np.array_equal(a, b)]


def joined(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two lines as one, through the ends that are closest."""
    ways = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
    a, b = min(ways, key=lambda way: float(np.hypot(*(way[0][-1] - way[1][0])[-2:])))
    b = b[1:] if np.allclose(a[-1], b[0]) else b
    return np.vstack([a, b])


def outside_of_strokes(
    line: NDArray[np.float64], stroke_px: NDArray[np.float64], *, radius_px: float
) -> list[NDArray[np.float64]] | None:
    """What is left of a line beside a stroke; None where all of it is.

    Parameters
    ----------
    line, stroke_px
        Points (y, x) or (frame, y, x), shapes (N, D) and (M, D).
    radius_px
        How far from the stroke a line is removed.

    Examples
    --------
    >>> line = np.column_stack([np.zeros(9), np.arange(9.0)])
    >>> parts = outside_of_strokes(line, np.array([[-3.0, 4.0], [3.0, 4.0]]), radius_px=1.5)
    >>> [part[:, 1].tolist() for part in parts]
    [[0.0, 1.0, 2.0], [6.0, 7.0, 8.0]]
    """
    ends = stroke_px if len(stroke_px) > 1 else np.vstack([stroke_px, stroke_px])
    distance = np.min(
        [
            _distance_to_step(line[:, -2:], a, b)
            for a, b in zip(ends[:-1, -2:], ends[1:, -2:], strict=True)
        ],
        axis=0,
    )
    kept = distance > radius_px
    if kept.all():
        return None
    border = np.flatnonzero(np.diff(kept)) + 1
    parts = np.split(np.arange(len(line)), border)
    return [line[part] for part in parts if kept[part[0]] and len(part) >= SHORTEST]


def _distance_to_step(
    place: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of places from the straight piece between two points."""
    way = end - start
    length2 = float(way @ way)
    along = np.zeros(len(place)) if length2 == 0 else (place - start) @ way / length2
    nearest = start + np.clip(along, 0, 1)[:, None] * way
    return np.asarray(np.hypot(*(place - nearest).T))

"""Layers to files that keep their calibration."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.napari_plugin.calibration import pixel_size_nm_of, to_nm

__all__ = ["points_table", "walls_collection", "write_labels", "write_points", "write_walls"]

POSITION_COLUMNS = ("frame", "y_px", "x_px", "y_nm", "x_nm")
LINES = ("path", "line", "polygon")
DIGITS = 3  # thousandths of a nanometre or pixel are below every error bar


def points_table(position_px: NDArray[np.float64], attributes: Mapping[str, Any]) -> Any:
    """Positions in px and nm with the features of a points layer, as a DataFrame.

    Parameters
    ----------
    position_px
        (y, x) or (frame, y, x), shape (N, 2) or (N, 3).
    attributes
        ``scale``, ``units`` and ``features`` of the layer.
    """
    import pandas as pd

    position = np.asarray(position_px, np.float64)
    features = pd.DataFrame(attributes.get("features"))
    table = features.drop(columns=[name for name in POSITION_COLUMNS if name in features])
    nm = to_nm(position, pixel_size_nm_of(dict(attributes)))
    frame = position[:, 0].astype(int) if position.shape[1] > 2 else np.zeros(len(position), int)
    places = (frame, position[:, -2], position[:, -1], nm[:, 0], nm[:, 1])
    start = 1 if "image" in table else 0
    for offset, (name, values) in enumerate(zip(POSITION_COLUMNS, places, strict=True)):
        table.insert(start + offset, name, values)
    return table


def write_points(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a points layer as CSV: positions in px and nm, and its features."""
    target = Path(path)
    table = points_table(np.asarray(data), attributes)
    scratch = target.with_name(f".{target.name}.part")
    table.to_csv(scratch, index=False, lineterminator="\n")
    os.replace(scratch, target)
    return [path]


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer as OME-TIFF with its pixel size."""
    from scanseg.writers import MapWriter

    target = Path(path)
    labels = np.asarray(data)
    planes = labels.reshape(-1, *labels.shape[-2:])
    scratch = target.with_name(f".{target.name}.tiles")
    written = target.with_name(f".{target.name}.part")
    with MapWriter(scratch, shape=planes.shape[1:], dtype=_smallest(labels)) as writer:
        for plane in planes:
            writer.add_plane(lambda start, stop, plane=plane: plane[start:stop])  # type: ignore[misc]
        size = pixel_size_nm_of(dict(attributes))
        writer.write(written, pixel_size_nm=size, title=target.name)
    os.replace(written, target)
    return [path]


def write_walls(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the lines of a shapes layer as GeoJSON, in nm where the layer is calibrated."""
    target = Path(path)
    scratch = target.with_name(f".{target.name}.part")
    collection = walls_collection(list(data), attributes)
    scratch.write_text(json.dumps(collection, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(scratch, target)
    return [path]


def walls_collection(lines: list[Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A GeoJSON FeatureCollection of the lines of a shapes layer.

    Coordinates are [x, y] with y downward and the origin at the centre of pixel (0, 0), as in the
    ``walls.geojson`` of a run; lengths are measured anew, since a line may have been moved.
    """
    import pandas as pd

    size = pixel_size_nm_of(dict(attributes))
    unit = "px" if size is None else "nm"
    scale = np.array(size or (1.0, 1.0))
    rows = pd.DataFrame(attributes.get("features")).to_dict("records")
    rows += [{}] * (len(lines) - len(rows))
    kinds = attributes.get("shape_type") or "path"
    kinds = [kinds] * len(lines) if isinstance(kinds, str) else list(kinds)
    features = []
    for line, row, kind in zip(lines, rows, kinds, strict=False):
        if kind not in LINES:
            continue
        points = np.asarray(line, np.float64)
        place = points[:, -2:] * scale
        if kind == "polygon":
            place = np.vstack([place, place[:1]])
        length = float(np.hypot(*np.diff(place, axis=0).T).sum())
        properties = {
            "kind": "wall",
            "frame": int(points[0, 0]) if points.shape[1] > 2 else 0,
            "class": _plain(row.get("class")),
            "length": round(length, DIGITS),
            "unit": unit,
            "branch": _plain(row.get("branch")),
            "width": _plain(row.get(f"width_{unit}")),
            "width_err": _plain(row.get(f"width_err_{unit}")),
        }
        coordinates = np.round(place[:, ::-1], DIGITS).tolist()
        geometry = {"type": "LineString", "coordinates": coordinates}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return {
        "type": "FeatureCollection",
        "unit": unit,
        "axes": "x to the right, y downward",
        "features": features,
    }


def _plain(value: Any) -> Any:
    """A value that JSON knows; null for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return round(value, DIGITS) if isinstance(value, float) else value


def _smallest(labels: NDArray[Any]) -> np.dtype[Any]:
    """The smallest type that holds the labels and that programs read: napari makes int64."""
    if labels.dtype == np.bool_:
        return np.dtype(np.uint8)
    if not labels.size:
        return np.dtype(np.uint8)
    if labels.min() < 0:
        return np.dtype(np.int32)
    top = int(labels.max())
    return np.dtype(next((t for t in (np.uint8, np.uint16) if top <= np.iinfo(t).max), np.uint32))

"""Walls of files, found and true, as scans to be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.evaluate.lines import Line
from scanseg.evaluate.results import ImageResults, Role, pixel_size_of, read_table
from scanseg.evaluate.skeletons import ClassImage, class_skeleton_of_lines
from scanseg.evaluate.walls import CLASS_NAMES, WallScan
from scanseg.micrograph import FloatImage

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_class_maps", "read_wall_scans"]

IGNORED = 255  # of a class map: a wall that may be found and need not be


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """Points of a wall: positions (N, 2), classes (N,), and whether they need be found (N,)."""

    position_px: Line
    class_index: NDArray[np.int64]
    visible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Walls:
    """What the files of one image hold: a table, maps by frame, probabilities by frame."""

    table: pd.DataFrame | None
    maps: Sequence[ClassImage]
    probability: Sequence[FloatImage]
    pixel_size_nm: tuple[float, float] | None


def read_wall_scans(
    found: ImageResults,
    truth: ImageResults,
    *,
    class_names: Sequence[str] = CLASS_NAMES,
    pixel_size_nm: tuple[float, float] | None = None,
) -> tuple[WallScan, ...]:
    """Read what was found of an image and what is true, a scan a frame.

    Parameters
    ----------
    found
        Lines are scored where there are any, else the class map, else the most probable classes.
    truth
        The class map is the truth where there is one, else the lines; these serve position errors
        as well.
    class_names
        By index, background first.
    pixel_size_nm
        Overrides what the files say.

    Raises
    ------
    ConfigError
        When shapes differ, a class is unknown, or positions in nm meet no pixel size.
    LoadError
        When a map cannot be read.
    """
    of_found, of_truth = _read(found), _read(truth)
    size = pixel_size_nm or of_truth.pixel_size_nm or of_found.pixel_size_nm
    n_frames = max(len(of_truth.maps), _n_frames(of_truth), 1)
    return tuple(
        _scan(of_found, of_truth, frame, size, class_names, found.name) for frame in range(n_frames)
    )


def _scan(
    found: _Walls,
    truth: _Walls,
    frame: int,
    pixel_size_nm: tuple[float, float] | None,
    class_names: Sequence[str],
    name: str,
) -> WallScan:
    numbers = {each: number for number, each in enumerate(class_names)}
    found_lines = _lines(found.table, frame, pixel_size_nm, numbers)
    truth_lines = _lines(truth.table, frame, pixel_size_nm, numbers)
    probability = found.probability[frame] if frame < len(found.probability) else None
    shape = _shape(found, truth, [*found_lines, *truth_lines], name)
    return WallScan(
        found=_found_map(found, found_lines, probability, frame, shape),
        truth=truth.maps[frame] if frame < len(truth.maps) else _drawn(truth_lines, shape),
        pixel_size_nm=pixel_size_nm,
        probability=probability,
        found_lines=_by_class(found_lines),
        truth_lines=_by_class(truth_lines),
    )


def _read(results: ImageResults) -> _Walls:
    from scanseg.readers import read_channels

    files: Mapping[Role, object] = results.files
    table = None
    if "wall_points" in files:
        table = read_table(results.files["wall_points"], image=results.image)
    maps: Sequence[ClassImage] = ()
    probability: list[FloatImage] = []
    size = pixel_size_of(table) if table is not None else None
    if "class_map" in files:
        maps, map_size = _class_maps(results.files["class_map"])
        size = map_size or size
    if "probability" in files:
        channels = read_channels(results.files["probability"])
        planes = zip(*(channel.frames() for channel in channels), strict=True)
        probability = [np.stack([np.float32(each.data) for each in frame]) for frame in planes]
        size = channels[0].pixel_size_nm or size
    return _Walls(table, maps, probability, size)


def read_class_maps(path: Path) -> list[ClassImage]:
    """Class maps of a file, one a frame, shape (height, width) each."""
    return _class_maps(path)[0]


def _class_maps(path: Path) -> tuple[list[ClassImage], tuple[float, float] | None]:
    """Class maps of a file, and the size of their pixels in nm where the file has it."""
    from scanseg.readers import read_channels

    (image, *_) = read_channels(path)
    return [np.asarray(each.data, np.uint8) for each in image.frames()], image.pixel_size_nm


def _n_frames(walls: _Walls) -> int:
    if walls.table is None or walls.table.empty:
        return 0
    return int(walls.table["frame"].max()) + 1


def _lines(
    table: pd.DataFrame | None,
    frame: int,
    pixel_size_nm: tuple[float, float] | None,
    numbers: Mapping[str, int],
) -> list[_Line]:
    if table is None:
        return []
    table = table[table["frame"] == frame]
    unknown = sorted(set(table["class"]) - set(numbers)) if len(table) else []
    if unknown:
        raise ConfigError(
            f"There is no class of walls called {unknown[0]!r}.",
            hint=f"The classes are {', '.join(list(numbers)[1:])}.",
        )
    if "y_px" not in table and pixel_size_nm is None:
        raise ConfigError(
            "The lines are in nm, and no pixel size is known.", hint="Give --pixel-size-nm."
        )
    lines = []
    for _, branch in table.groupby("branch", sort=True):
        ordered = branch.sort_values("point") if "point" in branch else branch
        if "y_px" in ordered:
            position = ordered[["y_px", "x_px"]].to_numpy(float)
        else:
            position = ordered[["y_nm", "x_nm"]].to_numpy(float) / np.array(pixel_size_nm)
        classes = np.asarray(ordered["class"].map(numbers).to_numpy(), np.int64)
        shown = np.ones(len(ordered), bool)
        if "visible" in ordered:
            shown = ordered["visible"].to_numpy(bool)
        lines.append(_Line(position, classes, shown))
    return lines


def _shape(found: _Walls, truth: _Walls, lines: Sequence[_Line], name: str) -> tuple[int, int]:
    shapes: set[tuple[int, ...]] = set()
    for walls in (truth, found):
        shapes |= {each.shape for each in walls.maps}
        shapes |= {each.shape[1:] for each in walls.probability}
    if len(shapes) > 1:
        (one, other, *_) = sorted(shapes)
        raise ConfigError(
            f"The maps of {name} have {one[0]} x {one[1]} and {other[0]} x {other[1]} pixels, so "
            "they are not of one scan.",
            hint="Give maps of the same scan, at its full size.",
        )
    if shapes:
        (shape,) = shapes
        return int(shape[0]), int(shape[1])
    ends = [line.position_px.max(axis=0) for line in lines]
    height, width = np.ceil(np.max([(0.0, 0.0), *ends], axis=0)).astype(int) + 1
    return int(height), int(width)


def _found_map(
    found: _Walls,
    lines: Sequence[_Line],
    probability: FloatImage | None,
    frame: int,
    shape: tuple[int, int],
) -> ClassImage:
    if found.table is not None:
        return _drawn(lines, shape)
    if frame < len(found.maps):
        return found.maps[frame]
    if probability is not None:
        return np.asarray(probability.argmax(axis=0), np.uint8)
    return np.zeros(shape, np.uint8)


def _drawn(lines: Sequence[_Line], shape: tuple[int, int]) -> ClassImage:
    """Skeleton of lines; where they need not be found, it is 255."""
    return class_skeleton_of_lines(
        [line.position_px for line in lines],
        [np.where(line.visible, line.class_index, IGNORED) for line in lines],
        shape,
    )


def _by_class(lines: Sequence[_Line]) -> dict[int, list[Line]]:
    """Visible stretches of one class, at least two points long."""
    stretches: dict[int, list[Line]] = {}
    for line in lines:
        value = np.where(line.visible, line.class_index, 0)
        cuts = np.flatnonzero(np.diff(value)) + 1
        for part in np.split(np.arange(len(value)), cuts):
            if len(part) > 1 and value[part[0]]:
                stretches.setdefault(int(value[part[0]]), []).append(line.position_px[part])
    return stretches

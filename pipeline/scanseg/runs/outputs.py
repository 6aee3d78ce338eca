"""The files of one image: written to a scratch folder, then moved into place in one go."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Container
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph
from scanseg.report import ATOM_TABLES, WALL_TABLES, append_table, write_png
from scanseg.runs.detection import Detection, Maps
from scanseg.runs.manifest import content_checksum
from scanseg.runs.parts import parts_of
from scanseg.runs.plan import InputFile
from scanseg.runs.settings import OutputConfig
from scanseg.runs.tasks import TABLES, TASKS
from scanseg.writers import MapWriter

__all__ = ["ImageOutputs", "remove_outputs"]

# Returns some rows of a plane: of a large image all of them do not fit into the memory.
Rows = Callable[[int, int], NDArray[Any]]

TABLE_FORMATS = {**ATOM_TABLES, **WALL_TABLES}
OUTPUT_FILES = re.compile(
    r"(class_map|probability|uncertainty|domains)\.tif|overlay(_\d+)?\.png|"
    + "|".join(map(re.escape, (*TABLES, *(name for task in TASKS for name in task.files))))
)


class ImageOutputs:
    """Collects the results of the frames of one file.

    Parameters
    ----------
    file
        The input.
    first
        Its first frame, for shape and calibration.
    found
        What was found in that, for the kind of result and the classes.
    n_frames
        Number of its frames.
    scratch
        A folder on the same file system as the output folder, for this image alone.
    config
        What is written.
    """

    def __init__(
        self,
        file: InputFile,
        first: Micrograph,
        found: Detection,
        n_frames: int,
        *,
        scratch: Path,
        config: OutputConfig,
    ) -> None:
        self._file = file
        self._first = first
        self._n_frames = n_frames
        self._scratch = scratch
        self._task = found.task
        self._classes = ("background", *found.colours)
        self._config = config
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        self._open = ExitStack()
        self._tables: dict[str, BinaryIO] = {
            name: self._open.enter_context((scratch / name).open("wb"))
            for name in self._task.tables
        }
        self._collections: dict[str, dict[str, Any]] = {}
        self._maps = {"class_map.tif": self._map("class_map", np.uint8, ())}
        if "probability" in config.save:
            self._maps["probability.tif"] = self._map("probability", np.float32, self._classes)
        if "uncertainty" in config.save:
            self._maps["uncertainty.tif"] = self._map("uncertainty", np.float32, ())
        if "domains" in config.save and found.domain_map is not None:
            self._maps["domains.tif"] = self._map("domains", np.int32, ())
        self._overlay_frames = _spread(n_frames, config.overlay_frames)
        self._n_added = 0

    def _map(self, name: str, dtype: type, channel_names: tuple[str, ...]) -> MapWriter:
        return self._open.enter_context(
            MapWriter(
                self._scratch / f".{name}.tiles",
                shape=self._first.shape,
                dtype=dtype,
                channel_names=channel_names,
            )
        )

    def add(self, index: int, detection: Detection) -> None:
        """Write what was found in a frame."""
        for name, file in self._tables.items():
            for part in parts_of(detection.tables[name]):
                append_table(
                    file,
                    part,
                    format=TABLE_FORMATS[name],
                    image=self._file.name,
                    frame=index,
                    header=file.tell() == 0,
                )
        for name, collection in detection.collections.items():
            joined = self._collections.setdefault(name, {**collection, "features": []})
            joined["features"] += [
                {**feature, "properties": {"frame": index, **feature["properties"]}}
                for feature in collection["features"]
            ]
        for name, planes in _planes(detection, set(self._maps), len(self._classes)).items():
            for rows in planes:
                self._maps[name].add_plane(rows)
        if index in self._overlay_frames:
            self._draw(index, detection)
        self._n_added += 1

    def add_missing(self) -> None:
        """Keep the place of a frame that has no result."""
        for name, writer in self._maps.items():
            for _ in range(len(self._classes) if name == "probability.tif" else 1):
                writer.add_empty_plane()

    def _draw(self, index: int, detection: Detection) -> None:
        name = "overlay.png"
        if index != self._overlay_frames[0]:
            digits = int(math.log10(self._n_frames - 1)) + 1
            name = f"overlay_{index:0{digits}d}.png"
        title = self._file.name + (f"  frame {index}" if self._n_frames > 1 else "")
        picture = detection.draw(longest_px=self._config.overlay_px, title=title)
        write_png(self._scratch / name, np.asarray(picture))

    def finish(self, folder: Path) -> dict[str, str]:
        """Move everything into the image's folder; return the checksum of each file."""
        for name, writer in self._maps.items():
            writer.write(
                self._scratch / name,
                pixel_size_nm=self._first.pixel_size_nm,
                title=f"{self._file.name} {name.removesuffix('.tif').replace('_', ' ')}",
            )
        self._open.close()
        for name, collection in self._collections.items():
            (self._scratch / name).write_text(json.dumps(collection) + "\n", encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        checksums = {}
        for path in sorted(self._scratch.iterdir()):
            checksums[path.name] = content_checksum(path)
            os.replace(path, folder / path.name)
        self._scratch.rmdir()
        remove_outputs(folder, keep=checksums)
        return checksums

    def discard(self) -> None:
        """Leave nothing behind."""
        self._open.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def remove_outputs(folder: Path, *, keep: Container[str] = ()) -> None:
    """Remove what an earlier run with other settings has written for an image."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if OUTPUT_FILES.fullmatch(path.name) and path.name not in keep:
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _planes(detection: Detection, wanted: set[str], n_classes: int) -> dict[str, list[Rows]]:
    """Functions that return rows, for every plane of every map that is wanted."""
    maps = detection.maps
    planes: dict[str, list[Rows]] = {"class_map.tif": [maps.class_map_rows]}
    if "probability.tif" in wanted:
        planes["probability.tif"] = [_class_rows(maps, index) for index in range(n_classes)]
    if "uncertainty.tif" in wanted:
        planes["uncertainty.tif"] = [maps.uncertainty_rows]
    if "domains.tif" in wanted and detection.domain_map is not None:
        planes["domains.tif"] = [_rows_of(detection.domain_map)]
    return planes


def _class_rows(maps: Maps, index: int) -> Rows:
    return lambda start, stop: maps.probability_rows(start, stop)[index]


def _rows_of(plane: NDArray[Any]) -> Rows:
    return lambda start, stop: plane[start:stop]


def _spread(n_frames: int, n_wanted: int) -> list[int]:
    """Frame numbers from the first to the last.

    Examples
    --------
    >>> _spread(1, 3), _spread(9, 3)
    ([0], [0, 4, 8])
    """
    return sorted({round(index) for index in np.linspace(0, n_frames - 1, min(n_wanted, n_frames))})

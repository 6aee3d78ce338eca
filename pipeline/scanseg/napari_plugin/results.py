"""What a job has found, as layers in the place of the image it looked at."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from scanseg.napari_plugin.calibration import pixel_size_nm_of
from scanseg.napari_plugin.content import LayerTuple

__all__ = ["Loader", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a job works on, remembered: the layer may be gone when it has finished.

    Parameters
    ----------
    name
        Of the layer.
    axes
        Attributes of its axes, with the origin of the region.
    facts
        Go into the metadata of what was found.
    offset_px
        (y, x) of the region in the layer.
    """

    name: str
    axes: dict[str, Any]
    facts: dict[str, Any]
    offset_px: tuple[int, int] = (0, 0)


class Loader(QObject):
    """Reads the results of a run in a thread.

    Parameters
    ----------
    folder
        Of the run; it is moved away and removed when it was read.
    target
        What was looked at.
    """

    loaded = Signal(object)
    failed = Signal(str)

    def __init__(self, folder: Path, target: Target) -> None:
        super().__init__()
        # Renamed, so that the job's own folder may go at once.
        self._folder = folder.rename(folder.parent.with_suffix(".results"))
        self._target = target

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._work, name="scanseg-results", daemon=True).start()

    def _work(self) -> None:
        try:
            layers = _results(self._folder, self._target)
        except Exception as error:
            self._tell(self.failed, f"{type(error).__name__}: {error}")
        else:
            self._tell(self.loaded, layers)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, signal: Any, value: object) -> None:
        try:
            signal.emit(value)
        except RuntimeError:
            return  # the window was closed meanwhile


def _results(folder: Path, target: Target) -> list[LayerTuple]:
    from scanseg.napari_plugin.reading import RunView

    run = RunView(folder)
    (name,) = run.names
    layers = run.found(name, target.axes, title=target.name, facts=target.facts)
    for _, attributes, kind in layers:
        if kind in ("points", "shapes"):  # not the name of a temporary file
            attributes["features"]["image"] = target.facts.get("image") or target.name
    return [_moved(layer, target) for layer in layers]


def _moved(layer: LayerTuple, target: Target) -> LayerTuple:
    """What was found in a region, at its place in the image.

    Positions are those of the whole image; maps are small and get an origin of their own.
    """
    data, attributes, kind = layer
    top, left = target.offset_px
    if (top, left) == (0, 0):
        return layer
    if kind in ("image", "labels"):
        step = np.array(attributes["scale"][-2:]) * (top, left)
        moved = np.array(attributes["translate"], float)
        moved[-2:] += step
        return data, {**attributes, "translate": tuple(moved)}, kind
    features = attributes["features"]
    size = pixel_size_nm_of(attributes) or (np.nan, np.nan)
    for axis, shift, nm in (("y", top, size[0]), ("x", left, size[1])):
        if f"{axis}_px" in features:
            features[f"{axis}_px"] += shift
            features[f"{axis}_nm"] += shift * nm
    for line in [data] if kind == "points" else data:
        line[:, -2:] += (top, left)
    return data, attributes, kind

"""Files and run folders as layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError, ScansegError
from scanseg.napari_plugin.calibration import spatial
from scanseg.napari_plugin.content import (
    KEY,
    LayerTuple,
    atom_layer,
    class_map_layer,
    domain_layer,
    image_layers,
    map_layer,
    wall_layer,
)

if TYPE_CHECKING:
    from scanseg.runs.manifest import Entry

SLOT = "run"
# Columns that count; whatever else is a number is a measure.
NUMBERED = ("frame", "atom", "branch", "point", "start", "end", "domain", "track")

__all__ = ["SLOT", "RunView", "get_reader", "read_image", "read_path", "result_layers"]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerTuple]] | None:
    """Offer to read files of microscopes and folders of ``scanseg predict``; None for others."""
    from scanseg.readers import is_image_folder
    from scanseg.runs.folder import is_run_folder

    for each in [path] if isinstance(path, str) else path:
        place = Path(each)
        if place.is_dir() and not is_run_folder(place) and not is_image_folder(place):
            return None
        if place.name.endswith("run.json") and not is_run_folder(place.parent):
            return None
    return _read_paths


def _read_paths(path: str | list[str]) -> list[LayerTuple]:
    paths = [path] if isinstance(path, str) else path
    return [layer for each in paths for layer in read_path(Path(each))]


def read_path(path: Path) -> list[LayerTuple]:
    """Layers of an image file, or of the most doubtful image of a run."""
    from scanseg.runs.folder import is_run_folder

    folder = path.parent if path.name.endswith("run.json") else path
    if not is_run_folder(folder):
        return read_image(path)
    run = RunView(folder)
    if not run.names:
        raise ConfigError(f"{folder} holds no results yet.", hint="Run scanseg predict first.")
    return run.layers(run.names[0])


def read_image(path: Path) -> list[LayerTuple]:
    """Layers of an image file, with its calibration."""
    from scanseg.readers import read

    return image_layers(read(path), path=path)


class RunView:
    """The results of a run, the most doubtful image first.

    Parameters
    ----------
    folder
        The folder that ``scanseg predict`` wrote.

    Attributes
    ----------
    names
        Names of the images with results.
    doubt
        How much each of them needs a look.
    failures
        (image, reason) of the others.
    """

    def __init__(self, folder: Path) -> None:
        import json
        from dataclasses import asdict

        from scanseg.report import images_by_doubt
        from scanseg.runs.manifest import Manifest

        self.folder = folder
        self.record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        entries = Manifest(folder).entries()
        self.entries: dict[str, Entry] = {entry.name: entry for entry in entries}
        ordered = images_by_doubt(folder, [asdict(entry) for entry in entries if entry.outputs])
        self.names = [image.name for image in ordered]
        self.doubt = {image.name: image.doubt for image in ordered}
        self.failures = [(entry.name, entry.error) for entry in entries if not entry.outputs]

    def layers(self, name: str) -> list[LayerTuple]:
        """Layers of an image and of what was found in it.

        Where the image itself is gone, only of what was found.
        """
        entry = self.entries[name]
        path = Path(entry.path)
        try:
            image = read_image(path)
            axes = {key: image[0][1][key] for key in ("scale", "units", "axis_labels")}
        except (ScansegError, OSError):
            row = self._row(name)
            size = row["pixel_size_y_nm"], row["pixel_size_x_nm"]
            image, axes = [], spatial(size if all(size) else None, n_frames=len(entry.frames))
        facts = {"path": entry.path, "run": str(self.folder), "image": name}
        layers = image + self.found(name, axes, title=path.stem, facts=facts)
        for _, attributes, _ in layers:  # the next image of the run takes their place
            attributes["metadata"][KEY] |= {"slot": SLOT, "run": str(self.folder)}
        return layers

    def found(
        self, name: str, axes: Mapping[str, Any], *, title: str, facts: Mapping[str, Any]
    ) -> list[LayerTuple]:
        """Layers of what was found in an image, to lie on a layer with these axes."""
        task = self.entries[name].task
        return result_layers(
            self.folder / name,
            axes,
            name=title,
            task=task,
            classes=_classes(self.record, str(self._row(name)["model"]), task),
            facts=facts,
        )

    def _row(self, name: str) -> dict[str, Any]:
        return next(row for row in self.entries[name].frames if row["status"] == "done")


def result_layers(
    folder: Path,
    axes: Mapping[str, Any],
    *,
    name: str,
    task: str,
    classes: tuple[tuple[str, str], ...],
    facts: Mapping[str, Any],
) -> list[LayerTuple]:
    """Layers of what was found in an image.

    Parameters
    ----------
    folder
        The image's folder in that of the run.
    axes
        Attributes of the axes of its layer.
    name
        Begins the names of the layers.
    task
        ``atoms`` or ``walls``.
    classes
        (name, colour) of every class but the background.
    facts
        Go into the metadata.
    """
    colours = dict(classes)
    ndim = len(axes["scale"])
    layers: list[LayerTuple] = []
    for kind in ("probability", "uncertainty"):
        if (folder / f"{kind}.tif").is_file():
            data = _pixels(folder / f"{kind}.tif")
            if kind == "probability":  # the classes together, whatever their number
                data = 1 - np.take(data, 0, axis=-3)
            layers.append(map_layer(data, axes, name=name, role=kind, facts=facts))
    class_map = _pixels(folder / "class_map.tif")
    if class_map.ndim == ndim:
        layers.append(class_map_layer(class_map, axes, name=name, classes=classes, facts=facts))
    if (folder / "domains.tif").is_file():
        domains, table = _pixels(folder / "domains.tif"), _table(folder / "domains.csv")
        layers.append(domain_layer(domains, table, axes, name=name, facts=facts))
    if task == "walls":
        tables = _table(folder / "walls.csv"), _table(folder / "wall_points.csv")
        layers.append(wall_layer(*tables, axes, name=name, colours=colours, facts=facts))
    else:
        atoms = _table(folder / "atoms.csv")
        layers.append(atom_layer(atoms, axes, name=name, colours=colours, facts=facts))
    return layers


def _classes(record: Mapping[str, Any], model: str, task: str) -> tuple[tuple[str, str], ...]:
    """(name, colour) of the classes of the model that an image got, background left out."""
    from scanseg.bundle import load_model

    described = record.get("model") or {}
    choices = (described.get("choices") or {"": described}).values()
    folder = next((each.get("folder") for each in choices if each.get("name") == model), None)
    try:
        contract = load_model(folder or model, verify=False).contract
    except ScansegError:  # the model is gone, or on another machine
        colours: Mapping[str, str] = record.get("colours") or {}
        of_walls = {"ferroelectric", "ferroelastic"}
        return tuple(
            (name, colour)
            for name, colour in colours.items()
            if (name in of_walls) == (task == "walls") or len(choices) == 1
        )
    return tuple((each.name, each.colour) for each in contract.classes[1:])


def _table(path: Path) -> Any:
    import pandas as pd

    # From 3.1 on pandas reads every digit by itself, and warns of being told to.
    old = tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
    exactly: Any = {"float_precision": "round_trip"} if old else {}
    table = pd.read_csv(path, dtype={"class": str, "image": str}, **exactly)
    whole = table.select_dtypes("integer").columns.difference(list(NUMBERED))
    return table.astype(dict.fromkeys(whole, "float64"))  # a measure that happens to be whole


def _pixels(path: Path) -> NDArray[Any]:
    import tifffile

    return np.asarray(tifffile.imread(path))

"""Corrected images as the folder of labelled images that ``scanseg train`` takes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.napari_plugin.calibration import like
from scanseg.napari_plugin.pixels import (
    Region,
    frame_in_view,
    image_of,
    region_in_view,
    whole_region,
)
from scanseg.napari_plugin.viewing import facts_of, partner_layers
from scanseg.napari_plugin.writing import write_labels, write_points, write_walls

if TYPE_CHECKING:
    from scanseg.train.labelled_files import LabelFiles

__all__ = ["add_labelled", "labelled_images", "remove_labelled", "task_of_layer"]

# Of one image, the labels that were added last count.
ENDINGS = {"Points": "_atoms.csv", "Shapes": "_walls.geojson", "Labels": "_labels.tif"}
MASK = "_mask.tif"
NOTE = ".added.json"


def task_of_layer(layer: Any, image: Any) -> str:
    """``atoms`` or ``walls``: what a layer of labels on an image is of."""
    if type(layer).__name__ != "Labels":
        return "atoms" if type(layer).__name__ == "Points" else "walls"
    return "walls" if facts_of(image).get("signal", "").startswith("PFM") else "atoms"


def add_labelled(
    folder: Path, viewer: Any, layer: Any, image: Any, *, in_view: bool = False
) -> str:
    """Write an image and what was corrected in it.

    Parameters
    ----------
    folder
        Of labelled images; made if it is not there.
    viewer
        The viewer.
    layer
        Points, paths or a class map, all of which are right.
    image
        The image layer under it.
    in_view
        Whether the labels are right only where the canvas shows them.

    Returns
    -------
    stem
        What the names of the files begin with; the same image gets the same name again.

    Raises
    ------
    ValueError
        When the layer lies on no whole image, or is not in view.
    """
    from scanseg.writers import write

    frame = frame_in_view(viewer, image)
    region = region_in_view(viewer, image) if in_view else whole_region(image)
    folder.mkdir(parents=True, exist_ok=True)
    stem = _stem(image, frame)
    if not remove_labelled(folder, stem) and (folder / f"{stem}.tif").exists():
        raise ValueError(f"{folder} holds another {stem}.tif")
    _note_added(folder, [*_added(folder), stem])  # first: what is half written can be removed
    partners = [each for each in partner_layers(viewer, image) if each is not image]
    pixels = image_of([image, *partners], frame=frame, rows=slice(None), columns=slice(None))
    write(pixels, folder / f"{stem}.tif")
    _write_labels(folder / f"{stem}{ENDINGS[type(layer).__name__]}", layer, image, frame)
    if in_view:
        mask = _mask(whole_region(image)[2:], region)
        write_labels(str(folder / f"{stem}{MASK}"), mask, like(image, 2))
    return stem


def labelled_images(folder: Path) -> tuple[LabelFiles, ...]:
    """Images of a folder with their labels, whoever made them."""
    from scanseg.train.labelled_files import find_labelled

    return find_labelled(folder)[0] if folder.is_dir() else ()


def remove_labelled(folder: Path, stem: str) -> bool:
    """Take an image out of a folder; False where it was not put there by ``add_labelled``."""
    added = _added(folder)
    if stem not in added:
        return False
    for ending in (".tif", MASK, *ENDINGS.values()):
        (folder / f"{stem}{ending}").unlink(missing_ok=True)
    _note_added(folder, [each for each in added if each != stem])
    return True


def _added(folder: Path) -> list[str]:
    """Names of what was added here: files of others are not ours to remove."""
    note = folder / NOTE
    return list(json.loads(note.read_text(encoding="utf-8"))) if note.is_file() else []


def _note_added(folder: Path, stems: list[str]) -> None:
    scratch = folder / f"{NOTE}.part"
    scratch.write_text(json.dumps(stems) + "\n", encoding="utf-8")
    scratch.replace(folder / NOTE)


def _write_labels(path: Path, layer: Any, image: Any, frame: int) -> None:
    data, _, kind = layer.as_layer_data_tuple()
    if kind == "labels":
        labels = np.asarray(data[frame] if layer.ndim > 2 else data)
        if labels.shape != tuple(whole_region(image)[2:]):
            raise ValueError(f"{layer.name} has not the size of the image {image.name}")
        write_labels(str(path), labels, like(image, 2))
        return
    rows = [
        row
        for row, place in enumerate(data)
        if layer.ndim < 3 or round(float(np.atleast_2d(place)[0, 0])) == frame
    ]
    chosen = [np.asarray(data[row])[..., -2:] for row in rows]
    features = layer.features.iloc[rows].drop(columns="frame", errors="ignore")
    given = {**like(image, 2), "features": features.reset_index(drop=True)}
    if kind == "points":
        write_points(str(path), np.reshape(chosen, (-1, 2)), given)
    else:
        write_walls(str(path), chosen, {**given, "shape_type": "path"})


def _stem(image: Any, frame: int) -> str:
    """A name for an image that another one of the same name in another folder does not get."""
    facts = facts_of(image)
    path = str(facts.get("path") or image.name)
    plain = re.sub(r"[^\w.-]+", "_", Path(path).stem if facts.get("path") else image.name)
    mark = hashlib.sha256(path.encode()).hexdigest()[:4]
    return f"{plain}-{mark}" + (f"-{frame:04d}" if image.ndim > 2 else "")


def _mask(shape: Any, region: Region) -> Any:
    """1 where labels are right, shape of the image."""
    top, left, height, width = region
    mask = np.zeros(shape, np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask

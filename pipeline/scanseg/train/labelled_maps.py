"""Class maps as people save them, and what is wrong with some."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scanseg.train.labels import IGNORED

__all__ = ["centres_of", "map_problems", "read_map", "solid_values"]

# Unknown values at the border of an object have neighbours of other values; objects have their own.
SOLID = 0.6


def read_map(path: Path) -> NDArray[Any]:
    """All pixels of a map as they are stored: (height, width), or more axes where it has more."""
    import tifffile

    return np.asarray(tifffile.imread(path))


def map_problems(
    stored: NDArray[Any], shape: tuple[int, int], class_names: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """What keeps a map from being used: (what, advice), every problem.

    Parameters
    ----------
    stored
        The map as its file has it.
    shape
        (height, width) of the image.
    class_names
        Background first. With one class of objects, numbers above 1 are numbers of objects.
    """
    if stored.ndim != 2:
        colours = stored.ndim == 3 and stored.shape[-1] in (3, 4)
        what = "colours" if colours else f"{stored.ndim} axes"
        yield f"the map has {what} instead of class numbers", "Save one number a pixel, 0 to 254."
        return
    if stored.shape != shape:
        turned = ", turned by 90°" if stored.shape == shape[::-1] else ""
        yield (
            f"the map is {_sides(stored.shape)} px and the image {_sides(shape)} px{turned}",
            "Label the image as it is, not a resized or cropped copy.",
        )
    if stored.dtype.kind not in "biu" and not np.array_equal(stored, np.rint(stored)):
        yield f"{stored.dtype} with fractions", "Save class numbers as 8-bit integers."
        return
    values = np.unique(stored)
    if len(values) == 2 and tuple(values.tolist()) == (0, IGNORED):
        yield (
            "only 0 and 255, and 255 means not labelled",
            "Save objects as 1, or as the number of their class.",
        )
        return
    if values[0] < 0:
        yield f"values down to {values[0]:g}", "Save class numbers from 0."
    unknown = [v for v in values.tolist() if v >= len(class_names) and v != IGNORED]
    if not unknown:
        return
    if _is_smoothed(stored, unknown):
        yield (
            f"{len(unknown)} values between classes at the borders of objects: anti-aliased",
            "Save it without smoothing, or resize with nearest neighbour.",
        )
    elif len(class_names) > 2:
        listed = ", ".join(f"{value:g}" for value in unknown[:5])
        yield (
            f"unknown classes {listed}",
            f"Classes are {_numbered(class_names)}, and 255 for what is not labelled.",
        )


def centres_of(
    stored: NDArray[Any], class_names: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Centre (N, 2) and class (N,) of every object of a map without problems.

    With one class of objects, touching ones may be told apart by numbers of their own; with more,
    what touches is one.
    """
    classes = np.where(stored == IGNORED, 0, stored).astype(np.int64)
    positions, index = [np.empty((0, 2))], [np.empty(0, np.int64)]
    for value in np.unique(classes[classes > 0]).tolist():
        numbered, n = ndimage.label(classes == value, structure=np.ones((3, 3)))
        found = ndimage.center_of_mass(np.ones(stored.shape), numbered, range(1, n + 1))
        positions.append(np.array(found, np.float64).reshape(-1, 2))
        index.append(np.full(n, 1 if len(class_names) == 2 else value, np.int64))
    return np.concatenate(positions), np.concatenate(index)


def solid_values(stored: NDArray[Any]) -> list[float]:
    """Values of a map whose pixels mostly have neighbours of the same value; sorted.

    Objects and background have such values, smoothed borders between them have not.
    """
    alike = _beside_the_same(stored)
    values, index = np.unique(stored, return_inverse=True)
    share = np.bincount(index.ravel(), weights=alike.ravel()) / np.bincount(index.ravel())
    return [float(value) for value in values[share >= SOLID]]


def _is_smoothed(stored: NDArray[Any], unknown: list[float]) -> bool:
    """Whether pixels of unknown values mostly stand beside other values."""
    return bool(_beside_the_same(stored)[np.isin(stored, unknown)].mean() < SOLID)


def _beside_the_same(stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of which a neighbour has the same value."""
    alike = np.zeros(stored.shape, bool)
    for axis in (0, 1):
        same = np.diff(stored.astype(np.float64), axis=axis) == 0
        ahead = [slice(None), slice(None)]
        behind = [slice(None), slice(None)]
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        alike[tuple(ahead)] |= same
        alike[tuple(behind)] |= same
    return alike


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _numbered(class_names: tuple[str, ...]) -> str:
    return ", ".join(f"{index} {name}" for index, name in enumerate(class_names))

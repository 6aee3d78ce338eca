"""Mend what can be mended safely in labelled data, in a copy."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.train.labelled_files import LabelFiles, find_labelled
from scanseg.train.labelled_maps import read_map, solid_values

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Mended", "mend_labelled", "mend_map"]

# Names of (y, x) in tables, in the order of ``read_positions``.
_POSITIONS = (("y_px", "x_px"), ("y_nm", "x_nm"), ("axis-0", "axis-1"))


@dataclass(frozen=True, slots=True)
class Mended:
    """What was changed in the copy.

    Parameters
    ----------
    name
        The image.
    what
        The change, for people.
    """

    name: str
    what: str


def mend_labelled(folder: Path, output: Path, *, class_names: Sequence[str]) -> tuple[Mended, ...]:
    """Copy labelled images with their labels, and mend the labels of the copy.

    Nothing is changed in ``folder``. Images without labels, labels without an image, and images
    that are there twice with the same labels are not copied. What a person must decide stays as it
    is.

    Parameters
    ----------
    folder
        See ``find_labelled``.
    output
        A folder that is new or empty, outside of ``folder``.
    class_names
        Of the model, background first.

    Raises
    ------
    ConfigError
        When ``output`` is something else.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(f"{output} is there already.", hint="Give a new folder for the copy.")
    if output.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{output} is inside of {folder}, so its images would be found twice.",
            hint="Give a folder beside it.",
        )
    mended: list[Mended] = []
    known: dict[str, str] = {}
    for each in find_labelled(folder)[0]:
        code = _checksum(each.image) + _checksum(each.labels)
        if code in known:
            mended.append(
                Mended(each.name, f"left out: the same image and labels as {known[code]}")
            )
            continue
        known[code] = each.name
        home = (output / each.name).parent
        home.mkdir(parents=True, exist_ok=True)
        for path in each.image.parent.glob(f"{each.image.name}*"):  # notes beside it
            shutil.copy2(path, home / path.name)
        mended += [Mended(each.name, what) for what in _mend(each, home, class_names)]
    return tuple(mended)


def _mend(files: LabelFiles, home: Path, class_names: Sequence[str]) -> list[str]:
    """Copy the labels of an image, mended; what was changed."""
    import tifffile

    target = home / files.labels.name
    said: list[str] = []
    if files.kind == "map":
        stored, said = mend_map(read_map(files.labels), class_names)
        if said:
            tifffile.imwrite(target, stored)
    elif files.labels.suffix.lower() == ".csv":
        table, said = _mend_table(files)
        if said:
            table.to_csv(target, index=False)
    if not said:
        shutil.copy2(files.labels, target)
    if files.mask is not None:
        mask = read_map(files.mask)
        sharp = mask > mask.max() / 2
        if len(np.unique(mask)) > 2:
            said.append(f"{files.mask.name}: above half of its highest value is labelled")
            tifffile.imwrite(home / files.mask.name, sharp.astype(np.uint8))
        else:
            shutil.copy2(files.mask, home / files.mask.name)
    return said


def mend_map(stored: NDArray[Any], class_names: Sequence[str]) -> tuple[NDArray[Any], list[str]]:
    """A map of classes without colours, smoothing and 255 for objects, and what was changed.

    Parameters
    ----------
    stored
        As its file has it.
    class_names
        Background first.

    Examples
    --------
    >>> smoothed = np.kron([[0, 255, 0]], np.ones((4, 4), int))
    >>> smoothed[0, 3] = 128
    >>> mend_map(smoothed, ("background", "atom"))[0][0]
    array([0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0], dtype=uint8)
    """
    said: list[str] = []
    if stored.ndim == 3 and stored.shape[-1] in (3, 4):
        colours = stored[..., :3]
        if not (colours == colours[..., :1]).all():
            return stored, []  # which colour is which class only a person knows
        stored = stored[..., 0]
        said.append("grey colours became numbers")
    if stored.ndim != 2:
        return stored, []
    solid = solid_values(stored)
    if len(solid) != 2 or solid[0] != 0:
        return stored, said
    value = solid[1]
    is_class = 0 < value < len(class_names) and value == int(value)
    number = int(value) if is_class else 1
    if number != value and len(class_names) > 2:
        return stored, said  # an object of which class?
    levels = np.unique(stored)
    if len(levels) > 2:
        said.append(f"{len(levels) - 2} values between 0 and {value:g} became the nearer of them")
    if number != value:
        said.append(f"{value:g} became {number}, {class_names[number]}")
    if not said:
        return stored, []
    return np.where(stored > value / 2, number, 0).astype(np.uint8), said


def _mend_table(files: LabelFiles) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a table without gaps and repetitions, and y and x where they belong."""
    import pandas as pd

    table = pd.read_csv(files.labels)
    names = next((list(pair) for pair in _POSITIONS if set(pair) <= set(table.columns)), None)
    if names is None:
        return table, []
    said = []
    with_position = table.dropna(subset=names)
    if len(with_position) < len(table):
        said.append(f"{len(table) - len(with_position)} rows without a position were left out")
    kept = with_position
    if files.kind == "points":
        frame = [name for name in ("frame",) if name in kept]
        kept = kept.drop_duplicates(subset=[*names, *frame])
        if len(kept) < len(with_position):
            said.append(f"{len(with_position) - len(kept)} repeated positions were left out")
    if names != ["y_nm", "x_nm"] and _is_swapped(kept[names].to_numpy(float), _shape(files.image)):
        kept = kept.assign(**{names[0]: kept[names[1]], names[1]: kept[names[0]]})
        said.append("y and x were exchanged: as they were, positions lay outside of the image")
    return kept, said


def _is_swapped(position_px: NDArray[np.float64], shape: tuple[int, int]) -> bool:
    """Whether a tenth of the positions is outside as they are, and none is if y is x."""
    sides = np.array(shape)

    def beyond(position: NDArray[np.float64]) -> float:
        if not len(position):
            return 0.0
        return float(((position < -1) | (position > sides)).any(axis=1).mean())

    return beyond(position_px) > 0.1 and beyond(position_px[:, ::-1]) == 0.0


def _shape(image: Path) -> tuple[int, int]:
    from scanseg.readers import read

    return read(image).shape


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Images with labels that people made, whatever the labels were saved as."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ScansegError
from scanseg.micrograph import Mask, Micrograph, Stack
from scanseg.readers import read
from scanseg.simulate.wall_lines import Wall, draw_walls
from scanseg.train.labelled_classes import class_indices
from scanseg.train.labelled_files import LabelFiles, Level, Problem
from scanseg.train.labelled_maps import centres_of, map_problems, read_map
from scanseg.train.labelled_tables import read_positions
from scanseg.train.labels import IGNORED
from scanseg.train.thumbprint import Thumbprint, thumbprint_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelTask", "LabelledColumns", "LabelledImage", "read_labelled", "task_of_labels"]

LabelTask = Literal["atoms", "walls"]

# Half the width of a line in a class map, as in the scans that networks are trained on first.
WALL_RADIUS_PX = 1.5
_DRAWN = ("ferroelectric", "ferroelastic")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledColumns:
    """N atom columns.

    Parameters
    ----------
    position_px
        (y, x) in pixels of the image, shape (N, 2).
    class_index
        From 1, shape (N,).
    visible
        Whether a column must be found, shape (N,).
    """

    position_px: NDArray[np.float64]
    class_index: NDArray[np.int64]
    visible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image and its truth, in pixels of the image.

    Parameters
    ----------
    files
        Where both come from.
    image
        What was measured.
    sha256
        Checksum of the image's file.
    labelled
        Where the labels say something, shape (H, W).
    columns
        Atom columns; None for walls.
    wall_map
        Class of each pixel, shape (H, W), uint8, 255 where nothing is said; None for atoms.
    thumbprint
        Tells images that are nearly the same.
    """

    files: LabelFiles
    image: Micrograph
    sha256: str
    labelled: Mask
    columns: LabelledColumns | None = None
    wall_map: NDArray[np.uint8] | None = None
    thumbprint: Thumbprint | None = None

    @property
    def name(self) -> str:
        """Path of the image below its folder."""
        return self.files.name

    @property
    def series(self) -> str:
        """Sub-folder that the image is in; empty for none."""
        return self.files.series


def task_of_labels(files: LabelFiles) -> LabelTask:
    """What labels are of: tables say it, of a map the image does."""
    if files.kind != "map":
        return "atoms" if files.kind == "points" else "walls"
    from scanseg.readers import look_into

    try:
        return "walls" if look_into(files.image).taken.signal.modality == "PFM" else "atoms"
    except ScansegError:
        return "atoms"


def read_labelled(
    files: LabelFiles, *, task: LabelTask, class_names: Sequence[str]
) -> tuple[LabelledImage | None, tuple[Problem, ...]]:
    """Read an image and its labels.

    Parameters
    ----------
    files
        The files.
    task
        What the labels are taken for.
    class_names
        Of the model, background first.

    Returns
    -------
    labelled
        None where an error keeps it from being used.
    problems
        All of them.
    """
    reader = _Reader(files, task, tuple(class_names))
    try:
        labelled = reader.read()
    except ScansegError as error:
        reader.say("error", getattr(error, "reason", str(error)), error.hint)
        labelled = None
    except (OSError, ValueError) as error:
        reader.say("error", f"{files.labels.name} cannot be read: {error}", "Export it anew.")
        labelled = None
    failed = any(problem.level == "error" for problem in reader.problems)
    return None if failed else labelled, tuple(reader.problems)


class _Reader:
    """Reads one image, and remembers what is wrong with it."""

    def __init__(self, files: LabelFiles, task: LabelTask, class_names: tuple[str, ...]) -> None:
        self._files, self._task, self._names = files, task, class_names
        self.problems: list[Problem] = []

    def say(self, level: Level, what: str, advice: str = "") -> None:
        self.problems.append(Problem(self._files.name, level, what, advice))

    def read(self) -> LabelledImage | None:
        image = read(self._files.image)
        if isinstance(image, Stack):
            self.say("error", f"a movie of {image.n_frames} frames", "Label single frames.")
            return None
        labelled = self._mask(image.shape)
        if self._files.kind == "map":
            truth = self._of_map(image, labelled)
        else:
            table = read_positions(self._files.labels, pixel_size_nm=image.pixel_size_nm)
            truth = self._of_table(table, image, labelled)
        if truth is None:
            return None
        labels, columns, wall_map = truth
        found = LabelledImage(
            self._files, image, _checksum(self._files.image), labels, columns, wall_map,
            thumbprint=thumbprint_of(image.data),
        )  # fmt: skip
        self._say_what_is_missing(found)
        return found

    def _mask(self, shape: tuple[int, int]) -> Mask:
        if self._files.mask is None:
            return np.ones(shape, bool)
        mask = read_map(self._files.mask)
        if mask.shape != shape:
            self.say(
                "error", f"{self._files.mask.name} is {mask.shape} and the image {shape}",
                "Draw the mask on the image as it is.",
            )  # fmt: skip
            return np.ones(shape, bool)
        if len(np.unique(mask)) > 2:
            self.say(
                "warning", f"{self._files.mask.name} has values between its lowest and highest",
                "All above 0 counts as labelled; --fix takes what is above the half.",
            )  # fmt: skip
        return np.asarray(mask != 0)

    def _of_map(self, image: Micrograph, labelled: Mask) -> tuple[Any, ...] | None:
        stored = read_map(self._files.labels)
        # A single plane with an axis of its own is what some programs write.
        stored = stored.reshape(stored.shape[-2:]) if stored[..., 0, 0].size == 1 else stored
        problems = list(map_problems(stored, image.shape, self._names))
        for what, advice in problems:
            self.say("error", what, advice)
        if problems:
            return None
        labelled = labelled & (stored != IGNORED)
        if self._task == "walls":
            return labelled, None, np.where(labelled, stored, IGNORED).astype(np.uint8)
        position, index = centres_of(stored, self._names)
        return labelled, LabelledColumns(position, index, np.ones(len(position), bool)), None

    def _of_table(
        self, table: pd.DataFrame, image: Micrograph, labelled: Mask
    ) -> tuple[Any, ...] | None:
        index, unknown = class_indices(table["class"], self._names)
        if unknown:
            self.say(
                "error", f"unknown classes {', '.join(unknown[:5])}",
                f"Classes are {', '.join(self._names[1:])}, and ignore for what need not be found; "
                "scanseg train teaches another one with --new-class NAME.",
            )  # fmt: skip
        position = table[["y_px", "x_px"]].to_numpy(np.float64)
        self._say_what_is_outside(position, image.shape)
        if unknown:
            return None
        visible = table["visible"].to_numpy(bool) & (index != IGNORED)
        if self._task == "walls":
            drawn = _drawn(table.assign(index=index, visible=visible), image.shape, self._names)
            return labelled, None, np.where(labelled, drawn, IGNORED).astype(np.uint8)
        objects = index > 0
        columns = LabelledColumns(position[objects], index[objects], visible[objects])
        return labelled, columns, None

    def _say_what_is_outside(
        self, position_px: NDArray[np.float64], shape: tuple[int, int]
    ) -> None:
        # Simulated truth and fits go a little beyond the border.
        sides = np.array(shape)
        beyond = _share_beyond(position_px, sides)
        if beyond <= 0.02:
            return
        swapped = _share_beyond(position_px[:, ::-1], sides) < beyond / 2
        self.say(
            "error", f"{beyond:.0%} of the positions are outside of the image",
            "x and y seem to be swapped." if swapped else
            "Give pixels of this image; the centre of its first pixel is (0, 0).",
        )  # fmt: skip

    def _say_what_is_missing(self, found: LabelledImage) -> None:
        if not found.labelled.any():
            self.say("error", "nothing is labelled", "255 and the mask leave no pixel.")
        elif found.columns is not None and not found.columns.visible.any():
            self.say("warning", "no atom in it", "Right if there is none; else label it.")
        elif found.wall_map is not None and np.isin(found.wall_map, (0, IGNORED)).all():
            self.say("warning", "no wall in it", "Right if there is none; else label it.")


def _share_beyond(position_px: NDArray[np.float64], sides: NDArray[np.int64]) -> float:
    """Share of positions more than 2 % of a side outside of an image."""
    if not len(position_px):
        return 0.0
    margin = 0.02 * sides + 1.0
    beyond = (position_px < -margin) | (position_px > sides - 1 + margin)
    return float(beyond.any(axis=1).mean())


def _drawn(
    table: pd.DataFrame, shape: tuple[int, int], class_names: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Class map of lines; 255 where a line need not be found."""
    walls = []
    for _, line in table.groupby(table["branch"] if "branch" in table else table.index * 0):
        ordered = line.sort_values("point") if "point" in line else line
        objects = ordered[~ordered["index"].isin((0, IGNORED))]
        # A line has one class: of most of its points, in files that name one for each.
        name = class_names[int(objects["index"].mode().iloc[0])] if len(objects) else _DRAWN[0]
        walls.append(
            Wall(
                ordered[["y_px", "x_px"]].to_numpy(np.float64),
                "ferroelastic" if name == _DRAWN[1] else "ferroelectric",
                np.where(ordered["visible"], np.inf, 0.0),
            )
        )
    return draw_walls(walls, shape, radius_px=WALL_RADIUS_PX, visible_contrast=1.0)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Everything that is wrong with labelled data, at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanseg.train.labelled import LabelledImage, LabelTask, read_labelled, task_of_labels
from scanseg.train.labelled_files import LabelFiles, Problem, find_labelled
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import AtomRecipe, WallRecipe

__all__ = ["CheckedData", "check_files", "check_labelled", "default_classes"]

# More pixels at the highest value than this are a detector at its limit.
SATURATED = 0.01
# A class with fewer of the objects than this is hardly learned.
RARE = 0.02


@dataclass(frozen=True, slots=True)
class CheckedData:
    """Labelled images that can be used, and what is wrong with others.

    Parameters
    ----------
    images
        Those without errors.
    problems
        Of all images, errors first.
    n_found
        How many pairs of image and labels there were.
    """

    images: tuple[LabelledImage, ...]
    problems: tuple[Problem, ...]
    n_found: int

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps images from being used."""
        return tuple(problem for problem in self.problems if problem.level == "error")


def default_classes(task: LabelTask) -> tuple[str, ...]:
    """Names of the classes of the models that ship, background first."""
    fields = (AtomRecipe if task == "atoms" else WallRecipe).model_fields
    return tuple(each.name for each in fields["classes"].default)


def check_labelled(
    folder: Path, *, task: LabelTask | None = None, class_names: Sequence[str] | None = None
) -> CheckedData:
    """Read a folder of labelled images and list every problem.

    Parameters
    ----------
    folder
        See ``find_labelled``.
    task
        Labels of the other task are left out; None takes both.
    class_names
        Of the model that will be trained further; those of the shipped ones by default.
    """
    files, problems = find_labelled(folder)
    return check_files(files, task=task, class_names=class_names, found=problems)


def check_files(
    files: Sequence[LabelFiles], *, task: LabelTask | None = None,
    class_names: Sequence[str] | None = None, found: Sequence[Problem] = (),
) -> CheckedData:  # fmt: skip
    """Read pairs of image and labels, see ``check_labelled``; ``found`` are known problems."""
    problems = list(found)
    images = []
    for each in files:
        own = task_of_labels(each)
        if task not in (None, own):
            problems.append(Problem(each.name, "note", f"labels of {own} are left out"))
            continue
        labelled, said = read_labelled(
            each, task=own, class_names=class_names or default_classes(own)
        )
        problems += said
        if labelled is not None:
            images.append(labelled)
    problems += [*_saturated(images), *_copies(images), *_balance(images, class_names)]
    level = ("error", "warning", "note").index
    problems.sort(key=lambda problem: (level(problem.level), problem.name))
    return CheckedData(tuple(images), tuple(problems), len(files))


def _saturated(images: Sequence[LabelledImage]) -> Iterator[Problem]:
    for each in images:
        if each.image.signal.modality != "STEM":
            continue  # amplitudes are zero, and phases at their limit, for good reasons
        data = each.image.data
        share = float((data == np.nanmax(data)).mean())
        if share > SATURATED:
            yield Problem(
                each.name, "warning", f"{share:.0%} of the pixels have the highest value",
                "The detector, or the export, clipped it: positions there are uncertain.",
            )  # fmt: skip


def _copies(images: Sequence[LabelledImage]) -> Iterator[Problem]:
    """Images that occur twice: in two series they would be trained on and held out."""
    by_content = defaultdict(list)
    for each in images:
        by_content[each.sha256].append(each)
    for same in by_content.values():
        for copy in same[1:]:
            apart = copy.files.series != same[0].files.series
            yield Problem(
                copy.name, "warning", f"the same file as {same[0].name}",
                "Both are kept on one side of the split"
                + (", and so are their series." if apart else "."),
            )  # fmt: skip


def _balance(
    images: Sequence[LabelledImage], class_names: Sequence[str] | None
) -> Iterator[Problem]:
    for task in ("atoms", "walls"):
        of_task = [each for each in images if (each.columns is not None) == (task == "atoms")]
        names = class_names or default_classes("atoms" if task == "atoms" else "walls")
        count = np.zeros(256, np.int64)
        for each in of_task:
            count += np.bincount(_objects(each), minlength=256)[:256]
        total = count[1:IGNORED].sum()
        if not total:
            continue
        unit = "atoms" if task == "atoms" else "pixels"
        listed = ", ".join(f"{count[n]} {name}" for n, name in enumerate(names) if n)
        yield Problem("all", "note", f"{unit} in {len(of_task)} images: {listed}")
        for n, name in enumerate(names):
            if n and count[n] < RARE * total:
                yield Problem(
                    "all", "warning", f"{name} is {count[n] / total:.1%} of the {unit}",
                    "The model will hardly learn it, and may forget it: label more of it.",
                )  # fmt: skip


def _objects(image: LabelledImage) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if image.columns is not None:
        return image.columns.class_index[image.columns.visible]
    assert image.wall_map is not None
    return image.wall_map.ravel().astype(np.int64)

"""Everything that is wrong with labelled data, at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.train.labelled import LabelledImage, LabelTask, read_labelled, task_of_labels
from scanseg.train.labelled_files import LabelFiles, Problem, find_labelled
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import AtomRecipe, WallRecipe
from scanseg.train.thumbprint import nearly_same

__all__ = ["CheckedData", "check_files", "check_labelled", "default_classes"]

# More pixels at the highest value than this are a detector at its limit.
SATURATED = 0.01
# A class with fewer of the objects than this is hardly learned.
RARE = 0.02
# Columns closer than this are not told apart (``scanseg.inference.sampling`` starts at 5 px).
CLOSEST_PX = 3.0
# Distances of columns that differ by more than this factor are of other crystals, or miscalibrated.
UNUSUAL = 1.6


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
    problems += [
        *_saturated(images), *_gaps(images), *_copies(images), *_samplings(images),
        *_balance(images, class_names),
    ]  # fmt: skip
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

    for number, each in enumerate(images):
        twins = [
            other for other in images[:number]
            if other.sha256 != each.sha256 and nearly_same(other.thumbprint, each.thumbprint)
        ]  # fmt: skip
        if twins:
            yield Problem(
                each.name, "warning", f"nearly the same image as {twins[0].name}",
                "An export or a crop of it? Both are kept on one side of the split.",
            )  # fmt: skip


def _gaps(images: Sequence[LabelledImage]) -> Iterator[Problem]:
    for each in images:
        data = each.image.data
        share = float((~np.isfinite(data)).mean())
        if share > 0:
            yield Problem(each.name, "note", f"{share:.2%} of the pixels have no value")
        if each.columns is not None and (n := _n_repeated(each.columns.position_px)):
            yield Problem(
                each.name, "warning", f"{n} positions are there twice",
                "Remove one of each; --fix does it.",
            )  # fmt: skip


def _n_repeated(position_px: NDArray[np.float64]) -> int:
    return len(position_px) - len(np.unique(np.round(position_px, 3), axis=0))


def _samplings(images: Sequence[LabelledImage]) -> Iterator[Problem]:
    """How far apart columns are in pixels and nm, and which image stands out."""
    spacing_px = {each.name: px for each in images if (px := _spacing_px(each))}
    if spacing_px:
        low, high = min(spacing_px.values()), max(spacing_px.values())
        yield Problem("all", "note", f"columns are {low:.1f} to {high:.1f} px apart (medians)")
    for name, px in spacing_px.items():
        if px < CLOSEST_PX:
            yield Problem(
                name, "warning", f"columns are {px:.1f} px apart",
                "Pixels are too large to tell columns apart: record smaller ones.",
            )  # fmt: skip
    sizes = {
        each.name: float(np.sqrt(np.prod(each.image.pixel_size_nm)))
        for each in images if each.image.pixel_size_nm is not None
    }  # fmt: skip
    if sizes and len(sizes) < len(images):
        without = [each.name for each in images if each.name not in sizes]
        named = ", ".join(without[:3]) + (" …" if len(without) > 3 else "")
        yield Problem("all", "note", f"{len(without)} images have no pixel size: {named}")
    if sizes:
        low, high = min(sizes.values()), max(sizes.values())
        yield Problem("all", "note", f"pixels of {low:.4g} to {high:.4g} nm")
    spacing_nm = {name: px * sizes[name] for name, px in spacing_px.items() if name in sizes}
    if len(spacing_nm) < 3:
        return
    usual = float(np.median(list(spacing_nm.values())))
    for name, nm in spacing_nm.items():
        if not 1 / UNUSUAL <= nm / usual <= UNUSUAL:
            yield Problem(
                name, "warning", f"columns are {nm:.3g} nm apart, and {usual:.3g} nm elsewhere",
                "Another material, or a wrong pixel size? Labels in nm would be misplaced.",
            )  # fmt: skip


def _spacing_px(image: LabelledImage) -> float | None:
    """Median distance of nearest columns, in pixels of the image; None for fewer than eight."""
    if image.columns is None or image.columns.visible.sum() < 8:
        return None
    position = image.columns.position_px[image.columns.visible]
    return float(np.median(cKDTree(position).query(position, k=2)[0][:, 1]))


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

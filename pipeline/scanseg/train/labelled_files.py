"""Which file says what is in which image: a folder of images with labels beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scanseg.errors import ConfigError
from scanseg.readers import image_suffixes

__all__ = ["ENDINGS", "LabelFiles", "LabelKind", "Level", "Problem", "find_labelled"]

LabelKind = Literal["map", "points", "lines"]
Level = Literal["error", "warning", "note"]

# What follows the stem of an image. Of several labels of one image, the first in this order counts:
# a map says of every pixel what it is, as in ``scanseg evaluate``.
ENDINGS: Mapping[str, LabelKind] = {
    "_class_map.tif": "map", "_class_map.tiff": "map", "_labels.tif": "map", "_labels.tiff": "map",
    "_wall_points.csv": "lines", "_walls.geojson": "lines", "_walls.csv": "lines",
    "_shapes.csv": "lines", ".geojson": "lines", "_atoms.csv": "points", "_points.csv": "points",
}  # fmt: skip
MASK_ENDINGS = ("_mask.tif", "_mask.tiff")
# A table of the whole folder belongs to no image of it.
TABLES = ("wall_points.csv", "walls.csv", "walls.geojson", "atoms.csv", "points.csv")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about labelled data that a person should know.

    Parameters
    ----------
    name
        The image, or the file.
    level
        ``error`` keeps the image from being trained on, ``warning`` may be a mistake, ``note`` says
        how the data were understood.
    what, advice
        What was found, and what to do.
    """

    name: str
    level: Level
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """An image and the file that says what is in it.

    Parameters
    ----------
    name
        Path of the image below the folder, with "/".
    image, labels
        The files.
    kind
        A map of classes, a table of points, or lines.
    series
        Sub-folder that the image is in; empty for none.
    mask
        Map that is 0 where the labels say nothing; None where they are complete.
    """

    name: str
    image: Path
    labels: Path
    kind: LabelKind
    series: str = ""
    mask: Path | None = None


def find_labelled(folder: Path) -> tuple[tuple[LabelFiles, ...], tuple[Problem, ...]]:
    """Pair the images of a folder, and of those in it, with their labels.

    Raises
    ------
    ConfigError
        When there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder.", hint="Give a folder of labelled images.")
    images: dict[Path, list[Path]] = defaultdict(list)
    labels: dict[Path, list[Path]] = defaultdict(list)
    masks: dict[Path, Path] = {}
    for path in _files(folder):
        ending = _ending(path, (*ENDINGS, *MASK_ENDINGS))
        if ending in MASK_ENDINGS:
            masks[_stem(path, ending)] = path
        elif ending and path.name not in TABLES:
            labels[_stem(path, ending)].append(path)
        elif path.suffix.lower() in image_suffixes():
            images[path.with_suffix("")].append(path)
    pairs = [
        _pair(folder, images[stem], labels[stem], masks.get(stem))
        for stem in sorted(images)
        if stem in labels
    ]
    return tuple(pairs), tuple(_problems(folder, images, labels, masks))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _ending(path: Path, endings: Iterable[str]) -> str:
    """The first known ending of a name, with a stem before it; empty for none."""
    name = path.name.lower()
    return next((each for each in endings if name.endswith(each) and len(name) > len(each)), "")


def _stem(path: Path, ending: str) -> Path:
    return path.with_name(path.name[: -len(ending)])


def _rank(path: Path) -> int:
    return list(ENDINGS).index(_ending(path, ENDINGS))


def _pair(folder: Path, images: list[Path], labels: list[Path], mask: Path | None) -> LabelFiles:
    image, chosen = images[0], min(labels, key=_rank)
    below = image.relative_to(folder)
    kind = ENDINGS[_ending(chosen, ENDINGS)]
    series = "" if len(below.parts) == 1 else below.parts[0]
    return LabelFiles(below.as_posix(), image, chosen, kind, series, mask)


def _problems(
    folder: Path,
    images: Mapping[Path, list[Path]],
    labels: Mapping[Path, list[Path]],
    masks: Mapping[Path, Path],
) -> Iterator[Problem]:
    for stem, files in sorted(images.items()):
        name = files[0].relative_to(folder).as_posix()
        if len(files) > 1 and stem in labels:
            others = ", ".join(path.name for path in files[1:])
            yield Problem(
                name, "error", f"{others} has the same stem, so labels fit both",
                "Rename or remove one of them.",
            )  # fmt: skip
        if stem not in labels:
            yield Problem(
                name, "warning", "no labels beside it",
                f"Name them {stem.name}_labels.tif, {stem.name}_atoms.csv or "
                f"{stem.name}_wall_points.csv.",
            )  # fmt: skip
        elif len(labels[stem]) > 1:
            chosen = min(labels[stem], key=_rank)
            others = ", ".join(path.name for path in labels[stem] if path != chosen)
            yield Problem(name, "note", f"{chosen.name} counts, {others} does not")
    for stem, files in sorted(labels.items()):
        if stem not in images:
            name = files[0].relative_to(folder).as_posix()
            yield Problem(
                name, "error", f"no image called {stem.name} beside it",
                "Put the image beside it, or rename the labels.",
            )  # fmt: skip
    for stem, mask in sorted(masks.items()):
        if stem not in labels:
            name = mask.relative_to(folder).as_posix()
            yield Problem(name, "error", f"a mask, and no labels of {stem.name}")

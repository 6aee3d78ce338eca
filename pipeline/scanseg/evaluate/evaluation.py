"""Everything that is known of results against their truth: by image, together, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.errors import ScansegError
from scanseg.evaluate.bootstrap import Interval, bootstrap_intervals
from scanseg.evaluate.column_files import score_column_files
from scanseg.evaluate.columns import ColumnScore
from scanseg.evaluate.pixels import PixelScore, score_pixels
from scanseg.evaluate.results import ImageResults, Pairing
from scanseg.evaluate.skeletons import SkeletonScore
from scanseg.evaluate.wall_files import read_class_maps, read_wall_scans
from scanseg.evaluate.wall_scores import ClassScore, WallScores
from scanseg.evaluate.walls import WallScan, WallScoring, score_walls

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "Radii", "evaluate_results"]

Intervals = Mapping[str, Interval]
# Of the random numbers that draw images anew: the same files give the same intervals.
SEED = 1


@dataclass(frozen=True, slots=True)
class Radii:
    """Largest distances of a pair; empty for the defaults."""

    px: tuple[float, ...] = ()
    nm: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Scores of N images.

    Parameters
    ----------
    pairs
        Found and true results by name of the image.
    columns
        Scores of atom columns by image.
    walls
        Scores of walls by image, and of all together under an empty name.
    pixels
        Class maps compared, by image, where both sides have one.
    scans
        What the walls were scored on, by image: a scan a frame.
    failures
        Why an image has no score.
    without_truth, without_result
        Names without a partner.
    intervals
        Of the figures of all images together, 95 %, by kind (``atoms``, ``walls``, ``pixels``).
    radii
        Largest distances of a pair.
    pixel_size_nm
        (y, x) that was given for all, or None.
    """

    pairs: Mapping[str, tuple[ImageResults, ImageResults]] = field(default_factory=dict)
    columns: Mapping[str, ColumnScore] = field(default_factory=dict)
    walls: Mapping[str, WallScores] = field(default_factory=dict)
    pixels: Mapping[str, PixelScore] = field(default_factory=dict)
    scans: Mapping[str, tuple[WallScan, ...]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    without_truth: tuple[str, ...] = ()
    without_result: tuple[str, ...] = ()
    intervals: Mapping[str, Intervals] = field(default_factory=dict)
    radii: Radii = Radii()
    pixel_size_nm: tuple[float, float] | None = None

    @property
    def total_columns(self) -> ColumnScore:
        """All columns together."""
        return sum(self.columns.values(), ColumnScore())

    @property
    def total_pixels(self) -> PixelScore | None:
        """All pixels together; None without class maps."""
        return reduce(add, self.pixels.values()) if self.pixels else None

    def f1_of(self, name: str) -> float:
        """The F1 of an image that it is ranked by: of columns, or of walls of any class."""
        if name in self.columns:
            return self.columns[name].f1
        if name in self.walls:
            return _middle_f1(self.walls[name].every)
        return float(np.nanmean(self.pixels[name].dice[1:])) if name in self.pixels else 0.0

    def worst_first(self) -> list[str]:
        """Names of the images, that with the lowest F1 first."""
        names = {*self.columns, *self.pixels, *(name for name in self.walls if name)}
        return sorted(names, key=lambda name: (self.f1_of(name), name))

    def table(self) -> pd.DataFrame:
        """One row an image and one for all of each kind, with the ends of intervals beside."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for name, column in self.columns.items():
            rows.append({"image": name, "kind": "atoms", **_flat(column.as_dict())})
        for name, scores in self.walls.items():
            if name:
                rows.append({"image": name, "kind": "walls", **wall_figures(scores)})
        for name, pixels in self.pixels.items():
            rows.append({"image": name, "kind": "pixels", **_flat(pixels.as_dict())})
        for kind, total in self._totals().items():
            ends: dict[str, float] = {}
            for figure, interval in self.intervals.get(kind, {}).items():
                ends |= {f"{figure}_low": interval.low, f"{figure}_high": interval.high}
            rows.append({"image": "all", "kind": kind, **total, **ends})
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        document: dict[str, Any] = {"failures": dict(self.failures)}
        if self.columns:
            document["atoms"] = {
                "images": {name: score.as_dict() for name, score in self.columns.items()},
                "total": self.total_columns.as_dict(),
            }
        if self.walls:
            images = {name: score.as_dict() for name, score in self.walls.items() if name}
            document["walls"] = {"images": images, "total": self.walls[""].as_dict()}
        total = self.total_pixels
        if total is not None:
            document["pixels"] = {
                "images": {name: score.as_dict() for name, score in self.pixels.items()},
                "total": total.as_dict(),
            }
        for kind, intervals in self.intervals.items():
            document[kind]["intervals"] = {name: list(each) for name, each in intervals.items()}
        return document | {
            "worst_first": self.worst_first(),
            "without_truth": self.without_truth,
            "without_result": self.without_result,
        }

    def _totals(self) -> dict[str, dict[str, Any]]:
        totals: dict[str, dict[str, Any]] = {}
        if self.columns:
            totals["atoms"] = _flat(self.total_columns.as_dict())
        if self.walls:
            totals["walls"] = wall_figures(self.walls[""])
        total = self.total_pixels
        if total is not None:
            totals["pixels"] = _flat(total.as_dict())
        return totals


def evaluate_results(
    pairing: Pairing,
    *,
    radii: Radii = Radii(),
    pixel_size_nm: tuple[float, float] | None = None,
    counts_per_unit: float | None = None,
    n_thresholds: int = 99,
) -> Evaluation:
    """Score pairs of found and true results.

    Parameters
    ----------
    pairing
        Who belongs to whom.
    radii
        Largest distances of a pair; of columns the first of each counts.
    pixel_size_nm
        Overrides what the files say.
    counts_per_unit
        Electrons counted for one unit of the images, for the Cramér–Rao bound.
    n_thresholds
        Of curves of probability maps; 0 for none.
    """
    columns: dict[str, ColumnScore] = {}
    scans: dict[str, tuple[WallScan, ...]] = {}
    pixels: dict[str, PixelScore] = {}
    failures: dict[str, str] = {}
    for found, truth in pairing.pairs:
        try:
            if "atoms" in found.files and "atoms" in truth.files:
                columns[found.name] = score_column_files(
                    found, truth, pixel_size_nm=pixel_size_nm, counts_per_unit=counts_per_unit,
                    radius_px=radii.px[0] if radii.px else None,
                    radius_nm=radii.nm[0] if radii.nm else None,
                )  # fmt: skip
            elif found.task == truth.task == "walls":
                scans[found.name] = read_wall_scans(found, truth, pixel_size_nm=pixel_size_nm)
            if "class_map" in found.files and "class_map" in truth.files:
                pixels[found.name] = _pixels(found, truth)
        except ScansegError as error:
            failures[found.name] = str(error)
    walls = _wall_scores(scans, radii, n_thresholds)
    return Evaluation(
        pairs={found.name: (found, truth) for found, truth in pairing.pairs},
        columns=columns, walls=walls, pixels=pixels, scans=scans, failures=failures,
        without_truth=pairing.without_truth, without_result=pairing.without_result,
        intervals=_intervals(columns, walls, pixels), radii=radii, pixel_size_nm=pixel_size_nm,
    )  # fmt: skip


def wall_figures(scores: WallScores) -> dict[str, Any]:
    """Figures of all classes of walls in one row, each with the name of its class."""
    return {
        f"{row['class']}_{key}": value
        for row in (each.as_dict() for each in (*scores.classes, scores.every))
        for key, value in row.items()
        if key != "class"
    }


def _pixels(found: ImageResults, truth: ImageResults) -> PixelScore:
    """Class maps of all frames whose truth is known."""
    frames = zip(
        read_class_maps(found.files["class_map"]), read_class_maps(truth.files["class_map"]),
        strict=False,
    )  # fmt: skip
    return reduce(add, (score_pixels(one, other) for one, other in frames))


def _wall_scores(
    scans: Mapping[str, tuple[WallScan, ...]], radii: Radii, n_thresholds: int
) -> dict[str, WallScores]:
    """Scores of each image, and of all together under an empty name."""
    if not scans:
        return {}
    default = WallScoring()
    config = WallScoring(
        radii_px=radii.px or default.radii_px,
        radii_nm=radii.nm or default.radii_nm,
        n_thresholds=n_thresholds,
    )
    every = [scan for of_image in scans.values() for scan in of_image]
    plain = config.model_copy(update={"n_thresholds": 0})
    scores = {name: score_walls(of_image, config=plain) for name, of_image in scans.items()}
    return {**scores, "": score_walls(every, config=config)}


def _intervals(
    columns: Mapping[str, ColumnScore],
    walls: Mapping[str, WallScores],
    pixels: Mapping[str, PixelScore],
) -> dict[str, Intervals]:
    kinds: dict[str, tuple[Sequence[Any], Callable[[Sequence[Any]], Mapping[str, float]]]] = {
        "atoms": (list(columns.values()), _column_figures),
        "walls": ([score for name, score in walls.items() if name], _pooled_walls),
        "pixels": (list(pixels.values()), _pixel_figures),
    }
    intervals = {
        kind: bootstrap_intervals(scores, figures, rng=np.random.default_rng(SEED))
        for kind, (scores, figures) in kinds.items()
    }
    return {kind: each for kind, each in intervals.items() if each}


def _column_figures(scores: Sequence[ColumnScore]) -> Mapping[str, float]:
    total = sum(scores, ColumnScore())
    names = (
        "precision", "recall", "f1", "rms_px", "rms_nm", "error_over_bar", "class_accuracy",
        "rms_over_bound",
    )  # fmt: skip
    return {name: getattr(total, name) for name in names}


def _pooled_walls(scores: Sequence[WallScores]) -> Mapping[str, float]:
    """Figures that the scores of images make together: sums of pixels, or means of images."""
    figures: dict[str, float] = {}
    of_class = zip(*((*each.classes, each.every) for each in scores), strict=True)
    for of_images in of_class:
        name = of_images[0].name
        for radius in of_images[0].at_px:
            total = reduce(add, (each.at_px[radius] for each in of_images), SkeletonScore(0, 0, 0))
            figures[f"{name}_f1_{radius:g}px"] = total.f1
        for figure in ("cl_dice", "hd95_px", "hd95_nm"):
            values = np.array([getattr(each, figure) for each in of_images])
            known = values[np.isfinite(values)]
            figures[f"{name}_{figure}"] = float(known.mean()) if len(known) else float("nan")
        true = sum(each.length_truth_px for each in of_images)
        found = sum(each.length_found_px for each in of_images)
        figures[f"{name}_length_error"] = found / true - 1 if true else float("nan")
    return figures


def _pixel_figures(scores: Sequence[PixelScore]) -> Mapping[str, float]:
    total = reduce(add, scores)
    figures = {"accuracy": total.accuracy}
    for name, values in (("iou", total.iou), ("dice", total.dice)):
        figures |= {f"{name}_{n}": float(value) for n, value in enumerate(values)}
    return figures


def _middle_f1(score: ClassScore) -> float:
    """At the middle one of the radii."""
    radii = sorted(score.at_px)
    return score.at_px[radii[len(radii) // 2]].f1


def _flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers alone: tables of classes have no place in a row."""
    return {key: value for key, value in figures.items() if not isinstance(value, list)}

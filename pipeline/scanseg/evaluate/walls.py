"""Domain walls scored by all figures of merit, over a set of scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveFloat

from scanseg.config import Config
from scanseg.evaluate.calibration import measure_calibration
from scanseg.evaluate.curves import measure_curve, summarise_curves
from scanseg.evaluate.distances import hausdorff_95
from scanseg.evaluate.lines import Line, position_error_px
from scanseg.evaluate.regions import adapted_rand_error, polarity_agreement, regions_of
from scanseg.evaluate.skeletons import (
    ClassImage,
    SkeletonScore,
    class_confusion,
    excused,
    pixel_lengths,
    score_skeleton,
    wall_skeleton,
)
from scanseg.evaluate.topology import NodeScore, betti_numbers, cl_dice, nodes_of, score_nodes
from scanseg.evaluate.wall_scores import ClassScore, WallScores
from scanseg.micrograph import FloatImage, Mask

__all__ = ["WallScan", "WallScoring", "score_walls"]

CLASS_NAMES = ("background", "ferroelectric", "ferroelastic")
# Thinned lines lie up to 0.7 px off, and those of thick masks as far on the other side.
CL_DICE_PX = 2


class WallScoring(Config):
    """How walls are scored."""

    radii_px: tuple[PositiveFloat, ...] = (1.0, 2.0, 3.0)
    """Largest distances of a pair of skeleton pixels."""
    radii_nm: tuple[PositiveFloat, ...] = (25.0, 50.0, 100.0)
    """The same in nm, for scans whose pixel size is known."""
    curve_radius_px: PositiveFloat = 2.0
    """Largest distance of a pair for curves over thresholds, and for lengths taken for another."""
    n_thresholds: NonNegativeInt = 99
    """Thresholds of probability maps; 0 leaves the curves out."""
    node_radius_px: PositiveFloat = 3.0
    """Largest distance of a pair of junctions or end points."""
    spur_px: PositiveFloat = 6.0
    """Spurs of thinning below this length are dropped before junctions are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class WallScan:
    """A scan to be scored, of shape (height, width).

    Parameters
    ----------
    found, truth
        Class maps, or skeletons with the class of each pixel: 0 background, then the classes. What
        is 255 in the truth is a wall that may be found and need not be.
    pixel_size_nm
        (y, x), or None.
    probability
        Of every class, background first, shape (C, height, width): for curves and calibration.
    found_lines, truth_lines
        Walls of each class to a fraction of a pixel: for position errors.
    found_polarity, truth_polarity
        +1, -1, or 0 where it is not known, shape (height, width): for the share of pixels with the
        right one.
    """

    found: ClassImage
    truth: ClassImage
    pixel_size_nm: tuple[float, float] | None = None
    probability: FloatImage | None = None
    found_lines: Mapping[int, Sequence[Line]] = field(default_factory=dict)
    truth_lines: Mapping[int, Sequence[Line]] = field(default_factory=dict)
    found_polarity: NDArray[np.int8] | None = None
    truth_polarity: NDArray[np.int8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Thinned:
    """A scan with its skeletons; ``ignored`` are true walls too faint to tell."""

    scan: WallScan
    found: ClassImage
    truth: ClassImage
    ignored: Mask


def score_walls(
    scans: Sequence[WallScan],
    *,
    class_names: Sequence[str] = CLASS_NAMES,
    config: WallScoring | None = None,
) -> WallScores:
    """Score the walls of a set of scans, pooled: a long wall counts as much as many short ones.

    Parameters
    ----------
    scans
        At least one.
    class_names
        By index, background first.
    config
        How.

    Examples
    --------
    >>> truth = np.zeros((40, 60), np.uint8)
    >>> truth[20] = 1
    >>> scores = score_walls([WallScan(np.roll(truth, 2, axis=0), truth)])
    >>> scores.classes[0].at_px[1.0].f1, scores.classes[0].at_px[2.0].f1
    (0.0, 1.0)
    """
    if not scans:
        raise ValueError("there is no scan to score")
    config = config or WallScoring()
    thin = [_thin(scan, len(class_names)) for scan in scans]
    numbers = range(1, len(class_names))
    confusion = sum(
        class_confusion(
            each.found, np.where(each.ignored, 255, each.truth).astype(np.uint8),
            n_classes=len(class_names), radius_px=config.curve_radius_px,
        )
        for each in thin
    )  # fmt: skip
    junctions, ends = zip(*(_score_graph(each, config) for each in thin), strict=True)
    wholes = [(each.found > 0, _whole(each)) for each in thin]
    betti = [(betti_numbers(found), betti_numbers(true)) for found, true in wholes]
    return WallScores(
        n_scans=len(thin),
        classes=tuple(_score_class(thin, (n,), class_names[n], config) for n in numbers),
        every=_score_class(thin, tuple(numbers), "all", config),
        confusion_px=np.asarray(confusion),
        junctions=reduce(add, junctions),
        end_points=reduce(add, ends),
        pieces_error=float(np.mean([abs(found[0] - true[0]) for found, true in betti])),
        loops_error=float(np.mean([abs(found[1] - true[1]) for found, true in betti])),
        adapted_rand_error=_mean(
            [adapted_rand_error(regions_of(found), regions_of(true)) for found, true in wholes]
        ),
        polarity_agreement=_mean([_polarity(scan) for scan in scans]),
    )


def _thin(scan: WallScan, n_classes: int) -> _Thinned:
    if scan.found.shape != scan.truth.shape:
        raise ValueError(
            f"what was found has shape {scan.found.shape}, and the truth {scan.truth.shape}"
        )
    found, truth = wall_skeleton(scan.found), wall_skeleton(scan.truth)
    ignored = truth >= n_classes
    return _Thinned(scan, found, np.where(ignored, 0, truth).astype(np.uint8), ignored)


def _whole(each: _Thinned) -> Mask:
    """True walls with the faint ones that were found: neither bridge nor gap there is a mistake."""
    if not each.ignored.any():
        return each.truth > 0
    from scipy import ndimage

    near_found = ndimage.binary_dilation(each.found > 0, iterations=CL_DICE_PX)
    return np.asarray((each.truth > 0) | (each.ignored & near_found))


def _score_graph(each: _Thinned, config: WallScoring) -> tuple[NodeScore, NodeScore]:
    found = nodes_of(each.found > 0, spur_px=config.spur_px)
    truth = nodes_of((each.truth > 0) | each.ignored, spur_px=config.spur_px)
    return (
        score_nodes(
            found.junction_px, truth.junction_px,
            radius_px=config.node_radius_px, ignored=each.ignored,
        ),
        score_nodes(
            found.end_point_px, truth.end_point_px,
            radius_px=config.node_radius_px, ignored=each.ignored,
        ),
    )  # fmt: skip


def _score_class(
    thin: Sequence[_Thinned], numbers: tuple[int, ...], name: str, config: WallScoring
) -> ClassScore:
    masks = [(np.isin(each.found, numbers), np.isin(each.truth, numbers)) for each in thin]

    def score(radius: float, *, in_nm: bool) -> SkeletonScore:
        total = SkeletonScore(0, 0, 0)
        for each, (found, truth) in zip(thin, masks, strict=True):
            size = each.scan.pixel_size_nm if in_nm else (1.0, 1.0)
            if size is not None:
                total += score_skeleton(
                    found, truth, radius=radius, pixel_size=size, ignored=each.ignored
                )
        return total

    calibrated = any(each.scan.pixel_size_nm is not None for each in thin)
    lengths = [
        (_length_found(each, found, config), float(pixel_lengths(truth).sum()))
        for each, (found, truth) in zip(thin, masks, strict=True)
    ]
    mapped = [
        (each, _probability_of(each.scan.probability, numbers), truth)
        for each, (_, truth) in zip(thin, masks, strict=True)
        if each.scan.probability is not None
    ]
    curves = [
        measure_curve(
            probability, truth, radius=config.curve_radius_px, ignored=each.ignored,
            n_thresholds=config.n_thresholds,
        )
        for each, probability, truth in mapped
        if config.n_thresholds
    ]  # fmt: skip
    calibrations = [
        measure_calibration(
            probability, np.isin(each.scan.truth, numbers), ignored=each.scan.truth == 255
        )
        for each, probability, _ in mapped
    ]
    return ClassScore(
        name=name,
        at_px={radius: score(radius, in_nm=False) for radius in config.radii_px},
        at_nm={r: score(r, in_nm=True) for r in config.radii_nm} if calibrated else {},
        length_found_px=sum(found for found, _ in lengths),
        length_truth_px=sum(truth for _, truth in lengths),
        cl_dice=_mean([_cl_dice(found, truth) for found, truth in masks]),
        hd95_px=_mean(
            [
                hausdorff_95(found, truth, ignored=each.ignored)
                for each, (found, truth) in zip(thin, masks, strict=True)
            ]
        ),
        hd95_nm=_mean(
            [
                hausdorff_95(found, truth, pixel_size=each.scan.pixel_size_nm, ignored=each.ignored)
                for each, (found, truth) in zip(thin, masks, strict=True)
                if each.scan.pixel_size_nm is not None
            ]
        ),
        curve=summarise_curves(curves) if curves else None,
        calibration=reduce(add, calibrations) if calibrations else None,
        offset_px=_offsets(thin, numbers),
    )


def _probability_of(probability: FloatImage, numbers: tuple[int, ...]) -> FloatImage:
    return np.asarray(probability[list(numbers)].sum(0), np.float32)


def _length_found(each: _Thinned, found: Mask, config: WallScoring) -> float:
    """Length of a found skeleton, without what lies on walls too faint to tell alone."""
    at = np.argwhere(found)
    on_faint = excused(at, each.ignored, config.curve_radius_px)
    on_faint &= ~excused(at, each.truth > 0, config.curve_radius_px)
    return float(pixel_lengths(found)[tuple(at[~on_faint].T)].sum())


def _polarity(scan: WallScan) -> float:
    if scan.found_polarity is None or scan.truth_polarity is None:
        return float("nan")
    return polarity_agreement(scan.found_polarity, scan.truth_polarity)


def _cl_dice(found: Mask, truth: Mask) -> float:
    """Of the two as lines of one width; NaN where there is neither."""
    from scipy import ndimage

    if not found.any() and not truth.any():
        return float("nan")
    wide = [ndimage.binary_dilation(each, iterations=CL_DICE_PX) for each in (found, truth)]
    return cl_dice(wide[0], wide[1])


def _offsets(thin: Sequence[_Thinned], numbers: tuple[int, ...]) -> NDArray[np.float64]:
    offsets = [np.empty(0)]
    for each in thin:
        found = [line for n in numbers for line in each.scan.found_lines.get(n, ())]
        truth = [line for n in numbers for line in each.scan.truth_lines.get(n, ())]
        if found and truth:
            offsets.append(position_error_px(found, truth))
    every = np.concatenate(offsets)
    return np.asarray(every[np.isfinite(every)])


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")

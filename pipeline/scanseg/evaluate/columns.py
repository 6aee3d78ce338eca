"""Found atom columns against true ones: detection, position, error bars, class."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.evaluate.figures import finite_or_none
from scanseg.evaluate.local_bound import NEEDED, column_bounds_px
from scanseg.evaluate.matching import Matches, match_positions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnScore", "JudgedColumns", "judge_columns", "score_columns"]

# Where nothing tells the spacing: one column or none.
RADIUS_WITHOUT_SPACING_PX = 3.0
RADIUS_OF_SPACING = 0.25
# Columns of an image whose bound is computed, 0.5 ms each; they fix a ratio to 3 %.
N_BOUNDED = 400


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """Sums over the columns of an image; those of several images add.

    Parameters
    ----------
    n_truth
        True columns that are visible.
    n_matched
        Those of them that were found.
    n_found
        Columns that were found.
    n_false
        Found where no column is, be it visible or not, inside the image.
    sum_squares_px2
        Of the offsets along y and x.
    sum_squares_nm2
        The same in nm²; NaN without a pixel size.
    n_errors, sum_squares_of_errors
        Coordinates with an error bar, and the sum of (offset over error bar)².
    n_classed, n_right_class
        Matched columns whose true class is known, and those found with it.
    classes
        How many matched columns of each true class were found as each class, by (true, found).
    n_bounded, sum_squares_over_bound
        Coordinates whose Cramér–Rao bound is known, and the sum of (offset over bound)².
    """

    n_truth: int = 0
    n_matched: int = 0
    n_found: int = 0
    n_false: int = 0
    sum_squares_px2: float = 0.0
    sum_squares_nm2: float = 0.0
    n_errors: int = 0
    sum_squares_of_errors: float = 0.0
    n_classed: int = 0
    n_right_class: int = 0
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_bounded: int = 0
    sum_squares_over_bound: float = 0.0

    @property
    def recall(self) -> float:
        """Share of the visible columns that were found; 1 where there is none."""
        return self.n_matched / self.n_truth if self.n_truth else 1.0

    @property
    def precision(self) -> float:
        """Share of the found columns that are columns; 1 where nothing was found."""
        return 1.0 - self.n_false / self.n_found if self.n_found else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def rms_px(self) -> float:
        """Root mean square of the offsets, per coordinate; NaN without a match."""
        return _root_mean(self.sum_squares_px2, 2 * self.n_matched)

    @property
    def rms_nm(self) -> float:
        """The same in nm; NaN without a pixel size."""
        return _root_mean(self.sum_squares_nm2, 2 * self.n_matched)

    @property
    def error_over_bar(self) -> float:
        """Root mean square of offset over error bar: 1 where error bars are right."""
        return _root_mean(self.sum_squares_of_errors, self.n_errors)

    @property
    def class_accuracy(self) -> float:
        """Share of the matched columns with the right class; NaN where no class is known."""
        return self.n_right_class / self.n_classed if self.n_classed else float("nan")

    @property
    def rms_over_bound(self) -> float:
        """Root mean square of offset over bound: no method without a bias reaches below 1."""
        return _root_mean(self.sum_squares_over_bound, self.n_bounded)

    def __add__(self, other: ColumnScore) -> ColumnScore:
        """Score of two images together."""
        return ColumnScore(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON; what could not be measured is None."""
        figures = {
            "n_truth": self.n_truth,
            "n_found": self.n_found,
            "n_matched": self.n_matched,
            "n_false": self.n_false,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "rms_px": self.rms_px,
            "rms_nm": self.rms_nm,
            "error_over_bar": self.error_over_bar,
            "class_accuracy": self.class_accuracy,
            "rms_over_bound": self.rms_over_bound,
        }
        known = {key: finite_or_none(value) for key, value in figures.items()}
        pairs = sorted(self.classes.items())
        confusion = [{"true": true, "found": found, "n": n} for (true, found), n in pairs]
        return known | ({"classes": confusion} if confusion else {})


@dataclass(frozen=True, slots=True, eq=False)
class JudgedColumns:
    """Which of F found and T visible true columns belong together.

    Parameters
    ----------
    found_px, true_px
        (y, x), shapes (F, 2) and (T, 2).
    matches
        The pairs.
    false_index
        Found columns where none is, be it visible or not.
    """

    found_px: NDArray[np.float64]
    true_px: NDArray[np.float64]
    matches: Matches
    false_index: NDArray[np.int64]

    @property
    def missed_index(self) -> NDArray[np.int64]:
        """True columns that were not found, shape (number of them,)."""
        return np.setdiff1d(np.arange(len(self.true_px)), self.matches.truth_index)


def score_columns(
    found: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    shape: tuple[int, int] | None = None,
    pixel_size_nm: tuple[float, float] | None = None,
    radius_px: float | None = None,
    radius_nm: float | None = None,
    counts_per_unit: float | None = None,
) -> ColumnScore:
    """Match found and true columns of one frame one to one.

    Parameters
    ----------
    found
        With ``y_px`` and ``x_px``; ``y_err_px``, ``x_err_px``, ``class`` are used where they are.
    truth
        With ``y_px`` and ``x_px``. Where ``visible`` is false, a column need not be found and is no
        mistake where it is. ``class`` is used where it is.
    shape
        (height, width): columns found outside are not judged, since the truth lists none there.
    pixel_size_nm
        (y, x).
    radius_px, radius_nm
        Largest distance of a pair; a quarter of the spacing of the true columns without either.
    counts_per_unit
        Electrons counted for one unit of the image: with it, and the fit's ``amplitude``,
        ``sigma_px`` and ``background``, offsets are compared with the Cramér–Rao bound.

    Raises
    ------
    ConfigError
        When a radius in nm meets no pixel size.
    """
    judged = judge_columns(
        found, truth, shape=shape, pixel_size_nm=pixel_size_nm, radius_px=radius_px,
        radius_nm=radius_nm,
    )  # fmt: skip
    a, b = judged.matches.found_index, judged.matches.truth_index
    offset = judged.found_px[a] - judged.true_px[b]
    squares_nm2 = float("nan")
    if pixel_size_nm is not None:
        squares_nm2 = float(((offset * np.asarray(pixel_size_nm)) ** 2).sum())
    errors = _over_bars(found, a, offset)
    classes = _class_pairs(found, truth, a, b)
    over_bound = _over_bounds(found, a, offset, counts_per_unit, shape)
    return ColumnScore(
        n_truth=len(judged.true_px),
        n_matched=len(a),
        n_found=len(judged.found_px),
        n_false=len(judged.false_index),
        sum_squares_px2=float((offset**2).sum()),
        sum_squares_nm2=squares_nm2,
        n_errors=len(errors),
        sum_squares_of_errors=float((errors**2).sum()),
        n_classed=classes.total(),
        n_right_class=sum(n for (true, seen), n in classes.items() if true == seen),
        classes=classes,
        n_bounded=len(over_bound),
        sum_squares_over_bound=float((over_bound**2).sum()),
    )


def judge_columns(
    found: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    shape: tuple[int, int] | None = None,
    pixel_size_nm: tuple[float, float] | None = None,
    radius_px: float | None = None,
    radius_nm: float | None = None,
) -> JudgedColumns:
    """Match columns of one frame; parameters as for ``score_columns``."""
    found_px, every_px = (_positions(table) for table in (found, truth))
    visible = _visible(truth)
    true_px = every_px[visible]
    scale, radius = _metric(true_px, pixel_size_nm, radius_px, radius_nm)
    matches = match_positions(found_px * scale, true_px * scale, radius_px=radius)
    known = match_positions(found_px * scale, every_px * scale, radius_px=radius).found_index
    judged: NDArray[np.bool_] = np.ones(len(found_px), bool)
    if shape is not None:
        judged &= ((found_px > -0.5) & (found_px < np.array(shape) - 0.5)).all(axis=1)
    false = np.setdiff1d(np.flatnonzero(judged), known)
    return JudgedColumns(found_px, true_px, matches, false)


def _class_pairs(
    found: pd.DataFrame, truth: pd.DataFrame, a: NDArray[np.int64], b: NDArray[np.int64]
) -> Counter[tuple[str, str]]:
    """True and found class of matched columns."""
    if "class" not in found or "class" not in truth:
        return Counter()
    true = truth["class"].to_numpy()[_visible(truth)][b]
    seen = found["class"].to_numpy()[a]
    return Counter((str(one), str(other)) for one, other in zip(true, seen, strict=True))


def _over_bounds(
    found: pd.DataFrame,
    index: NDArray[np.int64],
    offset: NDArray[np.float64],
    counts_per_unit: float | None,
    shape: tuple[int, int] | None,
) -> NDArray[np.float64]:
    """Offsets over bounds of coordinates whose bound is known, an even sample of the columns."""
    if counts_per_unit is None or not set(NEEDED) <= set(found) or not len(index):
        return np.empty(0)
    chosen = np.unique(np.linspace(0, len(index) - 1, min(N_BOUNDED, len(index))).astype(int))
    bound = column_bounds_px(found, index[chosen], counts_per_unit=counts_per_unit, shape=shape)
    known = np.isfinite(bound)
    return np.asarray(offset[chosen][known] / bound[known])


def _positions(table: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(table[["y_px", "x_px"]].to_numpy(float)).reshape(-1, 2)


def _visible(truth: pd.DataFrame) -> NDArray[np.bool_]:
    if "visible" not in truth:
        return np.ones(len(truth), bool)
    return np.asarray(truth["visible"].to_numpy(bool))


def _metric(
    true_px: NDArray[np.float64],
    pixel_size_nm: tuple[float, float] | None,
    radius_px: float | None,
    radius_nm: float | None,
) -> tuple[NDArray[np.float64], float]:
    """What positions are multiplied by before they are matched, and the radius in that unit."""
    from scipy.spatial import cKDTree

    if radius_nm is not None:
        if pixel_size_nm is None:
            raise ConfigError(
                f"Without a pixel size, {radius_nm:g} nm is no distance in an image.",
                hint="Give the pixel size (--pixel-size-nm), or a radius in pixels.",
            )
        return np.asarray(pixel_size_nm, float), radius_nm
    if radius_px is not None:
        return np.ones(2), radius_px
    if len(true_px) < 2:
        return np.ones(2), RADIUS_WITHOUT_SPACING_PX
    nearest = cKDTree(true_px).query(true_px, k=2)[0][:, 1]
    return np.ones(2), RADIUS_OF_SPACING * float(np.median(nearest))


def _over_bars(
    found: pd.DataFrame, index: NDArray[np.int64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Offsets over error bars, those that have one."""
    if "y_err_px" not in found or "x_err_px" not in found:
        return np.empty(0)
    bar = found[["y_err_px", "x_err_px"]].to_numpy(float)[index]
    known = np.isfinite(bar) & (bar > 0)
    return np.asarray(offset[known] / bar[known])


def _root_mean(sum_squares: float, number: int) -> float:
    return math.sqrt(sum_squares / number) if number else float("nan")

"""Figures of merit of domain walls, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.calibration import Calibration
from scanseg.evaluate.curves import CurveSummary
from scanseg.evaluate.figures import finite_or_none
from scanseg.evaluate.skeletons import SkeletonScore
from scanseg.evaluate.topology import NodeScore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ClassScore", "WallScores"]


@dataclass(frozen=True, slots=True, eq=False)
class ClassScore:
    """Figures of merit of one class of walls, or of all together.

    Parameters
    ----------
    name
        Of the class; ``all`` for all together.
    at_px, at_nm
        Matched skeleton pixels by radius.
    length_found_px, length_truth_px
        Of the skeletons; what was found on a wall too faint to tell is left out.
    cl_dice
        Mean over the scans that have, or claim, such walls.
    hd95_px, hd95_nm
        Distance within which 95 % of found and true walls lie of each other: mean over the scans
        that have both; NaN for none, or without a pixel size.
    curve
        Over thresholds; None without probabilities.
    calibration
        Of the probabilities; None without them.
    offset_px
        How far found walls lie off the true ones, see ``position_error_px``, those that were found,
        shape (N,).
    """

    name: str
    at_px: Mapping[float, SkeletonScore]
    at_nm: Mapping[float, SkeletonScore]
    length_found_px: float
    length_truth_px: float
    cl_dice: float
    hd95_px: float
    hd95_nm: float
    curve: CurveSummary | None
    calibration: Calibration | None
    offset_px: NDArray[np.float64]

    @property
    def length_error(self) -> float:
        """Found length over true length, minus 1; NaN where there is nothing to find."""
        true = self.length_truth_px
        return self.length_found_px / true - 1.0 if true else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """One row of a table; what could not be measured is None."""
        row: dict[str, Any] = {"class": self.name}
        for unit, scores in (("px", self.at_px), ("nm", self.at_nm)):
            for radius, score in scores.items():
                row[f"f1_{radius:g}{unit}"] = score.f1
                row[f"precision_{radius:g}{unit}"] = score.precision
                row[f"recall_{radius:g}{unit}"] = score.recall
        row |= {
            "cl_dice": self.cl_dice,
            "hd95_px": self.hd95_px,
            "hd95_nm": self.hd95_nm,
            "length_truth_px": self.length_truth_px,
            "length_found_px": self.length_found_px,
            "length_error": self.length_error,
        }
        if self.curve is not None:
            row |= {
                "ods": self.curve.ods,
                "ods_threshold": self.curve.ods_threshold,
                "ois": self.curve.ois,
                "average_precision": self.curve.average_precision,
            }
        if self.calibration is not None:
            row |= {"ece": self.calibration.expected_error, "brier": self.calibration.brier}
        if len(self.offset_px):
            row |= {
                "offset_mean_px": float(self.offset_px.mean()),
                "offset_sd_px": float(self.offset_px.std()),
            }
        return {key: finite_or_none(value) for key, value in row.items()}


@dataclass(frozen=True, slots=True, eq=False)
class WallScores:
    """Figures of merit of a set of scans.

    Parameters
    ----------
    n_scans
        How many.
    classes
        Of each class of walls.
    every
        Of all walls together, whatever class they were given.
    confusion_px
        Length by true and by found class, see ``class_confusion``.
    junctions, end_points
        Matched nodes of the wall graphs.
    pieces_error, loops_error
        Mean over the scans of the error of the Betti numbers: pieces of walls, and loops.
    adapted_rand_error
        Of the domains that the walls enclose: mean over the scans.
    polarity_agreement
        Share of pixels with the right polarity: mean over the scans that have one, NaN for none.
    """

    n_scans: int
    classes: tuple[ClassScore, ...]
    every: ClassScore
    confusion_px: NDArray[np.float64]
    junctions: NodeScore
    end_points: NodeScore
    pieces_error: float
    loops_error: float
    adapted_rand_error: float
    polarity_agreement: float

    def table(self) -> pd.DataFrame:
        """One row a class, and one for all walls together."""
        import pandas as pd

        return pd.DataFrame([each.as_dict() for each in (*self.classes, self.every)])

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        nodes = {"junctions": self.junctions, "end_points": self.end_points}
        whole = {
            "pieces_error": finite_or_none(self.pieces_error),
            "loops_error": finite_or_none(self.loops_error),
            "adapted_rand_error": finite_or_none(self.adapted_rand_error),
            "polarity_agreement": finite_or_none(self.polarity_agreement),
        }
        return {
            "n_scans": self.n_scans,
            "classes": [each.as_dict() for each in (*self.classes, self.every)],
            "confusion_px": self.confusion_px.round(3).tolist(),
            **{
                name: {
                    "found": score.n_found,
                    "truth": score.n_truth,
                    "matched": score.n_matched,
                    "rms_px": finite_or_none(score.rms_px),
                }
                for name, score in nodes.items()
            },
            **whole,
        }

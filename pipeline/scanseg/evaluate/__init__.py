"""Figures of merit: what was found against what is true, and against what physics allows."""

from __future__ import annotations

from scanseg.evaluate.bootstrap import Interval, bootstrap_intervals
from scanseg.evaluate.calibration import Calibration, measure_calibration
from scanseg.evaluate.columns import ColumnScore, JudgedColumns, judge_columns, score_columns
from scanseg.evaluate.curves import (
    CurveSummary,
    ThresholdCurve,
    measure_curve,
    summarise_curves,
)
from scanseg.evaluate.distances import hausdorff_95
from scanseg.evaluate.limits import cramer_rao_bound_px, isolated_bound_px
from scanseg.evaluate.lines import displacement_error_px, position_error_px
from scanseg.evaluate.local_bound import column_bounds_px
from scanseg.evaluate.matching import Matches, match_positions
from scanseg.evaluate.pixels import PixelScore, score_pixels
from scanseg.evaluate.regions import adapted_rand_error, polarity_agreement, regions_of
from scanseg.evaluate.skeletons import (
    SkeletonScore,
    class_confusion,
    class_skeleton_of_lines,
    judge_skeleton,
    score_skeleton,
    skeleton_of_lines,
    wall_skeleton,
)
from scanseg.evaluate.topology import (
    Nodes,
    NodeScore,
    betti_numbers,
    cl_dice,
    nodes_of,
    score_nodes,
)
from scanseg.evaluate.wall_scores import ClassScore, WallScores
from scanseg.evaluate.walls import WallScan, WallScoring, score_walls

__all__ = [
    "Calibration",
    "ClassScore",
    "ColumnScore",
    "CurveSummary",
    "Interval",
    "JudgedColumns",
    "Matches",
    "NodeScore",
    "Nodes",
    "PixelScore",
    "SkeletonScore",
    "ThresholdCurve",
    "WallScan",
    "WallScores",
    "WallScoring",
    "adapted_rand_error",
    "betti_numbers",
    "bootstrap_intervals",
    "cl_dice",
    "class_confusion",
    "class_skeleton_of_lines",
    "column_bounds_px",
    "cramer_rao_bound_px",
    "displacement_error_px",
    "hausdorff_95",
    "isolated_bound_px",
    "judge_columns",
    "judge_skeleton",
    "match_positions",
    "measure_calibration",
    "measure_curve",
    "nodes_of",
    "polarity_agreement",
    "position_error_px",
    "regions_of",
    "score_columns",
    "score_nodes",
    "score_pixels",
    "score_skeleton",
    "score_walls",
    "skeleton_of_lines",
    "summarise_curves",
    "wall_skeleton",
]

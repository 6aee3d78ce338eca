"""Figures of merit: what was found against what is true, and against what physics allows."""

from __future__ import annotations

from scanseg.evaluate.limits import cramer_rao_bound_px, isolated_bound_px
from scanseg.evaluate.matching import Matches, match_positions
from scanseg.evaluate.walls import (
    SkeletonScore,
    cl_dice,
    class_confusion,
    displacement_error_px,
    position_error_px,
    score_skeleton,
    skeleton_of_lines,
)

__all__ = [
    "Matches",
    "SkeletonScore",
    "cl_dice",
    "class_confusion",
    "cramer_rao_bound_px",
    "displacement_error_px",
    "isolated_bound_px",
    "match_positions",
    "position_error_px",
    "score_skeleton",
    "skeleton_of_lines",
]

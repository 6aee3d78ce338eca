"""Figures of merit: what was found against what is true, and against what physics allows."""

from __future__ import annotations

from scanseg.evaluate.limits import cramer_rao_bound_px, isolated_bound_px
from scanseg.evaluate.matching import Matches, match_positions

__all__ = ["Matches", "cramer_rao_bound_px", "isolated_bound_px", "match_positions"]

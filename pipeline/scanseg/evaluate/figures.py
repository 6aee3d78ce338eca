"""Figures of merit as JSON knows them: it has no NaN."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["finite_or_none"]


def finite_or_none(value: Any) -> Any:
    """None for what could not be measured; all else as it is.

    Examples
    --------
    >>> finite_or_none(float("nan")), finite_or_none(0.5), finite_or_none("ferroelectric")
    (None, 0.5, 'ferroelectric')
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Lengths of walls: added up by class, and put into words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["class_lengths", "length_text"]


def class_lengths(
    walls: pd.DataFrame, class_names: Iterable[str], *, in_nm: bool
) -> dict[str, float]:
    """Total length of each class, in nm or in px; 0 where it does not occur."""
    length = walls["length_nm" if in_nm else "length_px"]
    return {name: float(length[walls["class"] == name].sum()) for name in class_names}


def length_text(length: float, *, in_nm: bool) -> str:
    """A length as people say it.

    Examples
    --------
    >>> length_text(18_240.0, in_nm=True), length_text(940.4, in_nm=True)
    ('18.2 µm', '940 nm')
    >>> length_text(1234.5, in_nm=False)
    '1,234 px'
    """
    if not in_nm:
        return f"{length:,.0f} px"
    if length < 1000:
        return f"{length:.0f} nm"
    return f"{length / 1000:.3g} µm" if length < 1e6 else f"{length / 1000:,.0f} µm"

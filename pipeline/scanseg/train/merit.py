"""One number of many figures of merit."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["merit"]


def merit(figures: Mapping[str, float]) -> float:
    """What decides between two networks: F1, times how often the class is right if there are
    several.

    Examples
    --------
    >>> merit({"f1": 0.9}), merit({"f1": 0.9, "class_accuracy": 0.5})
    (0.9, 0.45)
    """
    return figures["f1"] * figures.get("class_accuracy", 1.0)

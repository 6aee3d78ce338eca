"""Names and numbers of classes in labels, as indices of a model's classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.train.labels import IGNORED

__all__ = ["class_indices"]

_NOT_SURE = ("ignore", "ignored", str(IGNORED))


def class_indices(
    values: Iterable[Any], class_names: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Index of the class of each object, and the classes that the model does not know.

    Parameters
    ----------
    values
        Names in any case, or numbers; "ignore" or 255 for what need not be found.
    class_names
        Background first. A model with one class of objects takes every name for that one.

    Returns
    -------
    index
        Shape (N,): 0 for background, 255 for what is ignored, -1 for what is unknown.
    unknown
        Names that are not known, sorted.

    Examples
    --------
    >>> class_indices(["Heavy", "2", "ignore"], ["background", "heavy", "light"])
    (array([  1,   2, 255]), ())
    """
    known = {name.lower(): index for index, name in enumerate(class_names)}
    known |= {str(index): index for index in range(len(class_names))}
    known |= dict.fromkeys(_NOT_SURE, IGNORED)
    names = [_plain(value) for value in values]
    anything = 1 if len(class_names) == 2 else -1
    index = np.array([known.get(name.lower(), anything) for name in names], np.int64)
    return index, tuple(sorted({name for name, n in zip(names, index, strict=True) if n < 0}))


def _plain(value: Any) -> str:
    """A name; whole numbers without their decimals, as tables with gaps store them."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()

"""The class of every column by its brightness, beside the one that the network gave it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice._columns import FloatArray, IntArray, place_columns
from scanseg.lattice.intensity import fit_mixture, local_level

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["class_by_intensity", "count_agreeing"]

FEWEST = 8  # columns from which their distribution tells anything
DIMMEST = 0.02  # of the usual contrast: a logarithm ends there
MORE_GROUPS = 2  # than classes: titanium and oxygen are both light, and an alloy has mixed columns
CAUTION = 5.0  # columns that a class has more for this: two wrong ones name no group


def class_by_intensity(atoms: DataFrame) -> DataFrame:
    """Class of every column by its fitted amplitude, and how sure that is.

    Parameters
    ----------
    atoms
        Of one image or a part of it, as :func:`scanseg.find_atoms` returns it, with a ``class`` by
        the network and an ``amplitude``. No lattice is needed.

    Returns
    -------
    atoms
        With ``intensity_class``, a class that the network names in this image, empty where the
        brightness is that of none of them or was not fitted; and ``intensity_probability``, the
        probability by brightness that the column is of that class.

    Notes
    -----
    Amplitudes are taken against those of the 24 nearest columns, each divided by the median of its
    class, so that thickness and contamination do not count; dark columns count by their contrast.
    A mixture of Gaussians on an even background of strays is fitted to all columns together. The
    classes of the network say how many groups there are at least, and a group is the class of which
    it holds the largest part; which column is in which group is for the brightness alone to say.
    """
    from pandas import Categorical

    named = atoms["class"].astype("category").cat
    kind = named.codes.to_numpy().astype(np.int64)
    by_brightness = np.full(len(atoms), -1)
    probability = np.full(len(atoms), np.nan)
    rows = np.flatnonzero(_fitted(atoms))
    if len(rows) >= FEWEST:
        contrast = atoms["amplitude"].to_numpy(np.float64)[rows]
        contrast = contrast * (np.sign(np.median(contrast)) or 1.0)
        place = place_columns(atoms).place[rows]
        found, sure = _classify(contrast, place, kind[rows])
        told = sure >= 0.5
        by_brightness[rows[told]] = found[told]
        probability[rows] = sure
    return atoms.assign(
        intensity_class=Categorical.from_codes(by_brightness, categories=named.categories),
        intensity_probability=probability,
    )


def count_agreeing(atoms: DataFrame | Iterable[DataFrame]) -> tuple[int, int]:
    """How many columns have one class by network and brightness, and how many have both classes.

    Parameters
    ----------
    atoms
        See :func:`class_by_intensity`; a table, or its parts.
    """
    from pandas import DataFrame

    n_agreeing = n_both = 0
    for part in [atoms] if isinstance(atoms, DataFrame) else atoms:
        both = part[part["intensity_class"].notna()]
        n_both += len(both)
        n_agreeing += int((both["class"].astype(str) == both["intensity_class"].astype(str)).sum())
    return n_agreeing, n_both


def _fitted(atoms: DataFrame) -> NDArray[np.bool_]:
    known = np.isfinite(atoms["amplitude"].to_numpy(np.float64))
    return np.asarray(known & atoms["fit_ok"].to_numpy(bool)) if "fit_ok" in atoms else known


def _classify(
    contrast: FloatArray, place: FloatArray, kind: IntArray
) -> tuple[IntArray, FloatArray]:
    """Class and its probability by brightness, from contrasts, places and the network's classes."""
    usual = float(np.median(contrast)) or 1.0
    logarithm = np.log(np.maximum(contrast / usual, DIMMEST))
    present, member = np.unique(kind, return_inverse=True)
    # The brightness of the surroundings first by the network's classes, then by those found.
    for _ in range(2):
        level = _level(place, logarithm, member)
        relative = contrast / usual / np.exp(level)
        known = _medians(relative, np.searchsorted(present, kind), len(present))
        mixture = fit_mixture(relative, most_groups=len(present) + MORE_GROUPS, known=known)
        stray = mixture.probability.sum(1) < 0.5
        member = np.where(stray, len(mixture.mean), mixture.probability.argmax(1))
    probability = mixture.probability @ _names(mixture.probability, kind == present[:, None])
    best = probability.argmax(1)
    return present[best], probability[np.arange(len(best)), best]


def _names(probability: FloatArray, of_class: NDArray[np.bool_]) -> FloatArray:
    """Which class each group is, shape (G, K): that of which it holds the largest part.

    Not that of most of its columns: where the network misses most dopants, the bright group is
    still theirs. A class of few columns, though, has few that need be wrong.
    """
    part = probability.T @ of_class.T / (of_class.sum(1) + CAUTION)
    return np.asarray(np.eye(len(of_class))[part.argmax(1)])


def _level(place: FloatArray, logarithm: FloatArray, member: IntArray) -> FloatArray:
    """How much brighter the surroundings are than each group on average, as a logarithm."""
    middle = _medians(logarithm, member, int(member.max()) + 1)
    level = local_level(place, logarithm - middle[member])
    return level - np.median(level)


def _medians(values: FloatArray, member: IntArray, count: int) -> FloatArray:
    """Of each group; 0 of an empty one."""
    return np.array(
        [np.median(values[member == n]) if (member == n).any() else 0.0 for n in range(count)]
    )

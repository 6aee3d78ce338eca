"""Kinds of columns on one sublattice, by brightness: substitutions, alloys, thinner columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from scanseg.lattice._columns import FloatArray, IntArray
from scanseg.lattice._grain import GrainView, view_grains
from scanseg.lattice.model import IndexedAtoms

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["IntensityGroups", "Mixture", "fit_mixture", "group_by_intensity"]

NEIGHBOURHOOD = 24  # columns of the own sublattice whose median is ordinary there
NARROWEST = 0.35  # of the host's width: a group of few has no width of its own
ALIKE = 0.1  # sublattices that differ by less in brightness, as in graphene, are taken together
EVIDENCE = 6.0  # by which the information criterion must fall for another group: odds of 20 to 1


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Sum of G Gaussians, the darkest first.

    Parameters
    ----------
    weight, mean, width
        Of each, shape (G,).
    probability
        Of each group for each of N values, shape (N, G).
    """

    weight: FloatArray
    mean: FloatArray
    width: FloatArray
    probability: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class IntensityGroups:
    """Columns grouped by brightness within their sublattice.

    Parameters
    ----------
    atoms
        Rows of the grains' atoms, with ``relative_amplitude`` (against the median of the own
        sublattice nearby), ``group`` (0 for the darkest of its sublattice), ``group_probability``,
        ``substitution`` (``host``, ``brighter``, ``darker``) and ``host_probability``.
    groups
        One row a group: ``grain``, ``sublattice``, ``group``, ``host``, ``share``, ``mean``,
        ``width`` (of the relative amplitude), ``n_atoms``.
    """

    atoms: DataFrame
    groups: DataFrame


def group_by_intensity(indexed: IndexedAtoms, *, most_groups: int = 3) -> IntensityGroups:
    """Tell columns of one sublattice apart by their brightness.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`; the table needs ``amplitude``.
    most_groups
        How many groups there may be on a sublattice.

    Notes
    -----
    A mixture of Gaussians is fitted to each sublattice of each grain (to those of equal brightness,
    as in graphene, together); how many there are is decided
    by the Bayesian information criterion. Amplitudes are taken against the median of the own
    sublattice nearby, so that thickness and contamination do not make groups; where more than half
    of a neighbourhood is replaced, the replacement is the ordinary. The host is the largest group.
    """
    from pandas import Categorical, DataFrame, Index, concat

    tables, groups = [], []
    for view in view_grains(indexed):
        atoms = indexed.atoms.iloc[view.rows]
        light = np.abs(atoms["amplitude"].to_numpy(float))
        for sites in _alike(view.lattice.brightness):
            name = "+".join(view.lattice.sublattices[site] for site in sites)
            own = np.flatnonzero(np.isin(view.index[:, 2], sites) & np.isfinite(light))
            if not len(own):
                continue
            relative = _relative(light[own], view, own)
            mixture = fit_mixture(relative, most_groups=most_groups)
            group = mixture.probability.argmax(1)
            host = int(mixture.weight.argmax())
            rows = np.arange(len(own))
            tables.append(
                atoms.iloc[own].assign(
                    relative_amplitude=relative,
                    group=group,
                    group_probability=mixture.probability[rows, group],
                    substitution=Categorical.from_codes(
                        np.where(group == host, 0, np.where(group > host, 1, 2)),
                        categories=Index(["host", "brighter", "darker"]),
                    ),
                    host_probability=mixture.probability[:, host],
                )
            )
            groups += [
                {
                    "grain": view.lattice.grain, "sublattice": name, "group": g, "host": g == host,
                    "share": mixture.weight[g], "mean": mixture.mean[g],
                    "width": mixture.width[g], "n_atoms": int((group == g).sum()),
                }
                for g in range(len(mixture.weight))
            ]  # fmt: skip
    table = concat(tables).sort_index(kind="stable") if tables else indexed.atoms.iloc[:0]
    return IntensityGroups(table, DataFrame(groups))


def _alike(brightness: FloatArray) -> list[list[int]]:
    """Sublattices of one brightness each, whose columns are told apart together."""
    groups: list[list[int]] = []
    for site in np.argsort(-brightness):
        if groups and brightness[site] > (1 - ALIKE) * brightness[groups[-1][0]]:
            groups[-1].append(int(site))
        else:
            groups.append([int(site)])
    return [sorted(group) for group in groups]


def _relative(light: FloatArray, view: GrainView, own: IntArray) -> FloatArray:
    place = view.place[own]
    count = min(NEIGHBOURHOOD + 1, len(own))
    near = cKDTree(place).query(place, k=[*range(1, count + 1)])[1]
    ordinary = np.median(light[near], axis=1)
    return np.asarray(light / np.maximum(ordinary, 1e-12 * max(light.max(), 1e-300)))


def fit_mixture(values: FloatArray, *, most_groups: int = 3) -> Mixture:
    """Fit a sum of Gaussians; how many is decided by the Bayesian information criterion.

    Parameters
    ----------
    values
        Shape (N,).
    most_groups
        How many there may be.
    """
    best = _as_mixture(values, *_fit(values, np.array([np.median(values)])))
    best_criterion = _criterion(values, best)
    for count in range(2, most_groups + 1):
        options = [_as_mixture(values, *_fit(values, s)) for s in _starts(values, best, count)]
        options = [each for each in options if _sound(each)]
        if not options:
            break
        criteria = [_criterion(values, each) for each in options]
        if min(criteria) > best_criterion - EVIDENCE:
            continue
        best, best_criterion = options[int(np.argmin(criteria))], min(criteria)
    return best


def _starts(values: FloatArray, simpler: Mixture, count: int) -> list[FloatArray]:
    """Starting means: even quantiles, and what a simpler mixture explains worst on either side."""
    share = (np.arange(count) + 0.5) / count
    starts = [np.quantile(values, share)]
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle))) + 1e-9
    for tail in (values[values > middle + 4 * spread], values[values < middle - 4 * spread]):
        if len(tail):
            starts.append(np.append(simpler.mean, np.median(tail))[-count:])
    both = values[np.abs(values - middle) > 4 * spread]
    if count == 3 and (both > middle).any() and (both < middle).any():
        starts.append(
            np.array([np.median(both[both < middle]), middle, np.median(both[both > middle])])
        )
    return [np.sort(start) for start in starts if len(start) == count]


def _fit(values: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expectation and maximisation from starting means; hard assignment first."""
    count = len(mean)
    nearest = np.abs(values[:, None] - mean).argmin(1)
    weight = np.maximum(np.bincount(nearest, minlength=count), 1) / len(values)
    middle = float(np.median(values))
    robust = 1.4826 * float(np.median(np.abs(values - middle))) + 1e-6
    width = np.full(count, robust / np.sqrt(count) if count == 2 else robust)
    floor = 1e-6
    for _ in range(200):
        chance = _densities(values, weight, mean, width)
        chance /= np.maximum(chance.sum(1, keepdims=True), 1e-300)
        total = np.maximum(chance.sum(0), 1e-9)
        previous = mean
        mean = chance.T @ values / total
        width = np.sqrt((chance * (values[:, None] - mean) ** 2).sum(0) / total)
        floor = NARROWEST * float(width[total.argmax()]) + 1e-6
        width = np.maximum(width, floor)
        weight = total / len(values)
        if np.abs(mean - previous).max() < 1e-6 * (robust + 1e-9):
            break
    return weight, mean, width


def _as_mixture(
    values: FloatArray, weight: FloatArray, mean: FloatArray, width: FloatArray
) -> Mixture:
    order = np.argsort(mean)
    weight, mean, width = weight[order], mean[order], width[order]
    chance = _densities(values, weight, mean, width)
    total = chance.sum(1, keepdims=True)
    far = total[:, 0] < 1e-280  # beyond all groups: the nearest one
    nearest = np.eye(len(mean))[np.abs((values[:, None] - mean) / width).argmin(1)]
    probability = np.where(far[:, None], nearest, chance / np.maximum(total, 1e-300))
    return Mixture(weight, mean, width, probability)


def _densities(
    values: FloatArray, weight: FloatArray, mean: FloatArray, width: FloatArray
) -> FloatArray:
    apart = (values[:, None] - mean) / width
    return np.asarray(weight * np.exp(-0.5 * apart**2) / (np.sqrt(2 * np.pi) * width))


def _criterion(values: FloatArray, mixture: Mixture) -> float:
    density = _densities(values, mixture.weight, mixture.mean, mixture.width).sum(1)
    n_parameters = 3 * len(mixture.mean) - 1
    return float(n_parameters * np.log(len(values)) - 2 * np.log(np.maximum(density, 1e-300)).sum())


def _sound(mixture: Mixture) -> bool:
    """Whether groups are groups: enough columns each, and apart by more than their widths."""
    members = np.bincount(mixture.probability.argmax(1), minlength=len(mixture.mean))
    apart = np.diff(mixture.mean)
    return bool((members > 0).all() and (apart > 1.5 * _mean_width(mixture)).all())


def _mean_width(mixture: Mixture) -> FloatArray:
    return np.asarray(0.5 * (mixture.width[1:] + mixture.width[:-1]))

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
# Width of a group over that of the host: a wide one would be the tail of the host. Brighter groups
# are wider in proportion, as the columns of an alloy are.
NARROWEST, WIDEST = 0.35, 1.6
LENT = (
    3.0  # columns of the host's width that each group is lent: a group of few has none of its own
)
ALIKE = 0.1  # sublattices that differ by less in brightness, as in graphene, are taken together
MANY = 5_000  # columns from which brightness is rounded: 50,000 took 10 s, and take 0.1
APART = 2.0  # widths between groups; closer ones make no second top
EVIDENCE = 6.0  # by which the information criterion must fall for another group: odds of 20 to 1


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Sum of G Gaussians, the darkest first, and an even background of strays.

    Parameters
    ----------
    weight, mean, width
        Of each, shape (G,).
    probability
        Of each group for each of N values, shape (N, G); what is missing to 1 is that of a stray.
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
    A mixture of Gaussians on an even background of strays is fitted to each sublattice of each
    grain (to those of equal brightness, as in graphene, together); how many Gaussians there are is
    decided by the Bayesian information criterion. The host is the largest group; whatever is less
    probably host than not is a substitution, a single stray as well. Amplitudes are taken against
    the median of the own sublattice nearby, so that thickness and contamination do not make groups;
    where more than half of a neighbourhood is replaced, the replacement is the ordinary.
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
            group = _nearest(relative, mixture)
            host = int(mixture.weight.argmax())
            ordinary = mixture.probability[:, host] >= 0.5
            rows = np.arange(len(own))
            tables.append(
                atoms.iloc[own].assign(
                    relative_amplitude=relative,
                    group=group,
                    group_probability=mixture.probability[rows, group],
                    substitution=Categorical.from_codes(
                        np.where(ordinary, 0, np.where(relative > mixture.mean[host], 1, 2)),
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


def _nearest(values: FloatArray, mixture: Mixture) -> IntArray:
    """Most probable group of each value; of a stray, the nearest one."""
    distance = np.abs((values[:, None] - mixture.mean) / mixture.width)
    lost = mixture.probability.max(1) < 1e-12
    return np.asarray(np.where(lost, distance.argmin(1), mixture.probability.argmax(1)))


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
    """Amplitude over the ordinary one of the surroundings, shape (n,)."""
    logarithm = np.log(np.maximum(light, 1e-12 * max(light.max(), 1e-300)))
    return np.asarray(np.exp(logarithm - local_level(view.place[own], logarithm)))


def local_level(place: FloatArray, value: FloatArray) -> FloatArray:
    """Median of the 24 nearest columns, itself included, taken along its slope to each column.

    Parameters
    ----------
    place
        (y, x), shape (N, 2).
    value
        Shape (N,).

    Returns
    -------
    level
        Shape (N,).
    """
    count = min(NEIGHBOURHOOD + 1, len(place))
    near = cKDTree(place).query(place, k=[*range(1, count + 1)])[1]  # a list keeps two axes
    median: FloatArray = np.median(value[near], axis=1)
    if count < 8:
        return median
    # At a border the surroundings lie to one side: their slope takes the median to the column.
    middle = place[near].mean(1)
    apart = place[near] - middle[:, None]
    normal = np.einsum("nki,nkj->nij", apart, apart)
    normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(2)
    level = median
    for _ in range(2):
        right = np.einsum("nki,nk->ni", apart, level[near])
        slope = np.linalg.solve(normal, right[..., None])[..., 0]
        level = median + (slope * (place - middle)).sum(1)
    return level


def fit_mixture(
    values: FloatArray, *, most_groups: int = 3, known: FloatArray | None = None
) -> Mixture:
    """Fit a sum of Gaussians; how many is decided by the Bayesian information criterion.

    Parameters
    ----------
    values
        Shape (N,).
    most_groups
        How many there may be.
    known
        About where groups are known to be, shape (K,). Their number is not left to the criterion,
        which asks for four columns or so a group; still they must be well apart.
    """
    value, count = _binned(values)
    best = _fit_known(value, count, np.array([np.median(values)]) if known is None else known)
    best_criterion = _criterion(value, count, best)
    for n_groups in range(len(best.mean) + 1, most_groups + 1):
        options = [_fit(value, count, start) for start in _starts(values, best, n_groups)]
        options = [each for each in options if _sound(value, each)]
        if not options:
            break
        criteria = [_criterion(value, count, each) for each in options]
        if min(criteria) > best_criterion - EVIDENCE:
            continue
        best, best_criterion = options[int(np.argmin(criteria))], min(criteria)
    return Mixture(best.weight, best.mean, best.width, _probability(values, best))


@dataclass(frozen=True, slots=True, eq=False)
class _Gaussians:
    weight: FloatArray  # (G,)
    mean: FloatArray
    width: FloatArray
    stray: float  # weight of the even background
    span: float  # over which it is spread


def _binned(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Different values and how often they occur; many are rounded to a 50th of their spread."""
    if len(values) > MANY:
        low, high = np.percentile(values, (25, 75))
        step = max(float(high - low), 1e-9) / 70  # the quartiles are 1.35 widths apart
        values = np.round(values / step) * step
    value, count = np.unique(values, return_counts=True)
    return value, count.astype(float)


def _fit_known(value: FloatArray, count: FloatArray, mean: FloatArray) -> _Gaussians:
    """Groups that start at given means; of two that turn out to be one, one is left."""
    mean = np.sort(mean)
    fitted = _fit(value, count, mean)
    while len(mean) > 1 and not _sound(value, fitted):
        closest = int(np.diff(mean).argmin())
        mean = np.delete(mean, closest)
        fitted = _fit(value, count, mean)
    return fitted


def _starts(values: FloatArray, simpler: _Gaussians, n_groups: int) -> list[FloatArray]:
    """Starting means: even quantiles, and what a simpler mixture explains worst on either side."""
    starts = [np.quantile(values, (np.arange(n_groups) + 0.5) / n_groups)]
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle))) + 1e-9
    above = values[values > middle + 4 * spread]
    below = values[values < middle - 4 * spread]
    for tail in (above, below):
        if len(tail):
            starts.append(np.append(simpler.mean, np.median(tail))[-n_groups:])
    if n_groups == 3 and len(above) and len(below):
        starts.append(np.array([np.median(below), middle, np.median(above)]))
    return [np.sort(start) for start in starts if len(start) == n_groups]


def _fit(value: FloatArray, count: FloatArray, mean: FloatArray) -> _Gaussians:
    """Expectation and maximisation from starting means."""
    total_count = count.sum()
    nearest = np.abs(value[:, None] - mean).argmin(1)
    weight = np.maximum(np.bincount(nearest, count, len(mean)), 1) / total_count
    middle = _median(value, count)
    robust = 1.4826 * _median(np.abs(value - middle), count) + 1e-6
    width = np.full(len(mean), robust / np.sqrt(min(len(mean), 2)))
    stray, span = 0.02, float(np.ptp(value)) + 4 * robust
    weight *= 1 - stray
    for _ in range(200):
        chance = _densities(value, _Gaussians(weight, mean, width, stray, span))
        chance *= (count / (chance.sum(1) + stray / span))[:, None]
        total = np.maximum(chance.sum(0), 1e-9)
        previous = mean
        mean = chance.T @ value / total
        squares = (chance * (value[:, None] - mean) ** 2).sum(0)
        host = int(total.argmax())
        usual = np.sqrt(squares[host] / total[host]) * _brighter(mean, host) + 1e-6
        width = np.sqrt((squares + LENT * usual**2) / (total + LENT))
        width = np.clip(width, NARROWEST * usual, WIDEST * usual)
        weight = total / total_count
        stray = max(1 - float(weight.sum()), 1e-6)
        if np.abs(mean - previous).max() < 1e-5 * robust:
            break
    order = np.argsort(mean)
    return _Gaussians(weight[order], mean[order], width[order], stray, span)


def _brighter(mean: FloatArray, host: int) -> FloatArray:
    """How many times brighter than the host each group is, 1 for what is darker."""
    return np.maximum(mean / mean[host], 1.0) if mean[host] > 0 else np.ones(len(mean))


def _median(value: FloatArray, count: FloatArray) -> float:
    order = np.argsort(value)
    return float(value[order][np.searchsorted(np.cumsum(count[order]), 0.5 * count.sum())])


def _probability(values: FloatArray, mixture: _Gaussians) -> FloatArray:
    """Probability of each group for each value, shape (N, G)."""
    chance = _densities(values, mixture)
    total = chance.sum(1, keepdims=True) + mixture.stray / mixture.span
    return np.asarray(chance / total)


def _densities(values: FloatArray, mixture: _Gaussians) -> FloatArray:
    apart = (values[:, None] - mixture.mean) / mixture.width
    height = mixture.weight / (np.sqrt(2 * np.pi) * mixture.width)
    return np.asarray(height * np.exp(-0.5 * apart**2))


def _criterion(value: FloatArray, count: FloatArray, mixture: _Gaussians) -> float:
    density = _densities(value, mixture).sum(1) + mixture.stray / mixture.span
    n_parameters = 3 * len(mixture.mean)
    return float(n_parameters * np.log(count.sum()) - 2 * (count * np.log(density)).sum())


def _sound(value: FloatArray, mixture: _Gaussians) -> bool:
    """Whether groups are groups: each has a column, and they are well apart."""
    members = np.bincount(_probability(value, mixture).argmax(1), minlength=len(mixture.mean))
    apart = np.diff(mixture.mean)
    usual = 0.5 * (mixture.width[1:] + mixture.width[:-1])
    return bool((members > 0).all() and (apart > APART * usual).all())

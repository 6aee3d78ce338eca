"""From positions to grains, lattices and indices."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy.spatial import cKDTree

from scanseg.config import Config
from scanseg.lattice._columns import FloatArray, IntArray, PlacedColumns, place_columns
from scanseg.lattice._fit import LatticeFit, fit_lattice
from scanseg.lattice._growth import CONFIDENT, Grown, Limits, grow, surroundings
from scanseg.lattice._patch import Patch, read_patch
from scanseg.lattice._superlattice import Setting, enlarge, primitive, standardise
from scanseg.lattice.model import IndexedAtoms, Lattice

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Indexing", "index_atoms"]

SEEDS = 12  # patches tried before the best one grows
GOOD_ENOUGH = 0.93  # a patch of this quality is taken without looking further
NEARBY = 23  # nearest columns that are looked up once for all; enough for the bonds of a honeycomb
FAILURES = 3  # rounds of seeds without a grain, after which what is left has none


class Indexing(Config):
    """What counts as a grain."""

    tolerance: float = Field(default=0.3, gt=0, lt=0.5)
    """How far from its predicted place a column may be, as part of the distance of nearest ones."""
    largest_bend_deg: float = Field(default=4.0, gt=0, le=30)
    """Rotation within a grain, against the place where it began; beyond that another one begins."""
    largest_strain: float = Field(default=0.12, gt=0, lt=0.5)
    """Strain within a grain, against the place where it began."""
    smallest_grain: PositiveInt = 20
    """Columns that a grain has at least."""
    patch_atoms: tuple[PositiveInt, ...] = (90, 40)
    """Columns from which the lattice of a grain is first read; the smaller patch is tried where the
    larger one shows no lattice."""
    patch_quality: float = Field(default=0.5, gt=0, lt=1)
    """Part of a patch's columns that fit, times part of its sites that are taken."""


@dataclass(frozen=True, slots=True, eq=False)
class _Grain:
    setting: Setting
    rows: IntArray
    score: FloatArray


def index_atoms(
    atoms: DataFrame, *, shape: tuple[int, int] | None = None, config: Indexing | None = None
) -> IndexedAtoms:
    """Find grains, the lattice of each, and the place of every atom in it.

    Parameters
    ----------
    atoms
        Of one image, as :func:`scanseg.find_atoms` returns it; ``y_px`` and ``x_px`` are enough.
        Error bars give weights, amplitudes and classes tell sublattices apart.
    shape
        (height, width) of the image; without it what was seen is the box around all atoms.
    config
        What counts as a grain.

    Returns
    -------
    indexed
        The table with indices, ideal sites and displacements, and the lattices.

    Notes
    -----
    The lattice vectors are the shortest differences of positions that lead from nearly every column
    of a patch to another one; the sites are what is left after folding the patch into the cell.
    Indices spread from the patch as far as the surroundings of the columns look like the lattice.
    A cell is enlarged where brightness or class alternates. Vectors and sites come last, from one
    weighted fit to all columns of a grain.

    Rotation and strain within a grain are limited, so that a low-angle boundary separates grains.
    """
    config = config or Indexing()
    columns = place_columns(atoms)
    window = _window(columns, shape)
    tree = cKDTree(columns.place) if len(columns) else None
    grains, features = [], np.ones((len(columns), 1))
    if tree is not None and len(columns) >= 8:
        nearby = tree.query(columns.place, k=min(NEARBY, len(columns)))[1]
        grains = _find_grains(columns, tree, nearby, window, config)
        features = _features(atoms, columns, nearby)
    settled = [_settle(grain, features, columns) for grain in grains]
    fits = [
        fit_lattice(
            columns.place[grain.rows], columns.error[grain.rows], grain.setting.index,
            len(grain.setting.cell.site),
        )
        for grain in settled
    ]  # fmt: skip
    lattices = tuple(
        _lattice(number, grain, fit, columns)
        for number, (grain, fit) in enumerate(zip(settled, fits, strict=True))
    )
    low, high = (corner / columns.stretch for corner in window)
    return IndexedAtoms(
        _table(atoms, columns, settled, fits),
        lattices,
        ((float(low[0]), float(low[1])), (float(high[0]), float(high[1]))),
    )


def _window(columns: PlacedColumns, shape: tuple[int, int] | None) -> tuple[FloatArray, FloatArray]:
    if shape is not None:
        corners = np.array([[-0.5, -0.5], np.array(shape) - 0.5])
    elif len(columns):
        corners = np.array([columns.place.min(0), columns.place.max(0)]) / columns.stretch
    else:
        corners = np.zeros((2, 2))
    return corners[0] * columns.stretch, corners[1] * columns.stretch


def _find_grains(
    columns: PlacedColumns, tree: cKDTree, nearby: IntArray,
    window: tuple[FloatArray, FloatArray], config: Indexing,
) -> list[_Grain]:  # fmt: skip
    """Grow grains until nothing that is left shows a lattice; the largest first."""
    place = columns.place
    owner = np.full(len(place), -1)
    score = np.zeros(len(place))
    hopeless = np.zeros(len(place), bool)
    settings: list[tuple[Patch, Grown]] = []
    failures = 0
    while failures < FAILURES:
        free = owner < 0
        # Columns left over within a grain are defects; a new grain needs room.
        candidates = np.flatnonzero(free & ~hopeless & (free[nearby[:, :13]].mean(1) > 0.6))
        if len(candidates) < min(8, config.smallest_grain):
            break
        patch, tried = _best_patch(place, candidates, free, tree, config)
        if patch is None:
            hopeless[tried] = True
            failures += 1
            continue
        grown = _grow_patch(patch, place, tree, nearby, window, score, config)
        sure = grown.member & (grown.score >= CONFIDENT)
        hopeless[patch.member] = True
        if sure.sum() < config.smallest_grain / 2 or grown.member.sum() < config.smallest_grain:
            failures += 1
            continue
        failures = 0
        won = grown.member & (grown.score >= score)
        owner[won] = len(settings)
        score[won] = grown.score[won]
        settings.append((patch, grown))
    grains = [
        _Grain(Setting(patch.cell, grown.index[rows]), rows, score[rows])
        for number, (patch, grown) in enumerate(settings)
        if len(rows := np.flatnonzero(owner == number)) >= config.smallest_grain
    ]
    return sorted(grains, key=lambda grain: -len(grain.rows))


def _best_patch(
    place: FloatArray, candidates: IntArray, free: NDArray[np.bool_], tree: cKDTree,
    config: Indexing,
) -> tuple[Patch | None, IntArray]:  # fmt: skip
    """The patch that repeats best, and the seeds that were tried."""
    seeds = _spread_out(place, candidates, SEEDS)
    for size in config.patch_atoms:
        best: Patch | None = None
        for seed in seeds:
            near = np.atleast_1d(tree.query(place[seed], k=min(2 * size, len(place)))[1])
            patch = read_patch(place, near[free[near]][:size], tree)
            if patch is not None and (best is None or patch.quality > best.quality):
                best = patch
                if best.quality > GOOD_ENOUGH:
                    break
        if best is not None and best.quality >= config.patch_quality:
            return best, seeds
    return None, seeds


def _spread_out(place: FloatArray, candidates: IntArray, count: int) -> IntArray:
    """Candidates far from each other, the first one in the middle."""
    some = candidates[:: max(1, len(candidates) // 2000)]
    at = place[some]
    chosen = [int(np.hypot(*(at - np.median(at, axis=0)).T).argmin())]
    distance = np.hypot(*(at - at[chosen[0]]).T)
    for _ in range(min(count, len(some)) - 1):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.hypot(*(at - at[chosen[-1]]).T))
    return np.asarray(some[chosen])


def _grow_patch(
    patch: Patch, place: FloatArray, tree: cKDTree, nearby: IntArray,
    window: tuple[FloatArray, FloatArray], score: FloatArray, config: Indexing,
) -> Grown:  # fmt: skip
    bonds = patch.cell.bonds()
    around = surroundings(place, tree, nearby, bonds, window)
    limits = Limits(config.tolerance, float(np.deg2rad(config.largest_bend_deg)),
                    config.largest_strain)  # fmt: skip
    return grow(patch.cell, patch, bonds, around, score, limits)


def _features(atoms: DataFrame, columns: PlacedColumns, nearby: IntArray) -> FloatArray:
    """What tells kinds of columns apart, shape (N, F)."""
    # Against the surroundings, since thickness changes over an image; dopants are not to dominate.
    relative = columns.brightness / np.maximum(columns.brightness[nearby].mean(1), 1e-12)
    features = [np.clip(relative, 0.0, 3.0)]
    if "class" in atoms and atoms["class"].nunique() > 1:
        features += [(atoms["class"] == name).to_numpy(float) for name in atoms["class"].unique()]
    return np.stack(features, axis=1)


def _settle(grain: _Grain, features: FloatArray, columns: PlacedColumns) -> _Grain:
    """Give a grain the cell that all of its columns ask for."""
    setting = primitive(grain.setting)
    setting = enlarge(setting, features[grain.rows])
    fit = fit_lattice(
        columns.place[grain.rows], columns.error[grain.rows], setting.index, len(setting.cell.site)
    )
    cell = type(setting.cell)(fit.vectors, fit.corner - fit.corner[0], fit.corner[0])
    setting = standardise(Setting(cell, setting.index), features[grain.rows, 0])
    return _Grain(setting, grain.rows, grain.score)


def _lattice(number: int, grain: _Grain, fit: LatticeFit, columns: PlacedColumns) -> Lattice:
    stretch = columns.stretch
    n_sites = len(grain.setting.cell.site)
    variance = np.stack([np.diagonal(axis) for axis in fit.covariance], axis=1)
    offset = np.zeros((n_sites, 2))
    for axis in (0, 1):
        corner = fit.covariance[axis][2:, 2:]
        offset[:, axis] = np.diagonal(corner) + corner[0, 0] - 2 * corner[0]
    site, light = grain.setting.index[:, 2], columns.brightness[grain.rows]
    return Lattice(
        grain=number,
        origin_px=fit.corner[0] / stretch,
        vectors_px=fit.vectors / stretch,
        vectors_err_px=np.sqrt(np.maximum(variance[:2], 0)) / stretch,
        covariance_px2=fit.covariance[:, :2, :2] / (stretch**2)[:, None, None],
        site_px=(fit.corner - fit.corner[0]) / stretch,
        site_err_px=np.sqrt(np.maximum(offset, 0)) / stretch,
        sublattices=tuple(ascii_uppercase[:n_sites]),
        # Not the mean: three silicon atoms raise that of 70 carbon atoms by a tenth.
        brightness=np.array([np.median(light[site == n]) for n in range(n_sites)]),
        scatter_px=fit.scatter / stretch,
        n_atoms=len(grain.rows),
        pixel_size_nm=columns.pixel_size_nm,
    )


def _table(
    atoms: DataFrame, columns: PlacedColumns, grains: list[_Grain], fits: list[LatticeFit]
) -> DataFrame:
    from pandas import Categorical, Index
    from pandas.arrays import IntegerArray

    n_atoms = len(columns)
    grain = np.full(n_atoms, -1)
    index = np.zeros((n_atoms, 3), np.int64)
    match = np.zeros(n_atoms)
    ideal, error = np.full((n_atoms, 2), np.nan), np.full((n_atoms, 2), np.nan)
    for number, (each, fit) in enumerate(zip(grains, fits, strict=True)):
        grain[each.rows], match[each.rows] = number, each.score
        index[each.rows] = each.setting.index
        ideal[each.rows] = fit.ideal / columns.stretch
        error[each.rows] = fit.displacement_err / columns.stretch
    displacement = columns.place / columns.stretch - ideal
    size_pm = 1000 * np.array(columns.pixel_size_nm or (np.nan, np.nan))
    none = grain < 0
    n_names = max((len(each.setting.cell.site) for each in grains), default=0)
    site = np.where(none, -1, index[:, 2])
    return atoms.assign(
        grain=grain,
        h=IntegerArray(index[:, 0], none),
        k=IntegerArray(index[:, 1], none),
        sublattice=Categorical.from_codes(site, categories=Index(list(ascii_uppercase[:n_names]))),
        lattice_match=match,
        ideal_y_px=ideal[:, 0], ideal_x_px=ideal[:, 1],
        dy_px=displacement[:, 0], dx_px=displacement[:, 1],
        dy_err_px=error[:, 0], dx_err_px=error[:, 1],
        dy_pm=displacement[:, 0] * size_pm[0], dx_pm=displacement[:, 1] * size_pm[1],
    )  # fmt: skip

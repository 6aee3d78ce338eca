"""Widths and noise of an image, from a part of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scanseg.atoms._columns import FloatArray
from scanseg.atoms._correlated import variance_factors
from scanseg.atoms._noise import estimate_noise, flat_noise, is_correlated
from scanseg.atoms._scene import MANY, Scene, Tile, tiles_of
from scanseg.atoms._tile_fit import (
    Fit,
    Patch,
    advance,
    begin,
    cut,
    limit_widths,
    unevenness,
    window_rows,
)

# Enough columns to know a width to 1 % and the noise to a few per cent at 30 counts a column.
PILOT_COLUMNS = 1000
# Columns whose mean tells the width that the fit starts from, and the rings it is told in.
PROFILED_COLUMNS = 400
N_RINGS = 48
# Fewer than this, and the mean is no better a start than the settings.
FEWEST_PROFILED = 30
# ln(sigma) is known beforehand to about 0.5, which matters for a handful of faint columns only.
WIDTH_PRIOR = 4.0
# Windows and weights are drawn up for a width; where it has moved by this part since, once more.
WIDTH_HELD = 0.05
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Pilot:
    """What a part of the image told about all of it."""

    sigma: FloatArray  # (C,)
    noise: FloatArray  # alpha, beta, floor, in units of the scene
    correlation: FloatArray  # factors on the variances of (amplitude, y, x)
    uneven: float  # of the background, see _tile_fit.unevenness
    sign: float  # +1: bright columns, -1: dark ones
    whole: Fit | None  # the fit itself, where the part was everything


def fit_pilot(scene: Scene) -> Pilot:
    """Fit some tiles with free widths, and learn the noise from their residuals."""
    tiles = _pilot_tiles(scene)
    fits = [fit for tile in tiles if (fit := _pilot_fit(scene, tile)) is not None]
    information = np.array([fit.width_information for fit in fits])
    logs = np.log([fit.sigma for fit in fits])
    total = information.sum(axis=0)
    known = total > 0
    sigma = np.full(scene.n_kinds, scene.config.start_width * scene.spacing_px)
    sigma[known] = np.exp((information * logs).sum(axis=0)[known] / total[known])
    noise = estimate_noise(fits)
    amplitude = np.concatenate([fit.amplitude for fit in fits])
    strength = np.concatenate([fit.block[:, 0] for fit in fits])
    sign = 1.0 if np.sum(np.sign(amplitude) * np.sqrt(strength) * np.abs(amplitude)) >= 0 else -1.0
    uneven = float(np.sqrt(np.mean([fit.uneven**2 for fit in fits])))
    whole = None
    if len(tiles) == 1 and tiles[0] == Tile(0, scene.shape[0], 0, scene.shape[1]):
        # only the weights change: the noise is known a little better now
        whole = advance(scene, fits[0], noise, least=0, most=0)
        sigma = whole.sigma
    factors = np.ones(3)
    if is_correlated(fits):
        factors = variance_factors(scene, sigma, noise, uneven)
    return Pilot(sigma, noise, factors, uneven, sign, whole)


def _pilot_tiles(scene: Scene) -> list[Tile]:
    """The whole image if it is small, otherwise a few tiles that hold every class."""
    height, width = scene.shape
    if len(scene.order) <= 2 * PILOT_COLUMNS and max(scene.shape) <= 2 * scene.tile_side():
        return [Tile(0, height, 0, width)]
    side = max(math.ceil(24 * scene.spacing_px), 64)
    tiles = list(tiles_of(scene.shape, side))
    down = len({tile.top for tile in tiles})
    across = len(tiles) // down
    population = np.zeros((scene.n_kinds, len(tiles)), int)
    for some in np.array_split(scene.order, 1 + len(scene.order) // MANY):
        place = np.floor((scene.start[some] + 0.5) / (height / down, width / across)).astype(int)
        place = np.clip(place, 0, (down - 1, across - 1))
        number = place[:, 0] * across + place[:, 1]
        np.add.at(population, (scene.kind[some], number), 1)
    crowd = population.sum(axis=0)
    good = np.flatnonzero(crowd >= 0.5 * crowd.max())
    wanted = max(1, min(len(good), round(PILOT_COLUMNS / crowd[good].mean())))
    chosen = set(good[np.linspace(0, len(good) - 1, wanted).round().astype(int)].tolist())
    for members in population:
        if not members[sorted(chosen)].sum():
            chosen.add(int(members.argmax()))
    return [tiles[k] for k in sorted(chosen)]


def _pilot_fit(scene: Scene, tile: Tile) -> Fit | None:
    sigma = np.full(scene.n_kinds, scene.config.start_width * scene.spacing_px)
    patch = cut(scene, tile, window_rows(1.25 * sigma.max(), scene.config))
    if patch is None:
        return None
    for kind in range(scene.n_kinds):
        sigma[kind] = _profiled_width(scene, patch, kind, sigma[kind])
    fit = begin(scene, patch, sigma, window_rows(1.25 * sigma.max(), scene.config))
    flat = flat_noise(patch)
    advance(
        scene,
        fit,
        flat,
        least=2,
        most=min(3, scene.config.max_steps),
        tolerance=1.0,
        width_prior=WIDTH_PRIOR,
        reject=False,
    )
    limit_widths(scene, fit)
    for _ in range(MOST_ROUNDS):
        before = fit.sigma.copy()
        fit.uneven = unevenness(fit)
        noise = estimate_noise([fit])
        advance(scene, fit, noise, least=1, most=scene.config.max_steps, width_prior=WIDTH_PRIOR)
        limit_widths(scene, fit)
        if np.all(np.abs(np.log(fit.sigma / before)) < WIDTH_HELD):
            break
    return fit


def _profiled_width(scene: Scene, patch: Patch, kind: int, start: float) -> float:
    """Width of the mean column of a kind about its starts, where it is below that of the settings.

    Wide windows and first steps that lead far take most of the time of a fit. A column wider than
    the settings say overlaps with its neighbours, and its mean tells little.
    """
    members = np.flatnonzero((scene.kind[patch.member] == kind) & patch.core)
    members = members[:: 1 + len(members) // PROFILED_COLUMNS]
    if len(members) < FEWEST_PROFILED:
        return start
    reach_px = 0.45 * scene.spacing_px
    step = 1 + int(reach_px) // 8
    axis = np.arange(-math.ceil(reach_px), math.ceil(reach_px) + 1, step)
    offset = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    middle = patch.start[members]
    pixel = np.round(middle).astype(int)[:, None] + offset
    r2 = ((pixel - middle[:, None]) ** 2).sum(axis=-1)
    near = (r2 < reach_px**2) & (patch.used[pixel[..., 0], pixel[..., 1]] > 0)
    value = patch.data[pixel[..., 0], pixel[..., 1]][near].astype(np.float64)
    ring = (r2[near] * (N_RINGS / reach_px**2)).astype(np.intp)
    count = np.bincount(ring, minlength=N_RINGS)
    known = count > 0
    count = count[known]
    mean = np.bincount(ring, value, minlength=N_RINGS)[known] / count
    mean_r2 = np.bincount(ring, r2[near], minlength=N_RINGS)[known] / count
    widths = start * np.geomspace(0.35, 1.0, 12)
    height = np.exp(-mean_r2 / (2 * widths[:, None] ** 2))
    height -= np.average(height, axis=1, weights=count)[:, None]
    mean -= np.average(mean, weights=count)
    power = (count * height**2).sum(axis=1)
    explained = (count * height * mean).sum(axis=1) ** 2 / np.maximum(power, 1e-12)
    return float(widths[explained.argmax()])

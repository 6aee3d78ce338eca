"""Results: which fits are to be trusted, which columns are those of the image."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from scanseg.atoms import _error_bars, _joint_fit
from scanseg.atoms._columns import FloatArray, Noise, RefinedColumns
from scanseg.atoms._pilot import Pilot
from scanseg.atoms._scene import MANY, Scene, room_to_border
from scanseg.atoms._tile_fit import Fit
from scanseg.micrograph import Mask


def blank(start: FloatArray, inside: Mask, sigma_px: float) -> RefinedColumns:
    count = len(start)
    return RefinedColumns(
        position_px=start.copy(),
        position_err_px=np.full((count, 2), np.nan, np.float32),
        amplitude=np.full(count, np.nan, np.float32),
        sigma_px=np.full(count, sigma_px, np.float32),
        background=np.full(count, np.nan, np.float32),
        residual=np.full(count, np.nan, np.float32),
        fit_ok=np.zeros(count, np.bool_),
        at_edge=np.zeros(count, np.bool_),
        inside=inside,
        n_iterations=np.zeros(count, np.uint16),
        noise=None,
    )


def accept(
    columns: RefinedColumns, scene: Scene, pilot: Pilot, fit: Fit, *, first: int = 0
) -> None:
    """Write the columns of a fitted tile into the table, those that pass as refined.

    The table begins with the column ``first`` of the scene.
    """
    config, patch = scene.config, fit.patch
    count = len(fit.y)
    chi2, better, variance = np.zeros(count), np.zeros(count), np.zeros((count, 3))
    _joint_fit.judge(
        patch.data,
        fit.model,
        fit.weight,
        fit.y,
        fit.x,
        fit.amplitude,
        fit.kind,
        fit.sigma,
        patch.start[:, 0].copy(),
        patch.start[:, 1].copy(),
        fit.rows,
        fit.cols,
        chi2,
        better,
    )
    _error_bars.covariances(
        fit.weight,
        fit.y,
        fit.x,
        fit.amplitude,
        fit.kind,
        fit.sigma,
        fit.block,
        4.5 * fit.sigma.max(),
        8,
        fit.rows,
        fit.cols,
        variance,
    )
    with np.errstate(invalid="ignore"):
        error = np.sqrt(pilot.correlation * variance)
        position = np.stack([fit.y, fit.x], axis=1)
        lowest, highest = patch.bounds
        held = ((position <= lowest + 1e-3) | (position >= highest - 1e-3)).any(axis=1)
        ok = (
            np.isfinite(error).all(axis=1)
            & (pilot.sign * fit.amplitude > config.min_significance * error[:, 0])
            & ~held
            & (error[:, 1:].max(axis=1) < config.max_error * scene.spacing_px)
            & (fit.shift < 1)
            & (better > -0.5)
            & (chi2 < config.max_misfit * _typical(chi2))
        )
    ok &= ~_merged(fit)
    start = scene.start[patch.member[patch.core]]
    own = patch.member[patch.core] - first
    good = ok[patch.core]
    columns.position_px[own[good]] = (position + patch.corner)[patch.core][good]
    columns.position_err_px[own[good]] = error[patch.core][good, 1:]
    columns.amplitude[own] = scene.contrast * fit.amplitude[patch.core]
    columns.sigma_px[own] = fit.sigma[fit.kind][patch.core]
    columns.residual[own] = chi2[patch.core]
    columns.fit_ok[own] = good
    fitted = (position + patch.corner)[patch.core]
    columns.inside[own] = _of_the_image(scene, start, fitted, good)
    columns.n_iterations[own] = fit.steps
    level = _interpolate(fit.nodes, position / fit.pitch)
    columns.background[own] = scene.level + scene.contrast * level[patch.core]


# Half a pixel and a pixel where columns are 12 px apart. At 3,000 counts a column and
# widths up to a third of the spacing 99.9 % of what is left at the border is true, and 0.4 % of the
# columns there are lost; without these rules 92 % and 0.1 %. To ask for a maximum of the intensity
# towards the border told untrusted ones no better.
BEYOND_BORDER = 0.04
OUTERMOST = 0.08


def _of_the_image(scene: Scene, start: FloatArray, fitted: FloatArray, good: Mask) -> Mask:
    """Which columns have their centre in the image."""
    spacing_px = scene.spacing_px
    outside = room_to_border(fitted, scene.shape) < -BEYOND_BORDER * spacing_px
    doubtful = ~good & (room_to_border(start, scene.shape) < OUTERMOST * spacing_px)
    return ~(outside | doubtful)


def _typical(misfit: FloatArray) -> float:
    known = misfit[np.isfinite(misfit)]
    return float(np.median(known)) if len(known) else math.nan


def _merged(fit: Fit) -> Mask:
    """The weaker ones of columns that ended within a width of each other: one column, fitted twice.

    Two Gaussians closer than 2 sigma are one peak; at 1 sigma no dose in use tells them apart.
    """
    most = 4
    index = np.empty((len(fit.y), most), np.int64)
    distance2 = np.empty((len(fit.y), most))
    _error_bars.neighbours(fit.y, fit.x, float(fit.sigma.max()), index, distance2)
    strength = np.abs(fit.amplitude)
    number = np.arange(len(strength))[:, None]
    rival = strength[index]
    stronger = (rival > strength[:, None]) | ((rival == strength[:, None]) & (index < number))
    return np.asarray(((index >= 0) & stronger).any(axis=1), np.bool_)


def _interpolate(nodes: FloatArray, place: FloatArray) -> FloatArray:
    """Bilinear value between nodes, `place` in units of their distance, shape (n, 2)."""
    cell = np.clip(np.floor(place).astype(int), 0, np.array(nodes.shape) - 2)
    u, v = (place - cell).T
    a, b = cell.T
    first = (1 - v) * nodes[a, b] + v * nodes[a, b + 1]
    last = (1 - v) * nodes[a + 1, b] + v * nodes[a + 1, b + 1]
    result: FloatArray = (1 - u) * first + u * last
    return result


def finished(columns: RefinedColumns, scene: Scene, pilot: Pilot | None) -> RefinedColumns:
    """Add what concerns the image as a whole."""
    near = np.ones(len(columns.at_edge), np.bool_)
    for start in range(0, len(near), MANY):
        some = slice(start, start + MANY)
        room = room_to_border(columns.position_px[some], scene.shape)
        with np.errstate(invalid="ignore"):
            near[some] = ~(room >= scene.config.edge_widths * columns.sigma_px[some])
    if pilot is None:
        return replace(columns, at_edge=near)
    alpha, beta, _ = pilot.noise
    offset = scene.contrast**2 * alpha - scene.contrast * beta * scene.level
    noise = Noise(float(offset), float(scene.contrast * beta), float(pilot.correlation[1:].mean()))
    return replace(columns, at_edge=near, noise=noise)

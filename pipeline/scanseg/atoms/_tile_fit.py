"""One tile: its pixels and columns, the state of their fit, and some steps of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms import _joint_fit, _windows
from scanseg.atoms._columns import FloatArray
from scanseg.atoms._scene import Scene, Tile
from scanseg.atoms.settings import Refinement
from scanseg.mapped import copied
from scanseg.micrograph import FloatImage, Mask

# A start within half a spacing of the border may be the flank of a column outside of the image (a
# network that sees the image mirrored there finds a ridge on the last pixels). The fit may follow
# it this far out; true centres were 0.2 to 0.45 spacings out.
NEAR_BORDER = 0.5
REACH_OUTSIDE = 0.6
# What is known of amplitudes and background beforehand, in units of the usual amplitude. Columns of
# one image may differ tenfold: where anything is seen of one, this says nothing. But what is
# mistaken for a column at the border leaves the image, and could be any height there (it was up to
# 170 times the usual one, and took the width of all with it).
DIVERSITY = 2.0
# The background: s.d. of the difference between neighbouring nodes, to begin with and at least. At
# 100 counts and 3 widths between columns it cannot be told from them, and took their place.
UNEVEN = 0.3
LEAST_UNEVEN = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The data of a tile with its margins, padded so that no window leaves the array."""

    data: FloatImage
    used: FloatImage
    corner: FloatArray  # (y, x) of its pixel (0, 0) in the image
    member: NDArray[np.int32]  # columns of the scene that are fitted
    core: Mask  # those that the tile answers for
    start: FloatArray  # (n, 2), in pixels of the patch
    bounds: tuple[FloatArray, FloatArray]  # lowest and highest position of each, (n, 2)
    room: int  # the largest window that the padding allows
    middle: tuple[slice, slice]  # the tile without its margins


@dataclass(slots=True, eq=False)
class Fit:
    """State of a joint fit on one patch."""

    patch: Patch
    kind: NDArray[np.int64]
    y: FloatArray
    x: FloatArray
    amplitude: FloatArray
    sigma: FloatArray
    nodes: FloatArray
    pitch: int
    rows: int
    cols: int
    images: FloatImage  # (4, h, w): model, weight, and two to work in
    block: FloatArray
    shift: FloatArray
    uneven: float  # difference of neighbouring nodes, in units of the usual amplitude
    width_information: FloatArray
    steps: int

    @property
    def model(self) -> FloatImage:
        image: FloatImage = self.images[0]
        return image

    @property
    def weight(self) -> FloatImage:
        image: FloatImage = self.images[1]
        return image


def window_rows(sigma_px: float, config: Refinement) -> int:
    """Rows of the window of a column."""
    return max(4, 2 * math.ceil(config.window_widths * sigma_px))


def _lanes(rows: int) -> int:
    """Pixels in a row of a window: a multiple of 8, which vector units do at once.

    24 take as long as 20, 16 half as long as 14.
    """
    return -(-rows // 8) * 8


def cut(scene: Scene, tile: Tile, window: int) -> Patch | None:
    """Take the pixels and columns of a tile with its margins out of the scene."""
    margin = 2.5 * scene.spacing_px
    first = scene.first_below(tile.top - 0.5 - margin)
    last = scene.first_below(tile.bottom - 0.5 + margin)
    x = scene.start[scene.order[first:last], 1]
    beside = (x >= tile.left - 0.5 - margin) & (x < tile.right - 0.5 + margin)
    chosen = np.sort(scene.order[first:last][beside])
    if not len(chosen):
        return None
    y, x = scene.start[chosen].T
    core = (y >= tile.top - 0.5) & (y < tile.bottom - 0.5)
    core &= (x >= tile.left - 0.5) & (x < tile.right - 0.5)
    if not core.any():
        return None
    reach = max(window // 2 + 1, math.ceil(0.75 * scene.spacing_px))
    # Pixels end a spacing before the columns do: beyond the margin stand columns that this tile
    # does not know, and their light would widen the last ones.
    around = math.ceil(1.5 * scene.spacing_px)
    top, bottom = max(0, tile.top - around), min(scene.shape[0], tile.bottom + around)
    left, right = max(0, tile.left - around), min(scene.shape[1], tile.right + around)
    # Widths end below half a spacing (limit_widths), so this window is the largest there can be.
    room = _lanes(max(window, window_rows(max(0.5, 0.5 * scene.spacing_px), scene.config)))
    pad = room // 2 + math.ceil((scene.config.max_shift + 1.0) * scene.spacing_px) + 2
    corner = np.array([top - pad, left - pad], np.float64)
    start = scene.start[chosen] - corner

    shape = (bottom - top + 2 * pad, right - left + 2 * pad)
    data, used = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    inner = (slice(pad, -pad), slice(pad, -pad))
    values = copied(scene.image[top:bottom, left:right], np.float32) - np.float32(scene.level)
    _windows.cover(used[inner], start[:, 0] - pad, start[:, 1] - pad, reach)
    if scene.valid is not None:
        used[inner] *= scene.valid[top:bottom, left:right]
    values = values.astype(np.float32, copy=False)
    _windows.standardise(values, scene.contrast, data[inner], used[inner])
    middle = (
        slice(tile.top - top + pad, tile.bottom - top + pad),
        slice(tile.left - left + pad, tile.right - left + pad),
    )
    lowest, highest = _bounds(scene, scene.start[chosen])
    bounds = lowest - corner, highest - corner
    return Patch(data, used, corner, chosen, core, start, bounds, room, middle)


def _bounds(scene: Scene, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far columns may move: max_shift, or beyond the border that they may come from."""
    spacing_px = scene.spacing_px
    shift = scene.config.max_shift * spacing_px
    reach, near = REACH_OUTSIDE * spacing_px, NEAR_BORDER * spacing_px
    first, last = np.full(2, -0.5), np.array(scene.shape) - 0.5
    lowest = np.where(start - first < near, np.minimum(start - shift, first - reach), start - shift)
    highest = np.where(last - start < near, np.maximum(start + shift, last + reach), start + shift)
    return lowest, highest


def begin(
    scene: Scene, patch: Patch, sigma: FloatArray, window: int, uneven: float = UNEVEN
) -> Fit:
    """A fit that knows nothing yet but where the columns are about."""
    pitch = max(4, round(scene.config.background_pitch * scene.spacing_px))
    height, width = patch.data.shape
    nodes = np.zeros((-(-height // pitch) + 1, -(-width // pitch) + 1))
    count = len(patch.member)
    return Fit(
        patch=patch,
        kind=scene.kind[patch.member].astype(np.int64),
        y=patch.start[:, 0].copy(),
        x=patch.start[:, 1].copy(),
        amplitude=_heights(patch),
        sigma=sigma.copy(),
        nodes=nodes,
        pitch=pitch,
        rows=window,
        cols=_lanes(window),
        images=np.empty((4, height, width), np.float32),
        block=np.zeros((count, 6)),
        shift=np.zeros(count),
        uneven=uneven,
        width_information=np.zeros(len(sigma)),
        steps=0,
    )


def _heights(patch: Patch) -> FloatArray:
    """Amplitudes to begin with: means of 3×3 pixels, above the ground or, for dark ones, below.

    Not less than a third of the contrast: too high an amplitude makes the first step of a position
    short, too low a one makes it long.
    """
    y, x = np.round(patch.start).astype(int).T
    around = np.indices((3, 3)).reshape(2, 9) - 1
    mean = patch.data[y[:, None] + around[0], x[:, None] + around[1]].mean(axis=1, dtype=np.float64)
    some = slice(None, None, 4)
    ground = patch.data[some, some][patch.used[some, some] > 0]
    dark = len(ground) > 0 and np.median(mean) < np.median(ground)
    height: FloatArray = np.minimum(mean - 1, -0.3) if dark else np.maximum(mean, 0.3)
    return height


def advance(
    scene: Scene,
    fit: Fit,
    noise: FloatArray,
    *,
    least: int,
    most: int,
    tolerance: float | None = None,
    width_prior: float = 0.0,
    reject: bool = True,
) -> Fit:
    """Take some steps; the state of the fit changes in place."""
    config = scene.config
    usual = _usual_amplitude(fit)
    fit.block, fit.shift, fit.width_information, steps = _joint_fit.fit_tile(
        fit.patch.data,
        fit.patch.used,
        fit.images,
        *fit.patch.bounds,
        fit.y,
        fit.x,
        fit.amplitude,
        fit.kind,
        fit.patch.core,
        fit.sigma,
        fit.nodes,
        fit.pitch,
        noise,
        fit.rows,
        fit.cols,
        width_prior,
        usual,
        (DIVERSITY * usual) ** -2,
        (fit.uneven * usual) ** -2,
        reject,
        least,
        most,
        tolerance or config.tolerance,
        30,
    )
    fit.steps += steps
    return fit


def _usual_amplitude(fit: Fit) -> float:
    """Amplitude of most columns, with its sign."""
    height = float(np.median(fit.amplitude))
    return math.copysign(max(abs(height), 1e-2), height)


def unevenness(fit: Fit) -> float:
    """Root mean square difference between neighbouring nodes, in units of the usual amplitude."""
    seen = fit.patch.used[:: fit.pitch, :: fit.pitch] > 0
    nodes = np.where(seen, fit.nodes[: seen.shape[0], : seen.shape[1]], np.nan)
    step = np.concatenate([np.diff(nodes, axis=0).ravel(), np.diff(nodes, axis=1).ravel()])
    step = step[np.isfinite(step)]
    if not len(step):
        return UNEVEN
    uneven = float(np.sqrt(np.mean(step**2))) / abs(_usual_amplitude(fit))
    return max(uneven, LEAST_UNEVEN)


def limit_widths(scene: Scene, fit: Fit) -> None:
    """Keep widths between half a pixel and half a spacing, and the window in step with them."""
    np.clip(fit.sigma, 0.5, max(0.5, 0.5 * scene.spacing_px), out=fit.sigma)
    fit.rows = min(fit.patch.room, window_rows(float(fit.sigma.max()), scene.config))
    fit.cols = _lanes(fit.rows)

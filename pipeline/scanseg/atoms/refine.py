"""Positions of atom columns to a fraction of a pixel, with error bars, from the measured image.

All columns, a smooth background and one width per class are fitted together by quasi-likelihood:
the variance of a pixel is alpha + beta mu, with alpha and beta estimated from the image, so counts
reach the Poisson limit and an image with gain and offset gives the same positions and error bars.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from scanseg.config import Config
from scanseg.micrograph import FloatImage, Mask, RealImage

__all__ = ["Noise", "RefinedColumns", "Refinement", "refine_columns"]

FloatArray = NDArray[np.float64]


class Refinement(Config):
    """How positions are refined. The defaults are meant for every image."""

    start_width: PositiveFloat = 0.22
    "Width sigma of a column, in units of the spacing, that the fit starts from."
    window_widths: PositiveFloat = 3.2
    "A column is fitted within this many widths of its position along each axis."
    background_pitch: PositiveFloat = 4.0
    "Distance between the nodes of the bilinear background, in units of the spacing."
    max_shift: PositiveFloat = 0.35
    """A column that moves farther from its start, in units of the spacing, is not trusted; but near
    the border it may leave the image."""
    min_significance: float = Field(default=3.0, ge=0)
    "A column whose amplitude is fewer standard errors from zero is not trusted."
    max_misfit: PositiveFloat = 20.0
    "A column whose mean squared residual exceeds the image's median so many times is not trusted."
    edge_widths: float = Field(default=1.5, ge=0)
    "A column closer to the border of the image, in widths, is flagged as at the edge."
    max_steps: PositiveInt = 10
    "Steps of the joint fit; most images need four or five."
    tolerance: PositiveFloat = 0.1
    "The fit ends when steps are smaller than this, in standard errors."
    tile_px: PositiveInt = 1024
    "Side of the tiles that a large image is fitted in. They overlap by a few columns."
    threads: PositiveInt = 2
    "Tiles fitted at the same time. The result does not depend on it."


@dataclass(frozen=True, slots=True)
class Noise:
    """Variance of a pixel whose expected value is mu: ``offset + gain * mu``.

    Parameters
    ----------
    offset
        Variance at mu = 0; negative for counts with an offset.
    gain
        Image units a count, 1 for counts.
    correlation
        How much the variance of a fitted position exceeds that of independent pixels: 1 for raw
        counts, more for filtered or interpolated images.
    """

    offset: float
    gain: float
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class RefinedColumns:
    """What is known of N columns, in the order of their start positions.

    Parameters
    ----------
    position_px
        (y, x) in pixels, shape (N, 2). Where `fit_ok` is False this is the start position.
    position_err_px
        One standard deviation along (y, x), shape (N, 2); NaN where `fit_ok` is False.
    amplitude
        Height of the Gaussian in image units, shape (N,); negative for dark columns.
    sigma_px
        Width of the Gaussian, shape (N,), one value a class.
    background
        Fitted background at the column in image units, shape (N,).
    residual
        Mean squared residual in the column's window in units of the noise, shape (N,).
    fit_ok
        Whether the fit is to be trusted, shape (N,).
    at_edge
        Whether the column is closer than ``edge_widths`` widths to the border, shape (N,).
    inside
        Whether the column is one of the image, shape (N,). It is not where the fitted centre, to be
        trusted or not, lies more than 4 % of the spacing (half a pixel at 12 px) beyond the border;
        nor where a fit that is not to be trusted started within 8 % (one pixel) of the border, on
        the flank of something outside.
    n_iterations
        Steps of the fit the column took part in, shape (N,).
    noise
        The noise found in the image; None if nothing could be fitted.

    Notes
    -----
    Positions are float64; what is known to a few per cent is float32, for images with millions of
    columns.
    """

    position_px: FloatArray
    position_err_px: FloatImage
    amplitude: FloatImage
    sigma_px: FloatImage
    background: FloatImage
    residual: FloatImage
    fit_ok: Mask
    at_edge: Mask
    inside: Mask
    n_iterations: NDArray[np.uint16]
    noise: Noise | None


def refine_columns(
    image: RealImage,
    start_px: FloatArray,
    *,
    class_index: NDArray[np.integer[Any]] | None = None,
    spacing_px: float,
    valid: Mask | None = None,
    config: Refinement | None = None,
) -> RefinedColumns:
    """Fit Gaussian columns, all together, to the measured image.

    Parameters
    ----------
    image
        Shape (height, width), counts or any other real numbers; columns bright or dark.
    start_px
        Start positions (y, x), shape (N, 2), right within about a third of the spacing.
    class_index
        Class of each column, shape (N,); each class has a width of its own. None: one class.
    spacing_px
        Distance between nearest columns.
    valid
        False where a pixel must not be used, shape (height, width). NaN is never used.
    config
        Settings.

    Returns
    -------
    columns
        One entry a start position, none dropped.

    Notes
    -----
    Fisher scoring on the quasi-likelihood (Wedderburn, Biometrika 61, 439, 1974); the error bars
    are the inverse Fisher information of a column with its neighbours unknown as well.
    Nothing outside of the image is extrapolated: a column at the border is fitted on the part of
    it that was measured. A start within half a spacing of the border may turn out to be the flank
    of a column outside. Such columns take part, because their light falls on their neighbours, and
    are told by `inside`.
    """
    config = config or Refinement()
    start = np.asarray(start_px, np.float64).reshape(-1, 2)
    if not (math.isfinite(spacing_px) and spacing_px > 0):
        raise ValueError(f"spacing_px must be a positive length, not {spacing_px}")
    kind = _class_numbers(class_index, len(start))
    scene = _Scene.of(image, valid, start, kind, spacing_px, config)
    columns = _blank(start, _inside(start, scene.shape), config.start_width * spacing_px)
    if not len(scene.order):
        return _finished(columns, scene, None)
    pilot = _pilot(scene)
    tiles = list(_tiles(scene.shape, scene.tile_side()))
    if pilot.whole is not None:
        _accept(columns, scene, pilot, pilot.whole)
    else:
        # Tiles write the rows of their own columns: the order does not matter.
        _in_parallel(lambda tile: _fit_one(columns, scene, pilot, tile), tiles, config.threads)
    return _finished(columns, scene, pilot)


# --- what is fitted ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """The image in units of its own contrast, and the columns sorted out by place."""

    image: RealImage
    valid: Mask | None
    start: FloatArray  # (N, 2)
    kind: NDArray[np.uint16]  # (N,)
    n_kinds: int
    spacing_px: float
    order: NDArray[np.int32]  # the columns that take part, from top to bottom
    level: float  # image = level + contrast * data
    contrast: float
    config: Refinement

    @classmethod
    def of(
        cls,
        image: RealImage,
        valid: Mask | None,
        start: FloatArray,
        kind: NDArray[np.uint16],
        spacing_px: float,
        config: Refinement,
    ) -> _Scene:
        # Twenty thousand pixels tell the range well enough.
        stride = max(1, math.isqrt(image.size // 20_000))
        some = image[::stride, ::stride].astype(np.float64)
        usable = np.isfinite(some)
        if valid is not None:
            usable &= valid[::stride, ::stride]
        low, high = np.percentile(some[usable], (1, 99)) if usable.any() else (0.0, 1.0)
        n_kinds = int(kind.max()) + 1 if len(kind) else 1
        order = np.flatnonzero(_inside(start, image.shape)).astype(np.int32)
        if np.any(np.diff(start[order, 0]) < 0):
            order = order[np.argsort(start[order, 0], kind="stable")]
        contrast = (high - low) or 1.0
        return cls(image, valid, start, kind, n_kinds, spacing_px, order, low, contrast, config)

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def first_below(self, y: float) -> int:
        """Place in `order` of the first column at y or below."""
        return bisect_left(self.order, y, key=lambda column: self.start[column, 0])

    def tile_side(self) -> int:
        # Margins of five spacings in all: 40 spacings keep the work done twice below a third.
        return max(self.config.tile_px, math.ceil(40 * self.spacing_px))


@dataclass(frozen=True, slots=True)
class _Tile:
    """A rectangle of the image whose columns one fit answers for: first row, last row, …"""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """The data of a tile with its margins, padded so that no window leaves the array."""

    data: FloatImage
    used: FloatImage
    corner: FloatArray  # (y, x) of its pixel (0, 0) in the image
    member: NDArray[np.int64]  # columns of the scene that are fitted
    core: Mask  # those that the tile answers for
    start: FloatArray  # (n, 2), in pixels of the patch
    bounds: tuple[FloatArray, FloatArray]  # lowest and highest position of each, (n, 2)
    room: int  # the largest window that the padding allows
    middle: tuple[slice, slice]  # the tile without its margins


@dataclass(slots=True, eq=False)
class _Fit:
    """State of a joint fit on one patch."""

    patch: _Patch
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


@dataclass(frozen=True, slots=True, eq=False)
class _Pilot:
    """What a part of the image told about all of it."""

    sigma: FloatArray  # (C,)
    noise: FloatArray  # alpha, beta, floor, in units of the scene
    correlation: float
    sign: float  # +1: bright columns, -1: dark ones
    whole: _Fit | None  # the fit itself, where the part was everything


def _inside(position: FloatArray, shape: tuple[int, ...]) -> Mask:
    """Positions that are finite and on a pixel of the image."""
    with np.errstate(invalid="ignore"):
        inside = (position >= -0.5) & (position < np.array(shape) - 0.5)
    return np.asarray(inside.all(axis=1), np.bool_)


def _class_numbers(class_index: NDArray[np.integer[Any]] | None, count: int) -> NDArray[np.uint16]:
    if class_index is None:
        return np.zeros(count, np.uint16)
    if np.shape(class_index) != (count,):
        raise ValueError(f"{count} positions need {count} classes, not {np.shape(class_index)}")
    return np.searchsorted(np.unique(class_index), class_index).astype(np.uint16)


def _tiles(shape: tuple[int, int], side: int) -> Iterable[_Tile]:
    """Tiles of about equal size that cover the image."""
    edges = [
        np.linspace(0, length, max(1, round(length / side)) + 1).astype(int).tolist()
        for length in shape
    ]
    for top, bottom in zip(edges[0][:-1], edges[0][1:], strict=True):
        for left, right in zip(edges[1][:-1], edges[1][1:], strict=True):
            yield _Tile(top, bottom, left, right)


def _in_parallel(work: Callable[[_Tile], None], tiles: list[_Tile], threads: int) -> None:
    if len(tiles) == 1 or threads == 1:
        for tile in tiles:
            work(tile)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tiles):
            pass


# --- one tile ------------------------------------------------------------------------------------

# A start within half a spacing of the border may be the flank of a column outside of the image (a
# network that sees the image mirrored there finds a ridge on the last pixels). The fit may follow
# it this far out; true centres were 0.2 to 0.45 spacings out.
NEAR_BORDER = 0.5
REACH_OUTSIDE = 0.6


def _window(sigma_px: float, config: Refinement) -> int:
    """Rows of the window of a column."""
    return max(4, 2 * math.ceil(config.window_widths * sigma_px))


def _lanes(rows: int) -> int:
    """Pixels in a row of a window: a multiple of 8, which vector units do at once.

    24 take as long as 20, 16 half as long as 14.
    """
    return -(-rows // 8) * 8


def _cut(scene: _Scene, tile: _Tile, window: int) -> _Patch | None:
    """Take the pixels and columns of a tile with its margins out of the scene."""
    from scanseg.atoms import _windows

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
    # Widths end below half a spacing (_limit_widths), so this window is the largest there can be.
    room = _lanes(max(window, _window(max(0.5, 0.5 * scene.spacing_px), scene.config)))
    pad = room // 2 + math.ceil((scene.config.max_shift + 1.0) * scene.spacing_px) + 2
    corner = np.array([top - pad, left - pad], np.float64)
    start = scene.start[chosen] - corner

    shape = (bottom - top + 2 * pad, right - left + 2 * pad)
    data, used = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    inner = (slice(pad, -pad), slice(pad, -pad))
    values = scene.image[top:bottom, left:right] - np.float32(scene.level)
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
    return _Patch(data, used, corner, chosen, core, start, bounds, room, middle)


def _bounds(scene: _Scene, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far columns may move: max_shift, or beyond the border that they may come from."""
    spacing_px = scene.spacing_px
    shift = scene.config.max_shift * spacing_px
    reach, near = REACH_OUTSIDE * spacing_px, NEAR_BORDER * spacing_px
    first, last = np.full(2, -0.5), np.array(scene.shape) - 0.5
    lowest = np.where(start - first < near, np.minimum(start - shift, first - reach), start - shift)
    highest = np.where(last - start < near, np.maximum(start + shift, last + reach), start + shift)
    return lowest, highest


def _begin(scene: _Scene, patch: _Patch, sigma: FloatArray, window: int) -> _Fit:
    """A fit that knows nothing yet but where the columns are about."""
    pitch = max(4, round(scene.config.background_pitch * scene.spacing_px))
    height, width = patch.data.shape
    nodes = np.zeros((-(-height // pitch) + 1, -(-width // pitch) + 1))
    count = len(patch.member)
    return _Fit(
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
        width_information=np.zeros(len(sigma)),
        steps=0,
    )


def _heights(patch: _Patch) -> FloatArray:
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


def _advance(
    scene: _Scene,
    fit: _Fit,
    noise: FloatArray,
    *,
    least: int,
    most: int,
    tolerance: float | None = None,
    width_prior: float = 0.0,
    reject: bool = True,
) -> _Fit:
    """Take some steps; the state of the fit changes in place."""
    from scanseg.atoms import _joint_fit

    config = scene.config
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
        reject,
        least,
        most,
        tolerance or config.tolerance,
        30,
    )
    fit.steps += steps
    return fit


def _fit_one(columns: RefinedColumns, scene: _Scene, pilot: _Pilot, tile: _Tile) -> None:
    window = _window(pilot.sigma.max(), scene.config)
    patch = _cut(scene, tile, window)
    if patch is None:
        return
    fit = _begin(scene, patch, pilot.sigma, window)
    _advance(scene, fit, pilot.noise, least=3, most=scene.config.max_steps)
    _accept(columns, scene, pilot, fit)


# --- widths and noise, from a part of the image --------------------------------------------------

# Enough columns to know a width to 1 % and the noise to a few per cent at 30 counts a column.
PILOT_COLUMNS = 1000
# Columns that are counted at once.
MANY = 100_000
# ln(sigma) is known beforehand to about 0.5, which matters for a handful of faint columns only.
WIDTH_PRIOR = 4.0


def _pilot(scene: _Scene) -> _Pilot:
    """Fit some tiles with free widths, and learn the noise from their residuals."""
    tiles = _pilot_tiles(scene)
    fits = [fit for tile in tiles if (fit := _pilot_fit(scene, tile)) is not None]
    information = np.array([fit.width_information for fit in fits])
    logs = np.log([fit.sigma for fit in fits])
    total = information.sum(axis=0)
    known = total > 0
    sigma = np.full(scene.n_kinds, scene.config.start_width * scene.spacing_px)
    sigma[known] = np.exp((information * logs).sum(axis=0)[known] / total[known])
    noise = _estimate_noise(fits)
    amplitude = np.concatenate([fit.amplitude for fit in fits])
    strength = np.concatenate([fit.block[:, 0] for fit in fits])
    sign = 1.0 if np.sum(np.sign(amplitude) * np.sqrt(strength) * np.abs(amplitude)) >= 0 else -1.0
    whole = None
    if len(tiles) == 1 and tiles[0] == _Tile(0, scene.shape[0], 0, scene.shape[1]):
        # only the weights change: the noise is known a little better now
        whole = _advance(scene, fits[0], noise, least=0, most=0)
        sigma = whole.sigma
    return _Pilot(sigma, noise, _correlation(fits, sigma), sign, whole)


def _pilot_tiles(scene: _Scene) -> list[_Tile]:
    """The whole image if it is small, otherwise a few tiles that hold every class."""
    height, width = scene.shape
    if len(scene.order) <= 2 * PILOT_COLUMNS and max(scene.shape) <= 2 * scene.tile_side():
        return [_Tile(0, height, 0, width)]
    side = max(math.ceil(24 * scene.spacing_px), 64)
    tiles = list(_tiles(scene.shape, side))
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


def _pilot_fit(scene: _Scene, tile: _Tile) -> _Fit | None:
    sigma = np.full(scene.n_kinds, scene.config.start_width * scene.spacing_px)
    window = _window(1.25 * sigma.max(), scene.config)
    patch = _cut(scene, tile, window)
    if patch is None:
        return None
    fit = _begin(scene, patch, sigma, window)
    flat = _flat_noise(patch)
    _advance(
        scene,
        fit,
        flat,
        least=2,
        most=min(4, scene.config.max_steps),
        tolerance=0.5,
        width_prior=WIDTH_PRIOR,
        reject=False,
    )
    _limit_widths(scene, fit)
    noise = _estimate_noise([fit])
    _advance(scene, fit, noise, least=1, most=scene.config.max_steps, width_prior=WIDTH_PRIOR)
    _limit_widths(scene, fit)
    return fit


def _limit_widths(scene: _Scene, fit: _Fit) -> None:
    """Keep widths between half a pixel and half a spacing, and the window in step with them."""
    np.clip(fit.sigma, 0.5, max(0.5, 0.5 * scene.spacing_px), out=fit.sigma)
    fit.rows = min(fit.patch.room, _window(float(fit.sigma.max()), scene.config))
    fit.cols = _lanes(fit.rows)


def _flat_noise(patch: _Patch) -> FloatArray:
    """One variance for all pixels, from second differences, which hardly see the columns."""
    data, used = patch.data, patch.used
    corner = data[1:, 1:] - data[1:, :-1] - data[:-1, 1:] + data[:-1, :-1]
    usable = used[1:, 1:] * used[1:, :-1] * used[:-1, 1:] * used[:-1, :-1] > 0
    variance = 0.25 * float(np.mean(corner[usable] ** 2)) if usable.any() else 0.0
    return np.array([max(variance, 1e-8), 0.0, 1e-12])


NOISE_BINS = 24
# Pixels that tell the noise: each bin's variance to 3 %, all of it to 0.6 %.
NOISE_PIXELS = 60_000


def _estimate_noise(fits: list[_Fit]) -> FloatArray:
    """alpha, beta and the lowest variance, from squared residuals binned by the model."""
    from scanseg.atoms import _error_bars, _noise_statistics

    low = min(float(fit.model[fit.patch.middle].min()) for fit in fits)
    high = max(float(fit.model[fit.patch.middle].max()) for fit in fits)
    high = max(high, low + 1e-6)
    leverage = []
    for fit in fits:
        image = fit.images[3]
        image[:] = 0
        _error_bars.leverages(
            fit.weight,
            fit.y,
            fit.x,
            fit.amplitude,
            fit.kind,
            fit.sigma,
            fit.block,
            fit.rows,
            fit.cols,
            image,
        )
        leverage.append(image)
    limit = np.full(NOISE_BINS, np.inf)
    every = max(1, sum(fit.model.size for fit in fits) // NOISE_PIXELS)
    for _ in range(3):
        count, level, square, freedom = (np.zeros(NOISE_BINS) for _ in range(4))
        for fit, image in zip(fits, leverage, strict=True):
            middle = fit.patch.middle
            _noise_statistics.noise_bins(
                fit.patch.data[middle],
                fit.model[middle],
                fit.weight[middle],
                image[middle],
                every,
                low,
                high,
                limit,
                count,
                level,
                square,
                freedom,
            )
        variance = square / np.maximum(freedom, 1e-9)
        # Residuals beyond six deviations are outliers, unless a bin has too few to say so.
        limit = np.where(count > 50, 36 * variance, np.inf)
    return _variance_line(count, level, square, freedom)


def _variance_line(
    count: FloatArray, level: FloatArray, square: FloatArray, freedom: FloatArray
) -> FloatArray:
    """Weighted straight line through variance against mean, beta >= 0 and positive throughout."""
    good = (count > 0) & (freedom > 0)
    if not good.any() or square.sum() <= 0:
        return np.array([1e-8, 0.0, 1e-12])
    mean, variance, freedom = level[good] / count[good], square[good] / freedom[good], freedom[good]
    overall = float(square[good].sum() / freedom.sum())
    line = np.full(len(mean), overall)
    alpha, beta = overall, 0.0
    for _ in range(5):
        # a variance estimated from n residuals is known to v sqrt(2 / n)
        weight = freedom / np.maximum(line, 0.02 * overall) ** 2
        centre = np.average(mean, weights=weight)
        spread = float(np.sum(weight * (mean - centre) ** 2))
        height = np.average(variance, weights=weight)
        beta = (
            max(0.0, float(np.sum(weight * (mean - centre) * variance)) / spread) if spread else 0.0
        )
        alpha = float(height - beta * centre)
        line = alpha + beta * mean
    return np.array([alpha, beta, 0.02 * overall])


def _correlation(fits: list[_Fit], sigma: FloatArray) -> float:
    """How much correlated residuals widen the error of a position.

    A position is a sum of residuals with the weights dg/dx, so with the autocorrelation rho of the
    residuals and that of dg/dx, a(l) = (1 - l_x²/2s²) exp(-l²/4s²), the variance grows by
    sum_l rho(l) a(l), averaged over x and y. Two standard errors are left to chance.
    """
    from scanseg.atoms import _noise_statistics

    reach = 3
    lags = np.array(
        [
            (dy, dx)
            for dy in range(reach + 1)
            for dx in range(-reach, reach + 1)
            if dy > 0 or dx >= 0
        ]
    )
    sums = np.zeros((len(lags), 2))
    for fit in fits:
        middle = fit.patch.middle
        _noise_statistics.autocorrelation(
            fit.patch.data[middle], fit.model[middle], fit.weight[middle], lags, sums
        )
    power, pairs = sums[0]
    if power <= 0:
        return 1.0
    rho = (sums[1:, 0] / np.maximum(sums[1:, 1], 1)) / (power / pairs)
    width2 = float(np.min(sigma)) ** 2
    distance2 = (lags[1:] ** 2).sum(axis=1)
    overlap = (1 - distance2 / (4 * width2)) * np.exp(-distance2 / (4 * width2))
    chance = 2 * float(np.sqrt(np.sum(overlap**2) / pairs))
    excess = 2 * float(np.sum(rho * overlap))
    return 1.0 + max(0.0, excess - 2 * chance)


# --- results -------------------------------------------------------------------------------------


def _blank(start: FloatArray, inside: Mask, sigma_px: float) -> RefinedColumns:
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


def _accept(columns: RefinedColumns, scene: _Scene, pilot: _Pilot, fit: _Fit) -> None:
    """Write the columns of a fitted tile into the table, those that pass as refined."""
    from scanseg.atoms import _error_bars, _joint_fit

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
            & (error[:, 1:].max(axis=1) < config.max_shift * scene.spacing_px)
            & (fit.shift < 1)
            & (better > -0.5)
            & (chi2 < config.max_misfit * _typical(chi2))
        )
    ok &= ~_merged(fit)
    own = patch.member[patch.core]
    good = ok[patch.core]
    columns.position_px[own[good]] = (position + patch.corner)[patch.core][good]
    columns.position_err_px[own[good]] = error[patch.core][good, 1:]
    columns.amplitude[own] = scene.contrast * fit.amplitude[patch.core]
    columns.sigma_px[own] = fit.sigma[fit.kind][patch.core]
    columns.residual[own] = chi2[patch.core]
    columns.fit_ok[own] = good
    fitted = (position + patch.corner)[patch.core]
    columns.inside[own] = _of_the_image(scene, scene.start[own], fitted, good)
    columns.n_iterations[own] = fit.steps
    level = _interpolate(fit.nodes, position / fit.pitch)
    columns.background[own] = scene.level + scene.contrast * level[patch.core]


# Half a pixel and a pixel of a network that has 12 px a spacing. At 3,000 counts a column and
# widths up to a third of the spacing 99.9 % of what is left at the border is true, and 0.4 % of the
# columns there are lost; without these rules 92 % and 0.1 %. To ask for a maximum of the intensity
# towards the border told untrusted ones no better.
BEYOND_BORDER = 0.04
OUTERMOST = 0.08


def _of_the_image(scene: _Scene, start: FloatArray, fitted: FloatArray, good: Mask) -> Mask:
    """Which columns have their centre in the image."""
    spacing_px = scene.spacing_px
    outside = _room(fitted, scene.shape) < -BEYOND_BORDER * spacing_px
    doubtful = ~good & (_room(start, scene.shape) < OUTERMOST * spacing_px)
    return ~(outside | doubtful)


def _room(position: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Distance of positions from the nearest border of the image, negative beyond it."""
    room: FloatArray = np.minimum(position + 0.5, np.array(shape) - 0.5 - position).min(axis=1)
    return room


def _typical(misfit: FloatArray) -> float:
    known = misfit[np.isfinite(misfit)]
    return float(np.median(known)) if len(known) else math.nan


def _merged(fit: _Fit) -> Mask:
    """The weaker ones of columns that ended within a width of each other: one column, fitted twice.

    Two Gaussians closer than 2 sigma are one peak; at 1 sigma no dose in use tells them apart.
    """
    from scanseg.atoms import _error_bars

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


def _finished(columns: RefinedColumns, scene: _Scene, pilot: _Pilot | None) -> RefinedColumns:
    """Add what concerns the image as a whole."""
    from dataclasses import replace

    near = np.ones(len(columns.at_edge), np.bool_)
    for start in range(0, len(near), MANY):
        some = slice(start, start + MANY)
        room = _room(columns.position_px[some], scene.shape)
        with np.errstate(invalid="ignore"):
            near[some] = ~(room >= scene.config.edge_widths * columns.sigma_px[some])
    if pilot is None:
        return replace(columns, at_edge=near)
    alpha, beta, _ = pilot.noise
    offset = scene.contrast**2 * alpha - scene.contrast * beta * scene.level
    noise = Noise(float(offset), float(scene.contrast * beta), pilot.correlation)
    return replace(columns, at_edge=near, noise=noise)

"""How an image is sampled for a network that knows one spacing: found out from the image.

The autocorrelation proposes a repeat, the network finds columns at the sampling that follows, and
the distance of nearest columns it finds corrects the sampling. Where nothing repeats (single atoms,
few unit cells) the network looks at a ladder of samplings and the most convincing one is taken.
Networks know bright columns. Dark ones are turned into bright ones first, where the file says that
they are dark, or where it says nothing and the image does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from scanseg.bundle import Model
from scanseg.bundle.probability import foreground_probability
from scanseg.inference._segment import Segmentation, segment
from scanseg.inference.engines import Engine
from scanseg.inference.peaks import find_peaks
from scanseg.inference.settings import InferenceConfig
from scanseg.micrograph import FloatImage, Micrograph, Signal
from scanseg.preprocess import Grid, IntensityRange, Window, normalise, resample_window
from scanseg.preprocess.spacing import estimate_lattice_spacing

__all__ = ["Sampled", "Spacing", "choose_sampling"]

# A grid up to this side is looked at as a whole, and what was seen there is the prediction if its
# sampling is kept: the common image of 512 pixels is not computed twice.
WHOLE_PX = 512
# Sides of the windows that the network looks at elsewhere: to judge a sampling, and for a glance.
PROBE_PX = 224
GLANCE_PX = 128
# Windows start and end at multiples of this, which every network takes.
BLOCK_PX = 32
# Networks are trained from about 0.5 to 1.5 of their spacing; inside of these no step is needed.
GOOD_RATIO = (0.72, 1.38)
# Fewer columns than this say nothing about their distance.
ENOUGH = 8
# Certain columns a cell of the supposed spacing, 1 for a filled field of view. Real lattices at
# their sampling had 0.5 to 1.8, the same images at wrong ones up to 0.1, mostly below 0.05.
CONVINCING = 0.08
# Pairs in dumbbells are 0.35 to 0.6 of the distance between dumbbells apart.
CLOSER = 0.6
# and are seen with a conviction of 0.3 to 0.6 there; noise from too close by had up to 0.2.
SURE = 0.3
# Skewness of an image of columns at their sampling, smoothed by so much of their distance: bright
# spots make it positive. Dark-field images, real and simulated, had -0.1 to 2.5 (honeycombs, whose
# holes are deep, the lowest); bright-field ones -1.3 to -0.3.
SKEW_SMOOTHING = 1 / 6
DARK_SKEW = -0.2
# Quartiles of the distances of nearest columns lie this close in a lattice, as a part of their
# median; points strewn at random have 0.8.
REGULAR = 0.4
# Single atoms are looked at from as far away as still shows this part of them: noise is taken for
# atoms from close by.
STILL_SEEN = 0.75
# Columns closer than this are not sampled.
SHORTEST_PX = 5.0
# Columns of real crystals are 0.1 to 0.6 nm apart.
PLAUSIBLE_NM = (0.07, 0.7)


TAKEN_FOR_DARK = (
    "The file does not say what was detected; columns are taken to be darker than what surrounds "
    "them, as in bright-field images, because the image looks so."
)

SpacingMethod = Literal["lattice", "search", "isolated", "none"]


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distance of nearest columns, and how it was found.

    Parameters
    ----------
    spacing_px
        In pixels of the image, the geometric mean over both axes.
    method
        ``lattice`` from a repeat that the network confirmed, ``search`` from a ladder of samplings,
        ``isolated`` for atoms that keep no distance (the spacing is that of a crystal of such
        spots), ``none`` where no column was seen at any sampling.
    """

    spacing_px: float
    method: SpacingMethod


@dataclass(frozen=True, slots=True)
class Sampled:
    """A grid, and what was found out about the spacing of the columns.

    Parameters
    ----------
    grid
        How to sample the image.
    spacing
        Distance of the columns.
    intensity
        Range of the image, and whether its columns are dark.
    seen
        The network's output on that grid, if it was computed on the way.
    warnings
        What a user should know about the spacing.
    """

    grid: Grid
    spacing: Spacing
    intensity: IntensityRange
    seen: Segmentation | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What the network finds at one sampling, in a window of the image.

    Parameters
    ----------
    spacing_px
        Spacing in image pixels that the sampling supposes.
    n_columns
        Columns found.
    ratio
        Median distance of nearest columns over the spacing the network was trained at; nan for
        fewer than two.
    support
        Sum of 2 p - 1 over the columns, a cell of the supposed spacing squared.
    certain_px2
        Columns an image pixel squared, counting only what is certain: from 0 at p = 0.7 to 1.
    irregularity
        Distance of the quartiles of the distances of nearest columns, over their median.
    whole
        Everything the network saw, if it looked at the whole grid.
    """

    spacing_px: float
    n_columns: int
    ratio: float
    support: float
    certain_px2: float
    irregularity: float
    whole: Segmentation | None

    @property
    def nearest_px(self) -> float:
        return self.spacing_px * self.ratio

    @property
    def density_px2(self) -> float:
        """Certain columns an image pixel squared."""
        return self.support / self.spacing_px**2

    @property
    def conclusive(self) -> bool:
        return self.n_columns >= ENOUGH and np.isfinite(self.ratio)

    @property
    def conviction(self) -> float:
        """Support, less of it where columns stand closer than the network knows them."""
        if not self.conclusive:
            return 0.0
        away = np.log(self.ratio) / (0.35 if self.ratio < 1 else 1.0)
        return float(self.support * np.exp(-0.5 * away**2))

    @property
    def good(self) -> bool:
        within = self.conclusive and GOOD_RATIO[0] <= self.ratio <= GOOD_RATIO[1]
        return within and self.conviction >= CONVINCING and self.irregularity <= REGULAR


def choose_sampling(
    image: Micrograph, model: Model, engine: Engine, intensity: IntensityRange
) -> Sampled:
    """Find the sampling at which a model sees an image's columns best.

    Parameters
    ----------
    image
        What was measured.
    model
        A model that was trained at some spacing.
    engine
        What computes its logits.
    intensity
        Range of the image.
    """
    lattice = estimate_lattice_spacing(image.data, intensity)
    start_px = lattice.spacing_px if lattice else None
    known_dark = image.signal in (Signal.ABF, Signal.BF)
    judge = _Judge(image, model, engine, replace(intensity, dark_columns=known_dark))
    view, method = _best_view(judge, start_px)
    warnings: tuple[str, ...] = ()
    if image.signal is Signal.UNKNOWN and judge.skewness(view.spacing_px) < DARK_SKEW:
        other = _Judge(image, model, engine, replace(intensity, dark_columns=True))
        dark, dark_method = _best_view(other, start_px)
        if dark.n_columns:
            judge, view, method = other, dark, dark_method
            warnings = (TAKEN_FOR_DARK,)
    spacing_px = view.nearest_px if method in ("lattice", "search") else view.spacing_px
    spacing = Spacing(spacing_px, method)
    warnings += _doubts(image, spacing)
    return Sampled(judge.grid(view.spacing_px), spacing, judge.intensity, view.whole, warnings)


class _Judge:
    """Looks at an image through a network, at any sampling."""

    def __init__(
        self, image: Micrograph, model: Model, engine: Engine, intensity: IntensityRange
    ) -> None:
        self._image, self._contract, self._engine = image, model.contract, engine
        self.intensity, self._aspect = intensity, _aspect(image)
        self._target_px = model.contract.spacing_px

    def grid(self, spacing_px: float) -> Grid:
        """Grid on which columns ``spacing_px`` image pixels apart have the network's spacing."""
        scale = self._target_px / spacing_px
        return Grid.at_scale(self._image.shape, (scale * self._aspect[0], scale * self._aspect[1]))

    def look(self, spacing_px: float, *, glance: bool = False) -> _View:
        """What the network finds if columns are ``spacing_px`` image pixels apart.

        Parameters
        ----------
        glance
            Look at a small window in the middle only.
        """
        grid = self.grid(spacing_px)
        whole = None
        windows = [Window(0, 0, *grid.shape)]
        if glance:
            windows = _probes(grid, 1, GLANCE_PX)
            probability = [self._seen(grid, window) for window in windows]
        elif max(grid.shape) <= WHOLE_PX:
            whole = segment(
                self._image.data, grid, self.intensity, self._engine, self._contract,
                config=InferenceConfig(),
            )  # fmt: skip
            probability = [whole.foreground.astype(np.float32) / np.float32(255)]
        else:
            windows = _probes(grid, 2, PROBE_PX)
            probability = [self._seen(grid, window) for window in windows]
        found = [self._tops(each.sum(0)) for each in probability]
        nearest = np.concatenate([_nearest(position) for position, _ in found])
        certain = np.concatenate([height for _, height in found])
        lower, middle, upper = (
            np.percentile(nearest, (25, 50, 75)) if len(nearest) else (np.nan, np.nan, np.nan)
        )
        cells = sum(each[0].size for each in probability) / self._target_px**2
        support = float(np.clip(2 * certain - 1, 0, 1).sum()) / cells
        sure = float(np.clip((certain - 0.7) / 0.3, 0, 1).sum()) / cells
        return _View(
            spacing_px,
            n_columns=len(certain),
            ratio=float(middle) / self._target_px,
            support=support,
            certain_px2=sure / spacing_px**2,
            irregularity=float((upper - lower) / middle),
            whole=whole,
        )

    def skewness(self, spacing_px: float) -> float:
        """Third moment of a window in the middle: above 0 for bright spots, below for dark ones."""
        grid = self.grid(spacing_px)
        tile = self._tile(grid, _probes(grid, 1, PROBE_PX)[0])[: grid.shape[0], : grid.shape[1]]
        smooth = ndimage.gaussian_filter(tile, SKEW_SMOOTHING * self._target_px)
        smooth -= smooth.mean()
        upright = -1.0 if self.intensity.dark_columns else 1.0
        spread = float(np.mean(smooth**2))
        return upright * float(np.mean(smooth**3)) / spread**1.5 if spread > 0 else 0.0

    def _seen(self, grid: Grid, window: Window) -> FloatImage:
        """Foreground probability (C - 1, h, w) of the part of a window that lies on the grid."""
        logits = self._engine.logits(self._tile(grid, window)[None, None])
        probability = foreground_probability(logits, temperature=self._contract.temperature)[0]
        return np.asarray(probability[:, : grid.shape[0], : grid.shape[1]], np.float32)

    def _tile(self, grid: Grid, window: Window) -> FloatImage:
        """What the network gets to see of a window."""
        sampled = resample_window(self._image.data, grid, window, self.intensity)
        return normalise(sampled, self.intensity, self._contract.normalisation)

    def _tops(self, probability: FloatImage) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        return find_peaks(
            probability,
            threshold=self._contract.threshold,
            closest_px=0.3 * self._target_px,
        )

    def spacings(self) -> list[float]:
        """Ladder of spacings to try, up to a fifth of the image."""
        low, high = SHORTEST_PX, max(min(self._image.shape) / 5.0, 2 * SHORTEST_PX)
        if self._image.pixel_size_nm is not None:
            size_nm = float(np.sqrt(np.prod(self._image.pixel_size_nm)))
            within = max(low, PLAUSIBLE_NM[0] / size_nm), min(high, PLAUSIBLE_NM[1] / size_nm)
            # A calibration that leaves nothing to look for is wrong; the warning says so later.
            low, high = within if within[1] > 1.5 * within[0] else (low, high)
        steps = int(np.ceil(np.log(high / low) / np.log(1.4))) + 1
        return [float(spacing) for spacing in np.geomspace(low, high, steps)]


def _best_view(judge: _Judge, start_px: float | None) -> tuple[_View, SpacingMethod]:
    """The view in which columns are seen best, and how it was found."""
    view = _follow(judge, start_px) if start_px else None
    method: SpacingMethod = "lattice"
    if view is None:
        view, method = _search(judge), "search"
    view = _closer_pairs(judge, view)
    if not view.n_columns:
        return view, "none"
    if not view.conclusive or view.irregularity > REGULAR:
        return view, "isolated"
    return view, method


def _follow(judge: _Judge, spacing_px: float) -> _View | None:
    """Correct a spacing by the columns that are found with it; None where that leads nowhere."""
    for _ in range(3):
        view = judge.look(spacing_px)
        if view.good:
            return view
        if not view.conclusive or view.conviction < CONVINCING / 2:
            return None
        spacing_px = view.nearest_px
    return None


def _closer_pairs(judge: _Judge, view: _View) -> _View:
    """Look once more from closer up: dumbbells are one column to a network that is too far away."""
    if not view.good:
        return view
    closer = judge.look(CLOSER * view.nearest_px, glance=True)
    gained = closer.density_px2 > 1.1 * view.density_px2
    sure = closer.good and closer.conviction >= SURE
    if not (sure and closer.ratio < 1.2 and gained):
        return view
    return _follow(judge, closer.nearest_px) or view


def _search(judge: _Judge) -> _View:
    """The most convincing lattice of a ladder of spacings; else what shows single atoms best."""
    views = [judge.look(spacing) for spacing in judge.spacings()]
    lattices = [view for view in views if view.irregularity <= REGULAR]
    best = max(lattices, key=lambda view: view.conviction, default=views[0])
    if best.conviction >= CONVINCING:
        followed = best if best.good else _follow(judge, best.nearest_px)
        if followed is not None:
            return followed
    most = max(view.certain_px2 for view in views)
    return next(view for view in reversed(views) if view.certain_px2 >= STILL_SEEN * most)


def _nearest(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each position to its nearest neighbour; empty below two."""
    if len(position) < 2:
        return np.empty(0)
    distance, _ = cKDTree(position).query(position, k=2)
    return np.asarray(distance[:, 1], np.float64)


def _probes(grid: Grid, n: int, largest_px: int) -> list[Window]:
    """N x n windows, evenly spread over a grid; a window is larger than a grid that is tiny."""
    side = [min(largest_px, -(-length // BLOCK_PX) * BLOCK_PX) for length in grid.shape]
    part = [(2 * k + 1) / (2 * n) for k in range(n)]
    starts = [
        [int(p * max(length - s, 0)) // BLOCK_PX * BLOCK_PX for p in part]
        for length, s in zip(grid.shape, side, strict=True)
    ]
    return [Window(top, left, side[0], side[1]) for top in starts[0] for left in starts[1]]


def _aspect(image: Micrograph) -> tuple[float, float]:
    """Factors along (y, x) that make the pixels of an image square, 1 on average."""
    if image.pixel_size_nm is None:
        return 1.0, 1.0
    ratio = image.pixel_size_nm[0] / image.pixel_size_nm[1]
    return float(np.sqrt(ratio)), float(1.0 / np.sqrt(ratio))


def _doubts(image: Micrograph, spacing: Spacing) -> tuple[str, ...]:
    """What a user should know about a spacing."""
    if spacing.method == "none":
        return ("No atom column was seen at any sampling.",)
    if image.pixel_size_nm is None or spacing.method == "isolated":
        return ()
    nm = spacing.spacing_px * float(np.sqrt(np.prod(image.pixel_size_nm)))
    if PLAUSIBLE_NM[0] <= nm <= PLAUSIBLE_NM[1]:
        return ()
    return (
        f"Columns are {spacing.spacing_px:.1f} px apart, which by the file's calibration is "
        f"{nm:.3g} nm; crystals have {PLAUSIBLE_NM[0]} to {PLAUSIBLE_NM[1]} nm. Either the pixel "
        "size is wrong, or what was found are not columns.",
    )

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
from scanseg.inference._segment import Segmentation, counts_source, segment
from scanseg.inference.engines import Engine
from scanseg.inference.peaks import find_peaks
from scanseg.inference.settings import InferenceConfig
from scanseg.micrograph import FloatImage, Micrograph, Signal
from scanseg.preprocess import Grid, IntensityRange, Window
from scanseg.preprocess.spacing import estimate_lattice_spacing

__all__ = ["Sampled", "Spacing", "choose_sampling", "probe_windows"]

# A grid up to this side is looked at as a whole, and what was seen there is the prediction if its
# sampling is kept: the common image of 512 pixels is not computed twice.
WHOLE_PX = 512
# Sides of the windows that the network looks at elsewhere: to judge a sampling, and for a glance.
PROBE_PX = 224
GLANCE_PX = 128
# Windows start and end at multiples of this, which every network takes.
BLOCK_PX = 32
# Networks are trained from about 0.7 to 1.6 of their spacing; inside of these no step is needed.
GOOD_RATIO = (0.72, 1.38)
# Fewer columns than this say nothing about their distance.
ENOUGH = 8
# Certain columns a cell; a filled field of view has about 1.
CONVINCING = 0.08
# Columns are clear when the mean of 2 p - 1 over them is this high; noise had 0.1 to 0.3.
CLEAR = 0.9
# Step between the samplings that are compared where they are not, and what a step has to bring.
CLIMB = 1.25
GAIN = 1.03
# Pairs in dumbbells are 0.35 to 0.6 of the distance between dumbbells apart,
CLOSER = 0.6
# and are nearly twice as many columns.
PAIRS_GAIN = 1.1
# Skewness of an image of columns at their sampling, smoothed by so much of their distance: bright
# spots make it positive. Dark-field images, real and simulated, had -0.1 to 2.5 (honeycombs, whose
# holes are deep, the lowest); bright-field ones -1.3 to -0.3.
SKEW_SMOOTHING = 1 / 6
DARK_SKEW = -0.2
# Quartiles of the distances of nearest columns lie this close in a lattice, as a part of their
# median: 0.05 where all are alike, 0.45 in a perovskite with its oxygen, which is believed where
# its columns are clear. Points strewn at random have 0.8, blobs of noise 0.3 to 0.6.
REGULAR = 0.4
REGULAR_IF_CLEAR = 0.6
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
    certainty
        Mean of 2 p - 1 over the columns, 0 for none.
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
    certainty: float
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
    def within(self) -> bool:
        """Whether the columns are as far apart as the network knows them."""
        return GOOD_RATIO[0] <= self.ratio <= GOOD_RATIO[1]

    @property
    def lattice(self) -> bool:
        """Whether these are enough columns, sure enough and evenly enough spaced, for a lattice."""
        filled = self.conclusive and self.support / self.ratio**2 >= CONVINCING
        return filled and self.regular

    @property
    def regular(self) -> bool:
        """Whether the columns keep a distance, as lattices do and single atoms do not."""
        return self.irregularity <= (REGULAR_IF_CLEAR if self.certainty >= CLEAR else REGULAR)

    @property
    def clear(self) -> bool:
        """Whether nothing is to be gained by another sampling but the halves of dumbbells."""
        return self.within and self.certainty >= CLEAR


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
    known = replace(intensity, dark_columns=image.signal.has_dark_columns)
    judge = _Judge(image, model, engine, known)
    view, method = _best_view(judge, start_px)
    warnings: tuple[str, ...] = ()
    seen_px = view.spacing_px if view.conclusive else start_px or view.spacing_px
    if image.signal is Signal.UNKNOWN and judge.skewness(seen_px) < DARK_SKEW:
        other = _Judge(image, model, engine, replace(intensity, dark_columns=True))
        dark, dark_method = _best_view(other, start_px)
        if dark.n_columns:
            judge, view, method = other, dark, dark_method
            warnings = (TAKEN_FOR_DARK,)
    spacing_px = view.nearest_px if method in ("lattice", "search") else view.spacing_px
    spacing = Spacing(spacing_px, method)
    warnings += _doubts(image, spacing, view.n_columns)
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
            windows = probe_windows(grid, 1, GLANCE_PX)
            probability = [self._seen(grid, window) for window in windows]
        elif max(grid.shape) <= WHOLE_PX:
            whole = segment(
                counts_source(self._image.data, grid, self.intensity, self._contract),
                grid, self._engine, self._contract, config=InferenceConfig(),
            )  # fmt: skip
            probability = [whole.foreground.astype(np.float32) / np.float32(255)]
        else:
            windows = probe_windows(grid, 2, PROBE_PX)
            probability = [self._seen(grid, window) for window in windows]
        found = [self._tops(each.sum(0)) for each in probability]
        nearest = np.concatenate([_nearest(position) for position, _ in found])
        certain = np.concatenate([height for _, height in found])
        lower, middle, upper = (
            np.percentile(nearest, (25, 50, 75)) if len(nearest) else (np.nan, np.nan, np.nan)
        )
        cells = sum(each[0].size for each in probability) / self._target_px**2
        surplus = np.clip(2 * certain - 1, 0, 1)
        sure = float(np.clip((certain - 0.7) / 0.3, 0, 1).sum()) / cells
        return _View(
            spacing_px,
            n_columns=len(certain),
            ratio=float(middle) / self._target_px,
            support=float(surplus.sum()) / cells,
            certainty=float(surplus.mean()) if len(surplus) else 0.0,
            certain_px2=sure / spacing_px**2,
            irregularity=float((upper - lower) / middle),
            whole=whole,
        )

    def skewness(self, spacing_px: float) -> float:
        """Third moment of a window in the middle: above 0 for bright spots, below for dark ones."""
        grid = self.grid(spacing_px)
        tile = self._tile(grid, probe_windows(grid, 1, PROBE_PX)[0])[
            : grid.shape[0], : grid.shape[1]
        ]
        smooth = ndimage.gaussian_filter(tile, SKEW_SMOOTHING * self._target_px)
        smooth -= smooth.mean()
        upright = -1.0 if self.intensity.dark_columns else 1.0
        square = smooth * smooth
        spread = float(square.mean())
        return upright * float((square * smooth).mean()) / spread**1.5 if spread > 0 else 0.0

    def _seen(self, grid: Grid, window: Window) -> FloatImage:
        """Foreground probability (C - 1, h, w) of the part of a window that lies on the grid."""
        logits = self._engine.logits(self._tile(grid, window)[None, None])
        probability = foreground_probability(
            logits, temperature=self._contract.temperature, n_members=self._contract.members
        )[0]
        return np.asarray(probability[:, : grid.shape[0], : grid.shape[1]], np.float32)

    def _tile(self, grid: Grid, window: Window) -> FloatImage:
        """What the network gets to see of a window."""
        source = counts_source(self._image.data, grid, self.intensity, self._contract)
        tile: FloatImage = source(window)[0]
        return tile

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
    view = _followed(judge, judge.look(start_px)) if start_px else None
    method: SpacingMethod = "lattice"
    if view is None or not view.lattice:
        view, method = _search(judge), "search"
    if view.lattice:
        view = _closer_pairs(judge, _climbed(judge, view))
    if not view.n_columns:
        return view, "none"
    if not view.conclusive or not view.regular:
        return view, "isolated"
    return view, method


def _followed(judge: _Judge, view: _View) -> _View:
    """Correct the sampling by the columns that were found, where it is far off."""
    for _ in range(2):
        if view.within or not view.lattice:
            break
        view = judge.look(view.nearest_px)
    return view


def _climbed(judge: _Judge, view: _View) -> _View:
    """Go on to coarser or finer samplings as long as more columns become certain.

    From farther away a network sees more columns at once, and each with less noise; from closer up
    those that stand close together.
    """
    if view.clear:
        return view
    for step in (CLIMB, 1 / CLIMB):
        best = view
        while (other := judge.look(best.spacing_px * step)).density_px2 > GAIN * best.density_px2:
            if not other.lattice:
                break
            best = other
        if best is not view:
            return best
    return view


def _closer_pairs(judge: _Judge, view: _View) -> _View:
    """Look once more from closer up: dumbbells are one column to a network that is too far away."""
    closer = judge.look(CLOSER * view.nearest_px, glance=True)
    if not closer.conclusive or closer.density_px2 < PAIRS_GAIN * view.density_px2:
        return view
    pairs = _climbed(judge, judge.look(closer.spacing_px))
    return pairs if pairs.density_px2 > PAIRS_GAIN * view.density_px2 else view


def _search(judge: _Judge) -> _View:
    """The lattice of a ladder of spacings with most columns; else what shows single atoms best."""
    views = [judge.look(spacing) for spacing in judge.spacings()]
    best = max((view for view in views if view.lattice), key=_density, default=None)
    if best is not None:
        return _followed(judge, best)
    most = max(_singles(view) for view in views)
    return next(view for view in reversed(views) if _singles(view) >= STILL_SEEN * most)


def _density(view: _View) -> float:
    return view.density_px2


def _singles(view: _View) -> float:
    """How convincingly a view shows single atoms: many certain ones, and few that are not."""
    return view.certain_px2 * view.certainty


def _nearest(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each position to its nearest neighbour; empty below two."""
    if len(position) < 2:
        return np.empty(0)
    distance, _ = cKDTree(position).query(position, k=2)
    return np.asarray(distance[:, 1], np.float64)


def probe_windows(grid: Grid, n: int, largest_px: int) -> list[Window]:
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


def _doubts(image: Micrograph, spacing: Spacing, n_columns: int) -> tuple[str, ...]:
    """What a user should know about a spacing, and the columns it was found from."""
    if spacing.method == "none":
        return ("No atom column was seen at any sampling.",)
    if spacing.method == "isolated" and n_columns < ENOUGH:
        what = "one atom was" if n_columns == 1 else f"{n_columns} atoms were"
        return (
            f"Only {what} seen, at no common distance: single atoms look so, and so does noise. "
            "Look at the overlay before using the numbers.",
        )
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

"""Scans of one place in order, and what was followed from each to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from scanseg.config import Config
from scanseg.micrograph import Micrograph, Signal
from scanseg.motion.matching import Passage, match_points
from scanseg.motion.pinning import dwell_frames
from scanseg.motion.points import MeasuredLine, WallPoints, gather_points, square_scale
from scanseg.motion.registration import Drift, DriftEstimation, register_drift
from scanseg.motion.switching import PolarityMap, polarity_maps

__all__ = ["FollowedSeries", "MotionTracking", "Pair", "WallFrame", "follow_walls"]

Array = NDArray[np.float64]

# Nearer to the border than this, a wall may have left the scan.
BORDER_PX = 2.0


class MotionTracking(Config):
    """How walls are followed through a series."""

    reach_px: PositiveFloat = 12.0
    """How far a wall may move between two scans."""
    smoothing_px: float = Field(default=1.0, ge=0)
    """Positions are averaged along the wall with this standard deviation, weighted by their error
    bars. More rounds bends off: 2 px cost narrow walls 0.1 px."""
    unfitted_err_px: PositiveFloat = 0.5
    """Error bar of points that are known from the network alone."""
    systematic_err_px: float = Field(default=0.1, ge=0)
    """Error of each position that noise does not tell of: neighbouring walls, background, tip."""
    n_sigma: PositiveFloat = 3.0
    """A wall has moved when its displacement exceeds so many standard deviations."""
    largest_err_px: PositiveFloat = 1.0
    """Displacements that are less certain than this tell neither motion nor rest. Walls of a wide
    tip (w above 4 px) are known to 0.6 px from scan to scan."""
    pinned_frames: PositiveInt = 3
    """A wall is pinned where it stays for so many scans in a row, or for all if there are fewer."""
    shortest_event_px: PositiveFloat = 6.0
    """Walls appear or vanish over at least this length."""
    smallest_domain_px: PositiveInt = 20
    """Smaller domains, in pixels of area, are noise."""
    near_px: PositiveFloat = 8.0
    """Distance to a ferroelastic wall up to which the angle to it is compared."""
    drift: DriftEstimation = DriftEstimation()
    """How the drift is estimated."""


@dataclass(frozen=True, slots=True, eq=False)
class WallFrame:
    """One scan of a series.

    Parameters
    ----------
    lines
        Its walls: ``Walls.lines`` of :func:`scanseg.trace_walls`.
    scan
        Its channels: ``Prediction.image.channels()``.
    time_s
        When it was scanned; None where that is not known.
    field
        What drove the walls since the scan before, in any unit: a bias, a field, a temperature.
    """

    lines: Sequence[MeasuredLine]
    scan: Mapping[Signal, Micrograph]
    time_s: float | None = None
    field: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What was found between a scan and the next, of N and M points.

    Parameters
    ----------
    drift
        From the first to the second.
    there, back
        Where the points of the first went, and those of the second came from.
    drift_err
        Standard deviation of the drift along the normals of the first, in square pixels, (N,).
    inside, inside_back
        Whether a point, as it stands, is in the part that the other scan measured, (N,) and (M,).
    """

    drift: Drift
    there: Passage
    back: Passage
    drift_err: Array
    inside: NDArray[np.bool_]
    inside_back: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class FollowedSeries:
    """F scans and the F - 1 pairs of neighbours.

    Parameters
    ----------
    frames, points, dwell
        Scans, their walls' points, and in how many scans a wall stood there, see ``dwell_frames``.
    pairs
        Of each scan and the next.
    polarity
        Of each scan; None without phase.
    pixel_size_nm
        (y, x), None without a calibration.
    """

    frames: tuple[WallFrame, ...]
    points: tuple[WallPoints, ...]
    dwell: tuple[NDArray[np.int64], ...]
    pairs: tuple[Pair, ...]
    polarity: tuple[PolarityMap, ...] | None
    pixel_size_nm: tuple[float, float] | None

    @property
    def square(self) -> Array:
        """What (y, x) in px are multiplied with to have square pixels of the same area."""
        return square_scale(self.pixel_size_nm)

    @property
    def nm_per_px(self) -> float:
        """Side of a square pixel; NaN without a calibration."""
        if self.pixel_size_nm is None:
            return float("nan")
        return float(np.sqrt(np.prod(self.pixel_size_nm)))

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """From each scan to the next."""
        return tuple(pair.drift for pair in self.pairs)


def follow_walls(frames: Sequence[WallFrame], config: MotionTracking) -> FollowedSeries:
    """Register scans with each other, and follow their walls from each to the next."""
    scans = [frame.scan for frame in frames]
    pixel_size_nm = next(iter(scans[0].values())).pixel_size_nm
    square = square_scale(pixel_size_nm)
    polarity = polarity_maps(scans)
    points = [
        gather_points(
            frame.lines, polarity[n] if polarity else None, square,
            smoothing_px=config.smoothing_px, unfitted_err_px=config.unfitted_err_px,
            systematic_err_px=config.systematic_err_px,
        )
        for n, frame in enumerate(frames)
    ]  # fmt: skip
    pairs = [
        _compared(scan, points_of, square, config)
        for scan, points_of in zip(pairwise(scans), pairwise(points), strict=True)
    ]
    dwell = dwell_frames(
        points, [pair.there for pair in pairs], [pair.back for pair in pairs],
        [pair.drift_err for pair in pairs], n_sigma=config.n_sigma,
    )  # fmt: skip
    return FollowedSeries(
        tuple(frames), tuple(points), tuple(dwell), tuple(pairs),
        tuple(polarity) if polarity else None, pixel_size_nm,
    )  # fmt: skip


def _compared(
    scans: tuple[Mapping[Signal, Micrograph], Mapping[Signal, Micrograph]],
    points: tuple[WallPoints, WallPoints], square: Array, config: MotionTracking,
) -> Pair:  # fmt: skip
    drift = register_drift(*scans, config=config.drift)
    before, after = points[0], points[1].moved_back(drift, square)
    there, back = match_points(before, after, reach=config.reach_px)
    # From a unit normal between square pixels to one between those of the scan, and back.
    across = before.normal / square
    stretch = np.hypot(*across.T)[:, None]
    err = drift.err_along(before.position / square, across / stretch) / stretch[:, 0]
    return Pair(
        drift, there, back, err,
        inside=_measured(scans[1], drift.to_second(before.position / square)),
        inside_back=_measured(scans[0], after.position / square),
    )  # fmt: skip


def _measured(scan: Mapping[Signal, Micrograph], position_px: Array) -> NDArray[np.bool_]:
    """Whether places are inside of what was measured, by some pixels."""
    from scipy import ndimage

    seen = np.all([np.isfinite(image.data) for image in scan.values()], axis=0)
    seen = np.pad(seen, 1)
    away = ndimage.distance_transform_edt(seen)[1:-1, 1:-1]
    y, x = np.rint(position_px).astype(int).T
    height, width = away.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.asarray(
        inside & (away[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] > BORDER_PX)
    )

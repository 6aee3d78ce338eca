"""Series of scans of one place: how walls move from scan to scan, and where they are pinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.motion.pinning import PinningSites, compare_sites, nearest_wall
from scanseg.motion.points import FERROELASTIC, FERROELECTRIC
from scanseg.motion.registration import Drift
from scanseg.motion.series import FollowedSeries, MotionTracking, WallFrame, follow_walls
from scanseg.motion.switching import switch_map
from scanseg.motion.tables import events_table, frames_table, motion_table, pinned_table

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["WallMotion", "track_walls"]


@dataclass(frozen=True, slots=True, eq=False)
class WallMotion:
    """Walls of F scans of shape (H, W), followed from each to the next.

    Parameters
    ----------
    points
        One row a point and pair of scans: ``frame`` (the earlier one), ``branch, point, y_px,
        x_px, normal_y, normal_x, displacement_px, displacement_nm, displacement_err_px,
        velocity_nm_per_s, class, sign, state, pinned, dwell_frames, dwell_s``. Displacements go
        along the unit normal given, drift removed. That points to where the up domain grows; where
        the polarity is not known, to the right of the line's direction (``sign`` tells: up or
        right). ``state`` is moved, stayed, unsure, vanished, or outside (of the next scan).
        ``*_nm`` without times is per scan.
    events
        ``frame, event, branch, y_px, x_px, length_px, length_nm, area_px, area_nm2, polarity``, in
        pixels of the earlier scan. Stretches of walls that appeared or vanished, with their length
        and the branch they have in the scan that shows them; domains that nucleated, collapsed,
        merged or split, with their area.
    frames
        One row a scan; what concerns a pair stands in the row of the earlier one.
    pinned_segments
        Stretches of pinned points: ``frame, branch, first_point, last_point, y_px, x_px, length_px,
        length_nm, dwell_frames``.
    drifts
        From each scan to the next, F - 1.
    switched_in
        Number of the scan in which each place of the first switched, int16, shape (H, W): 0 for
        never, -1 where a scan did not measure it. None without phase.
    sites
        Pinned points and ferroelastic walls; None where there are none.
    warnings
        What a user must know before trusting the numbers, one sentence each.
    """

    points: DataFrame
    events: DataFrame
    frames: DataFrame
    pinned_segments: DataFrame
    drifts: tuple[Drift, ...]
    switched_in: NDArray[np.int16] | None
    sites: PinningSites | None
    warnings: tuple[str, ...]


def track_walls(
    frames: Sequence[WallFrame], *,
    config: MotionTracking | None = None, rng: np.random.Generator | None = None,
) -> WallMotion:  # fmt: skip
    """Follow domain walls through a series of scans of one place.

    Parameters
    ----------
    frames
        Two scans or more, in order, of one shape.
    config
        How.
    rng
        Source of the bootstrap's randomness; by default always the same.

    Notes
    -----
    Error bars of displacements hold those of both positions and of the drift. A wall that moves
    farther than to its next neighbour is not recognised: it vanishes there and appears here.
    """
    if len(frames) < 2:
        raise ValueError(f"motion needs two scans or more, not {len(frames)}")
    config = config or MotionTracking()
    series = follow_walls(frames, config)
    switched_in, fraction = None, None
    if series.polarity is not None:
        switched_in, fraction = switch_map(series.polarity, series.drifts)
    motion, events = motion_table(series, config), events_table(series, config)
    return WallMotion(
        points=motion,
        events=events,
        frames=frames_table(series, motion, events, fraction),
        pinned_segments=pinned_table(series, motion),
        drifts=series.drifts,
        switched_in=switched_in,
        sites=_sites(series, motion, config, rng or np.random.default_rng(0)),
        warnings=_warnings(series),
    )


def _warnings(series: FollowedSeries) -> tuple[str, ...]:
    told = [text for drift in series.drifts for text in drift.warnings]
    if series.polarity is None:
        told.append(
            "Without phase the polarity is not known: displacements are positive to the right of "
            "each wall's direction, and walls are followed over half their distance."
        )
    return tuple(dict.fromkeys(told))


def _sites(
    series: FollowedSeries, motion: DataFrame, config: MotionTracking, rng: np.random.Generator
) -> PinningSites | None:
    """Pinned points of ferroelectric walls against ferroelastic walls, over all scans."""
    position, distance, angle, pinned = [], [], [], []
    for frame, here in enumerate(series.points[:-1]):
        part = motion[motion["frame"] == frame]
        known = (here.kind == FERROELECTRIC) & part["state"].isin(["moved", "stayed"]).to_numpy()
        away, between = nearest_wall(here.taken(known), here.taken(here.kind == FERROELASTIC))
        place = here.position[known] / series.square
        for drift in reversed(series.drifts[:frame]):
            place = drift.to_first(place)
        position.append(place * series.square)
        distance.append(away)
        angle.append(between)
        pinned.append(part["pinned"].to_numpy(bool)[known])
    calibrated = series.pixel_size_nm is not None
    return compare_sites(
        *map(np.concatenate, (position, distance, angle, pinned)),
        near=config.near_px, rng=rng, unit="nm" if calibrated else "px",
        unit_per_px=series.nm_per_px if calibrated else 1.0,
    )  # fmt: skip

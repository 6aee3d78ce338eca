"""Where walls stay, for how long, and whether ferroelastic walls hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.motion.matching import Passage
from scanseg.motion.points import WallPoints

__all__ = ["PinningSites", "compare_sites", "dwell_frames", "nearest_wall"]

Array = NDArray[np.float64]

# Points of one place in all frames are resampled together: they are one observation.
CELL_PX = 16.0


@dataclass(frozen=True, slots=True)
class PinningSites:
    """Pinned points of ferroelectric walls and ferroelastic walls, against any points.

    Parameters
    ----------
    n_pinned, n_points
        Pinned points, and all whose motion is known.
    distance, distance_any
        Mean distance of pinned points, and of all, to the nearest ferroelastic wall.
    unit
        Of the distances, nm or px.
    ratio, ratio_err
        The first over the second, below 1 where ferroelastic walls pin; its standard deviation.
    angle_deg, angle_any_deg
        Mean angle, 0 to 90°, between wall and nearest ferroelastic wall, at pinned points and at
        all within ``near_px`` of one.
    angle_err_deg
        Standard deviation of their difference.
    """

    n_pinned: int
    n_points: int
    distance: float
    distance_any: float
    unit: str
    ratio: float
    ratio_err: float
    angle_deg: float
    angle_any_deg: float
    angle_err_deg: float


def dwell_frames(
    points: Sequence[WallPoints],
    there: Sequence[Passage],
    back: Sequence[Passage],
    drift_err: Sequence[Array],
    *,
    n_sigma: float,
) -> list[NDArray[np.int64]]:
    """Frames in a row in which a wall stood where each of its points is.

    Parameters
    ----------
    points
        Of F frames.
    there, back
        Passages from each frame to the next, and from the next to it, F - 1 each.
    drift_err
        Standard deviation of the drift from each frame to the next along the normals of the points
        of the first, F - 1.
    n_sigma
        A wall has left a place when it is more standard deviations away from it.

    Returns
    -------
    dwell
        For each frame, shape (N,); 1 where the wall was there in this frame only.
    """
    n_frames = len(points)
    dwell = []
    for frame, here in enumerate(points):
        stays = np.ones(len(here), np.int64)
        for step, passages in ((1, there), (-1, back)):
            at, moved, variance = np.arange(len(here)), np.zeros(len(here)), here.err**2
            turned = np.ones(len(here))
            alive = np.ones(len(here), bool)
            now = frame
            while 0 <= now + step < n_frames and alive.any():
                passage = passages[min(now, now + step)]
                partner = passage.partner[at]
                alive &= partner >= 0
                moved = moved + turned * np.nan_to_num(passage.offset[at])
                next_at = np.maximum(partner, 0)
                next_points = points[now + step]
                if not len(next_points):
                    break
                pair_err = drift_err[min(now, now + step)]
                variance = variance + (float(np.mean(pair_err)) if len(pair_err) else 0.0) ** 2
                err = np.sqrt(variance + next_points.err[next_at] ** 2)
                same = (points[now].normal[at] * next_points.normal[next_at]).sum(1)
                turned = turned * np.where(same < 0, -1.0, 1.0)
                alive &= np.abs(moved) <= n_sigma * err
                stays += alive
                at, now = next_at, now + step
        dwell.append(stays)
    return dwell


def nearest_wall(points: WallPoints, walls: WallPoints) -> tuple[Array, Array]:
    """Distance of each point to the nearest point of some walls, and the angle between them.

    Returns
    -------
    distance
        Shape (N,), inf where there are no walls.
    angle_deg
        0 to 90°, shape (N,).
    """
    from scipy.spatial import cKDTree

    if not len(walls):
        return np.full(len(points), np.inf), np.full(len(points), np.nan)
    distance, nearest = cKDTree(walls.position).query(points.position)
    cosine = np.abs((points.normal * walls.normal[nearest]).sum(1))
    return np.asarray(distance), np.rad2deg(np.arccos(np.clip(cosine, 0, 1)))


def compare_sites(
    position: Array, distance: Array, angle_deg: Array, pinned: NDArray[np.bool_], *,
    near: float, unit: str, unit_per_px: float, rng: np.random.Generator, n_resampled: int = 500,
) -> PinningSites | None:  # fmt: skip
    """Compare pinned points with all points of walls whose motion is known.

    Parameters
    ----------
    position
        Of N points of all frames, drift removed, shape (N, 2).
    distance, angle_deg
        From :func:`nearest_wall`, in px.
    pinned
        Which are pinned.
    near
        Up to which distance angles count, in px.
    unit, unit_per_px
        What distances are given in.
    rng
        Source of the bootstrap's randomness.
    n_resampled
        Bootstrap samples.

    Returns
    -------
    sites
        None where there is no ferroelastic wall or no pinned point.
    """
    if not np.isfinite(distance).all() or not pinned.any():
        return None
    cell = np.unique(np.floor(position / CELL_PX), axis=0, return_inverse=True)[1].ravel()
    close = distance <= near
    bent = np.where(close, angle_deg, 0.0)
    # Sums of each cell: of distances and numbers, then of angles and theirs, pinned and all.
    parts = np.stack(
        [distance * pinned, pinned, distance, np.ones(len(pinned)),
         bent * pinned, close & pinned, bent, close]
    )  # fmt: skip
    sums = np.stack([np.bincount(cell, part) for part in parts])  # (8, cells)
    draw = rng.integers(0, sums.shape[1], (n_resampled, sums.shape[1]))
    ratio, *means = _means(sums.sum(1))
    resampled = np.array([_means(sums[:, each].sum(1)) for each in draw])
    difference = resampled[:, 3] - resampled[:, 4]
    return PinningSites(
        n_pinned=int(pinned.sum()), n_points=len(pinned),
        distance=means[0] * unit_per_px, distance_any=means[1] * unit_per_px, unit=unit,
        ratio=ratio, ratio_err=_spread(resampled[:, 0]),
        angle_deg=means[2], angle_any_deg=means[3], angle_err_deg=_spread(difference),
    )  # fmt: skip


def _means(sums: Array) -> tuple[float, float, float, float, float]:
    """Ratio, mean distance of pinned points and of all, mean angle of pinned points and of all."""
    mean = [
        float(sums[n] / sums[n + 1]) if sums[n + 1] > 0 else float("nan") for n in range(0, 8, 2)
    ]
    ratio = mean[0] / mean[1] if mean[1] > 0 else float("nan")
    return ratio, mean[0], mean[1], mean[2], mean[3]


def _spread(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")

"""The points of all walls of a scan: where, how certain, which way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scanseg.motion.registration import Drift
from scanseg.motion.switching import PolarityMap, polarity_at

__all__ = [
    "CLOSED_PX",
    "FERROELASTIC",
    "FERROELECTRIC",
    "MeasuredLine",
    "WallPoints",
    "gather_points",
    "square_scale",
]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

FERROELECTRIC, FERROELASTIC = 1, 2
# Where the polarity beside a wall is read: beyond the wall's own blur, before the next wall.
BESIDE_PX = (2.0, 3.0, 4.0)
# Mean of +1 and -1 on the one side less that on the other, over 2, from which the sides differ.
SMALLEST_CONTRAST = 0.5
SIDE_SMOOTHING_PX = 5.0
# The first point of a closed wall is there again at its end, where it was measured once more.
CLOSED_PX = 0.5
# Normals are taken from points so far on either side.
NORMAL_SPAN = 3
# Errors of neighbours go together over the width of a wall, so averaging gains that much less.
CORRELATED_PX = 3.0


class MeasuredLine(Protocol):
    """What motion needs of a traced wall; N points in order."""

    @property
    def position_px(self) -> Array:
        """(y, x), shape (N, 2)."""
        ...

    @property
    def position_err_px(self) -> Array:
        """Standard deviation across the wall, shape (N,); NaN where it is not known."""
        ...

    @property
    def class_index(self) -> NDArray[np.int64]:
        """1 ferroelectric, 2 ferroelastic, shape (N,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WallPoints:
    """All points of the walls of a scan, N of them, on a plane with square pixels.

    Parameters
    ----------
    position
        (y, x), shape (N, 2).
    normal
        Unit normals, to the right of the line's direction with y downward, shape (N, 2).
    err
        Standard deviation of the position along the normal, shape (N,).
    kind
        Class, shape (N,).
    branch
        Number of the line, shape (N,), growing.
    up
        +1 where up is on the right, -1 where on the left, 0 where that is not known, shape (N,).
    """

    position: Array
    normal: Array
    err: Array
    kind: Indices
    branch: Indices
    up: Indices

    def __len__(self) -> int:
        return len(self.position)

    def links(self) -> Indices:
        """First points of the pieces between neighbours of one line."""
        return np.flatnonzero(np.diff(self.branch) == 0)

    def taken(self, which: NDArray[np.bool_]) -> WallPoints:
        """Some of the points."""
        return WallPoints(
            self.position[which], self.normal[which], self.err[which], self.kind[which],
            self.branch[which], self.up[which],
        )  # fmt: skip

    def count(self) -> Indices:
        """Points of each line."""
        return np.asarray(np.bincount(self.branch) if len(self) else np.zeros(0), np.int64)

    def length(self, run: slice) -> float:
        """Length of a stretch."""
        return float(np.hypot(*np.diff(self.position[run], axis=0).T).sum())

    def moved_back(self, drift: Drift, square: Array) -> WallPoints:
        """Points of a second scan where they are in the first; drift turns no normal visibly."""
        return replace(self, position=drift.to_first(self.position / square) * square)

    def runs(self, chosen: NDArray[np.bool_]) -> list[slice]:
        """Stretches of chosen neighbours of one line."""
        padded = np.concatenate([[False], chosen, [False]])
        new = np.concatenate([[True], np.diff(self.branch) != 0, [True]])
        begins = np.flatnonzero(padded[1:] & (~padded[:-1] | new))
        ends = np.flatnonzero(padded[:-1] & (~padded[1:] | new))
        return [slice(int(a), int(b)) for a, b in zip(begins, ends, strict=True)]


def square_scale(pixel_size_nm: tuple[float, float] | None) -> Array:
    """What (y, x) are multiplied with to have square pixels of the same area."""
    if pixel_size_nm is None:
        return np.ones(2)
    return np.asarray(np.array(pixel_size_nm) / np.sqrt(np.prod(pixel_size_nm)))


def gather_points(
    lines: Sequence[MeasuredLine], polarity: PolarityMap | None, square: Array, *,
    smoothing_px: float, unfitted_err_px: float, systematic_err_px: float,
) -> WallPoints:  # fmt: skip
    """All points of a scan, smoothed along their walls, on a plane with square pixels.

    Parameters
    ----------
    lines
        Walls of a scan.
    polarity
        Its polarity, None where that is not known.
    square
        From :func:`square_scale`.
    smoothing_px, unfitted_err_px, systematic_err_px
        See ``MotionTracking``.
    """
    # A single point has no direction; the others keep the number of their line.
    number = [n for n, line in enumerate(lines) if len(line.position_px) > 1]
    lines = [lines[n] for n in number]
    position, normal, err, up = [np.empty((0, 2))], [np.empty((0, 2))], [np.empty(0)], [np.empty(0)]
    for line in lines:
        known = np.where(np.isfinite(line.position_err_px), line.position_err_px, np.inf)
        known = np.minimum(known, unfitted_err_px)
        closed = _is_closed(line.position_px)
        place = line.position_px * square
        # Error bars across the wall are in px of the scan: those between square pixels follow.
        square_px = 1 / np.hypot(*(_normals(place, closed=closed) / square).T)
        place, noise = _smoothed(place, np.maximum(known, 1e-3) * square_px, closed, smoothing_px)
        position.append(place)
        normal.append(_normals(place, closed=closed))
        err.append(np.hypot(noise, systematic_err_px * square_px))
        up.append(_up_side(place, normal[-1], line.class_index, polarity, square))
    return WallPoints(
        position=np.concatenate(position),
        normal=np.concatenate(normal),
        err=np.concatenate(err),
        kind=np.concatenate([np.empty(0, np.int64), *(line.class_index for line in lines)]),
        branch=np.repeat(np.asarray(number, np.int64), [len(line.position_px) for line in lines]),
        up=np.concatenate(up).astype(np.int64),
    )


def _is_closed(line: Array) -> bool:
    return len(line) > 4 and float(np.hypot(*(line[0] - line[-1]))) < CLOSED_PX


def _smoothed(line: Array, err: Array, closed: bool, sigma: float) -> tuple[Array, Array]:
    """Positions averaged along the line, and what is left of their errors."""
    from scipy import ndimage

    if sigma == 0 or len(line) < 4:
        return line, err
    n_ring = len(line) - 1 if closed else len(line)
    # Deviations from a chord through the ends: an open line then keeps them.
    chord = np.zeros_like(line) if closed else np.linspace(line[0], line[-1], len(line))
    values, weight = (line - chord)[:n_ring], 1.0 / err[:n_ring] ** 2
    if not closed:
        n = min(len(line) - 1, int(4 * sigma) + 1)
        values = np.concatenate([-values[n:0:-1], values, -values[-2 : -n - 2 : -1]])
        weight = np.concatenate([weight[n:0:-1], weight, weight[-2 : -n - 2 : -1]])

    def blur(each: Array, width: float) -> Array:
        mode = "wrap" if closed else "nearest"
        return np.asarray(ndimage.gaussian_filter1d(each, width, axis=0, mode=mode))

    total = blur(weight, sigma)
    values = blur(values * weight[:, None], sigma) / total[:, None]
    # Squares of a Gaussian's weights are a Gaussian of sigma / sqrt 2, over 2 sqrt(pi) sigma.
    share = min(1.0, CORRELATED_PX / (2 * np.sqrt(np.pi) * sigma))
    noise = np.sqrt(share * blur(weight, sigma / np.sqrt(2))) / total
    if not closed:
        return chord + values[n : n + n_ring], noise[n : n + n_ring]
    return np.concatenate([values, values[:1]]), np.concatenate([noise, noise[:1]])


def _normals(line: Array, *, closed: bool) -> Array:
    """Unit normals, to the right of the line's direction with y downward, shape (N, 2)."""
    n = np.arange(len(line))
    if closed:
        period = len(line) - 1
        span = max(1, min(NORMAL_SPAN, (period - 1) // 2))
        ahead, behind = line[(n + span) % period], line[(n - span) % period]
    else:
        ahead = line[np.minimum(n + NORMAL_SPAN, len(line) - 1)]
        behind = line[np.maximum(n - NORMAL_SPAN, 0)]
    along = ahead - behind
    along[np.hypot(*along.T) < 1e-9] = (0.0, 1.0)  # where a line turns back upon itself
    across = np.stack([along[:, 1], -along[:, 0]], 1)
    return np.asarray(across / np.hypot(*across.T)[:, None])


def _up_side(
    line: Array, normal: Array, class_index: NDArray[np.int64], polarity: PolarityMap | None,
    square: Array,
) -> NDArray[np.float64]:  # fmt: skip
    """+1 where up is on the right of the line, -1 on the left, 0 where that is not known."""
    from scipy import ndimage

    if polarity is None:
        return np.zeros(len(line))
    right, left = (
        np.mean([polarity_at(polarity, (line + s * d * normal) / square) for d in BESIDE_PX], 0)
        for s in (1, -1)
    )
    contrast = ndimage.gaussian_filter1d((right - left) / 2, SIDE_SMOOTHING_PX, mode="nearest")
    known = (np.abs(contrast) >= SMALLEST_CONTRAST) & (class_index == FERROELECTRIC)
    return np.asarray(np.where(known, np.sign(contrast), 0.0))

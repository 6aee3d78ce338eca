"""How walls wander: the growth of their displacements with distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ScansegError
from scanseg.walls.trace import TracedWall

__all__ = ["Roughness", "wall_roughness"]

Line = NDArray[np.float64]  # (y, x), shape (N, 2)

# Second differences reach over two distances, and an average takes some of them.
LARGEST_PART = 1 / 6
# Variance of the mean of two neighbours, weighted by how near they are: on average two thirds.
INTERPOLATED = 2.0 / 3.0
# Distances are spaced evenly by factors, so many of them.
N_DISTANCES = 12
FEWEST_DISTANCES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Roughness:
    """Roughness of walls at D distances.

    Parameters
    ----------
    distance
        L along the walls, shape (D,).
    mean_square
        B(L): mean of (u(z + L) - u(z))², where u is the displacement across a straight line, shape
        (D,). From second differences, see :func:`wall_roughness`.
    zeta
        Exponent of B(L) = a L^(2 zeta).
    zeta_err
        Its standard deviation.
    prefactor
        a.
    fitted
        Smallest and largest L of the fit.
    unit
        Of lengths.
    n_walls
        How many walls were long and straight enough.
    """

    distance: NDArray[np.float64]
    mean_square: NDArray[np.float64]
    zeta: float
    zeta_err: float
    prefactor: float
    fitted: tuple[float, float]
    unit: Literal["nm", "px"]
    n_walls: int


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Squares of second differences that begin in a part of a wall: sums, counts by distance."""

    total: NDArray[np.float64]
    count: NDArray[np.float64]


def wall_roughness(
    lines: Sequence[TracedWall],
    *,
    pixel_size_nm: tuple[float, float] | None,
    class_index: int | None = None,
    shortest_px: float = 6.0,
    longest_px: float | None = None,
    straight_to: float = 1.5,
) -> Roughness:
    """Fit the exponent of roughness of walls.

    Parameters
    ----------
    lines
        Walls, as in :attr:`scanseg.walls.Walls.lines`.
    pixel_size_nm
        (y, x); None gives pixels.
    class_index
        Walls of this class alone; by default all.
    shortest_px
        Smallest distance of the fit, in (x-) pixels. Below the tip's width walls are smooth, and
        within some pixels the points themselves are interpolated.
    longest_px
        Largest distance; by default a sixth of the median length of the walls.
    straight_to
        Walls are left out whose length exceeds that over the distance of their ends, because a
        straight line describes them no longer; closed ones as well.

    Raises
    ------
    ScansegError
        When no wall is long and straight enough.

    Notes
    -----
    No wall is known to be straight on average, and a line that is taken off it takes roughness with
    it: 0.08 of an exponent of 0.66. Second differences u(z + L) - 2 u(z) + u(z - L) know no line;
    their mean square is (4 - 4^zeta) B(L) (Istas and Lang, Ann. Inst. H. Poincaré B 33, 407, 1997).
    What the errors of positions add to it, six of their variances, is taken off.

    The error is a jackknife over blocks twice as long as the largest distance: values of B at
    different distances come from the same wall and scatter together. Of one wall alone it is a
    third too small. Films of Pb(Zr,Ti)O3 have a zeta of 0.26 (Paruch et al., Phys. Rev. Lett. 94,
    197601, 2005).
    """
    scale = np.array(pixel_size_nm or (1.0, 1.0))
    step = float(scale[1])
    used = [
        wall
        for wall in lines
        if class_index in (None, wall.main_class) and wall.tortuosity <= straight_to
    ]
    displacement = [_displacement(wall.position_px * scale, step) for wall in used]
    noise = [_error_variance(wall, scale) for wall in used]
    smallest = max(round(shortest_px), 1)
    lengths = [len(u) for u in displacement if LARGEST_PART * len(u) >= 2 * smallest]
    if not lengths:
        raise ScansegError(
            f"No wall is long and straight enough for its roughness: it takes "
            f"{2 * smallest / LARGEST_PART:g} pixels of an open wall.",
        )
    largest = int(longest_px or LARGEST_PART * float(np.median(lengths)))
    lag = np.unique(np.rint(np.geomspace(smallest, largest, N_DISTANCES)).astype(int))
    if len(lag) < FEWEST_DISTANCES:
        raise ScansegError(
            f"Roughness from {smallest} to {largest} pixels is too small a range for an exponent.",
            hint="Lower shortest_px or raise longest_px.",
        )
    blocks: list[_Block] = []
    n_walls = 0
    for u, variance in zip(displacement, noise, strict=True):
        if LARGEST_PART * len(u) >= 2 * smallest:
            n_walls += 1
            blocks += _blocks(u, lag, variance)
    zeta, prefactor, mean_square = _fit(blocks, lag * step)
    without = [_fit(blocks[:n] + blocks[n + 1 :], lag * step)[0] for n in range(len(blocks))]
    n_blocks = len(blocks)
    zeta_err = float(np.sqrt((n_blocks - 1) * np.var(without))) if n_blocks > 1 else float("nan")
    return Roughness(
        distance=lag * step,
        mean_square=mean_square,
        zeta=zeta,
        zeta_err=zeta_err,
        prefactor=prefactor,
        fitted=(float(lag[0] * step), float(lag[-1] * step)),
        unit="px" if pixel_size_nm is None else "nm",
        n_walls=n_walls,
    )


def _displacement(line: Line, step: float) -> NDArray[np.float64]:
    """Distance of a wall from the straight line that fits it, at even steps along that line."""
    centred = line - line.mean(0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    across = centred @ np.array([direction[1], -direction[0]])
    if along[-1] < along[0]:
        along, across = along[::-1], across[::-1]
    # Where a wall turns back, what it passes a second time is left out.
    onward = along > np.concatenate([[-np.inf], np.maximum.accumulate(along)[:-1]])
    at = np.arange(along[onward][0], along[onward][-1], step)
    return np.asarray(np.interp(at, along[onward], across[onward]))


def _error_variance(wall: TracedWall, scale: NDArray[np.float64]) -> float:
    """Mean variance of a wall's positions between its points; 0 where none was fitted."""
    error = wall.position_err_px[np.isfinite(wall.position_err_px)]
    variance = float(np.mean(error**2) * scale.prod()) if len(error) else 0.0
    return INTERPOLATED * variance


def _blocks(u: NDArray[np.float64], lag: NDArray[np.int64], variance: float) -> list[_Block]:
    """Squares of second differences of a wall, in blocks of two largest distances or longer."""
    n_blocks = max(1, len(u) // (2 * int(lag[-1])))
    bounds = np.linspace(0, len(u), n_blocks + 1).astype(int)
    total = np.zeros((n_blocks, len(lag)))
    count = np.zeros((n_blocks, len(lag)))
    for column, distance in enumerate(lag):
        bend = u[2 * distance :] - 2 * u[distance:-distance] + u[: -2 * distance]
        square = bend**2 - 6.0 * variance
        for row, (first, last) in enumerate(pairwise(bounds)):
            part = square[first:last]
            total[row, column], count[row, column] = part.sum(), len(part)
    return [_Block(total[row], count[row]) for row in range(n_blocks)]


def _fit(
    blocks: Sequence[_Block], distance: NDArray[np.float64]
) -> tuple[float, float, NDArray[np.float64]]:
    """Exponent, prefactor, and B(L)."""
    total = np.sum([block.total for block in blocks], axis=0)
    count = np.sum([block.count for block in blocks], axis=0)
    bend_square = total / np.maximum(count, 1)
    good = (bend_square > 0) & (count > 0)
    if good.sum() < FEWEST_DISTANCES:
        return float("nan"), float("nan"), np.full(len(distance), np.nan)
    # So many differences at a distance do not overlap.
    weight = np.sqrt(count[good] / distance[good])
    slope, offset = np.polyfit(np.log(distance[good]), np.log(bend_square[good]), 1, w=weight)
    zeta = float(slope / 2)
    part = 4.0 - 4.0 ** min(zeta, 0.99)
    return zeta, float(np.exp(offset) / part), bend_square / part

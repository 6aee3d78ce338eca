"""Found domain walls against true ones: skeletons pixel by pixel, lines to a fraction of one.

Skeletons are boolean images of lines one pixel wide, connected over corners. Both sides of a
comparison must be thinned alike (``skeleton_of_lines``, ``skimage.morphology.skeletonize``): along
a diagonal, a skeleton has 0.7 pixels a pixel of length and a staircase 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask

__all__ = [
    "SkeletonScore",
    "class_confusion",
    "cl_dice",
    "displacement_error_px",
    "position_error_px",
    "score_skeleton",
    "skeleton_of_lines",
]

Line = NDArray[np.float64]  # ordered (y, x), shape (N, 2)


@dataclass(frozen=True, slots=True)
class SkeletonScore:
    """Pixels of F found and T true skeletons; M pairs match one to one.

    Parameters
    ----------
    n_matched, n_found, n_truth
        M, F and T.
    """

    n_matched: int
    n_found: int
    n_truth: int

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 where nothing was found."""
        return self.n_matched / self.n_found if self.n_found else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was found; 1 where there is nothing to find."""
        return self.n_matched / self.n_truth if self.n_truth else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.n_found + self.n_truth
        return 2 * self.n_matched / total if total else 1.0

    def __add__(self, other: SkeletonScore) -> SkeletonScore:
        """Score of two images together."""
        return SkeletonScore(
            self.n_matched + other.n_matched,
            self.n_found + other.n_found,
            self.n_truth + other.n_truth,
        )


def score_skeleton(
    found: Mask,
    truth: Mask,
    *,
    radius: float,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    ignored: Mask | None = None,
) -> SkeletonScore:
    """Match skeleton pixels one to one: as many pairs within a radius as there can be.

    Parameters
    ----------
    found, truth
        Skeletons, shape (height, width).
    radius
        Largest distance of a pair, in the unit of ``pixel_size``.
    pixel_size
        (y, x): left out for a radius in pixels, ``pixel_size_nm`` for one in nm.
    ignored
        Walls that need not be found and may be: found pixels within the radius of one, and of no
        true wall that is still free, do not count.

    Notes
    -----
    A distance transform would let one true pixel vouch for many found ones, which flatters thick
    and doubled lines.

    Examples
    --------
    >>> truth = np.zeros((20, 30), bool)
    >>> truth[10] = True
    >>> score_skeleton(np.roll(truth, 2, axis=0), truth, radius=2).f1
    1.0
    >>> doubled = truth | np.roll(truth, 2, axis=0)
    >>> score_skeleton(doubled, truth, radius=2).precision
    0.5
    """
    found_at, truth_at = _positions(found, pixel_size), _positions(truth, pixel_size)
    partner = _partners(found_at, truth_at, radius)
    n_matched = int((partner >= 0).sum())
    n_excused = 0
    if ignored is not None and ignored.any() and len(found_at):
        from scipy.spatial import cKDTree

        away, _ = cKDTree(_positions(ignored, pixel_size)).query(found_at[partner < 0])
        n_excused = int((away <= radius + 1e-9).sum())
    return SkeletonScore(n_matched, len(found_at) - n_excused, len(truth_at))


def class_confusion(
    found: NDArray[np.uint8], truth: NDArray[np.uint8], *, n_classes: int, radius_px: float
) -> NDArray[np.float64]:
    """Length of true walls of each class that was found as each class.

    Parameters
    ----------
    found, truth
        Skeletons with the class of each pixel, 0 where there is none, shape (height, width).
    n_classes
        Classes, background included.
    radius_px
        Largest distance of a matching pair.

    Returns
    -------
    length_px
        Shape (n_classes, n_classes), by true and by found class. Column 0 is what was missed; row 0
        is what was found and is not there.
    """
    n_pixels = (truth > 0) & (truth < n_classes), (found > 0) & (found < n_classes)
    truth_at, found_at = (np.argwhere(mask) for mask in n_pixels)
    partner = _partners(found_at.astype(float), truth_at.astype(float), radius_px)
    length: NDArray[np.float64] = np.zeros((n_classes, n_classes))
    matched = np.flatnonzero(partner >= 0)
    true_class, found_class = truth[tuple(truth_at.T)], found[tuple(found_at.T)]
    weight = _pixel_lengths(n_pixels[0])[tuple(truth_at.T)]
    np.add.at(
        length,
        (true_class[partner[matched]], found_class[matched]),
        weight[partner[matched]],
    )
    missed = np.setdiff1d(np.arange(len(truth_at)), partner)
    np.add.at(length[:, 0], true_class[missed], weight[missed])
    spare = np.flatnonzero(partner < 0)
    spare_weight = _pixel_lengths(n_pixels[1])[tuple(found_at.T)][spare]
    np.add.at(length[0], found_class[spare], spare_weight)
    return length


def cl_dice(found: Mask, truth: Mask) -> float:
    """Centre-line Dice of two masks of lines: 1 where each covers the other's skeleton.

    Notes
    -----
    Harmonic mean of the share of the found skeleton inside the true mask and of the true skeleton
    inside the found mask (Shit et al., CVPR 2021). Gaps and spurs cost, thickness does not.
    """
    if not found.any() or not truth.any():
        return float(found.any() == truth.any())
    precision = float(truth[_thinned(found)].mean())
    recall = float(found[_thinned(truth)].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def skeleton_of_lines(lines: Sequence[Line], shape: tuple[int, int]) -> Mask:
    """Skeleton of ordered lines, as thinning a mask of them would give it."""
    mask = np.zeros(shape, bool)
    for line in lines:
        y, x = np.rint(_resampled(line, step_px=0.25)).astype(int).T
        inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        mask[y[inside], x[inside]] = True
    return _thinned(mask)


def position_error_px(
    found: Sequence[Line], truth: Sequence[Line], *, reach_px: float = 3.0
) -> NDArray[np.float64]:
    """How far found walls lie off the true ones, along the normals of these.

    Parameters
    ----------
    found, truth
        Walls.
    reach_px
        How far to look for a wall.

    Returns
    -------
    offset_px
        One number a pixel of true length; NaN where nothing was found. Positive to the right of
        the direction of the true wall, seen with y downward.
    """
    at, normal = _posts(truth)
    return _offset_along(at, normal, found, reach_px)


def displacement_error_px(
    found_before: Sequence[Line],
    found_after: Sequence[Line],
    truth_before: Sequence[Line],
    truth_after: Sequence[Line],
    *,
    reach_px: float = 10.0,
) -> NDArray[np.float64]:
    """Measured minus true displacement between two frames, at each pixel of true length.

    Displacements are measured along the normals of the walls before. NaN where one of the four is
    farther than ``reach_px``.
    """
    at, normal = _posts(truth_before)
    measured = _offset_along(at, normal, found_after, reach_px) - _offset_along(
        at, normal, found_before, reach_px
    )
    true = _offset_along(at, normal, truth_after, reach_px)
    return measured - true


def _thinned(mask: Mask) -> Mask:
    from skimage.morphology import skeletonize

    skeleton: Mask = skeletonize(mask)  # type: ignore[no-untyped-call]
    return skeleton


def _positions(mask: Mask, pixel_size: tuple[float, float]) -> NDArray[np.float64]:
    return np.asarray(np.argwhere(mask) * np.asarray(pixel_size, float))


def _partners(
    found: NDArray[np.float64], truth: NDArray[np.float64], radius: float
) -> NDArray[np.int64]:
    """Index of the true position that belongs to each found one, -1 for none, shape (F,).

    Hopcroft and Karp's matching on the sparse graph of all near pairs: a whole image is one
    cluster, for which a dense assignment would need minutes.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import maximum_bipartite_matching
    from scipy.spatial import cKDTree

    if not len(found) or not len(truth):
        return np.full(len(found), -1, np.int64)
    near = cKDTree(found).sparse_distance_matrix(
        cKDTree(truth), radius + 1e-9, output_type="coo_matrix"
    )
    # Distances of 0 would be absent from the graph.
    graph = coo_array(
        (np.ones(len(near.row), np.int8), (near.row, near.col)), shape=(len(found), len(truth))
    )
    return np.asarray(maximum_bipartite_matching(graph.tocsr(), perm_type="column"), np.int64)


def _pixel_lengths(skeleton: Mask) -> NDArray[np.float64]:
    """Length that each skeleton pixel stands for: half of the ways to its neighbours."""
    from scipy import ndimage

    line = skeleton.astype(float)
    corner, side = np.sqrt(2) / 2, 0.5
    kernel = np.array([[corner, side, corner], [side, 0, side], [corner, side, corner]])
    length = ndimage.convolve(line, kernel, mode="constant")
    return np.asarray(np.where(skeleton, length, 0.0))


def _resampled(line: Line, *, step_px: float) -> Line:
    """Points at even steps along a line, its ends included."""
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, way[-1], max(2, round(way[-1] / step_px) + 1))
    return np.stack([np.interp(at, way, line[:, 0]), np.interp(at, way, line[:, 1])], 1)


def _posts(lines: Sequence[Line]) -> tuple[Line, Line]:
    """A point a pixel of length, and the unit normal there, smoothed over some pixels."""
    at, normal = [np.empty((0, 2))], [np.empty((0, 2))]
    for line in lines:
        points = _resampled(line, step_px=1.0)
        last = len(points) - 1
        n = np.arange(len(points))
        along = points[np.minimum(n + 2, last)] - points[np.maximum(n - 2, 0)]
        across = np.stack([along[:, 1], -along[:, 0]], 1)
        at.append(points)
        normal.append(across / np.maximum(np.hypot(*across.T), 1e-9)[:, None])
    return np.concatenate(at), np.concatenate(normal)


def _offset_along(
    at: Line, normal: Line, lines: Sequence[Line], reach_px: float
) -> NDArray[np.float64]:
    """Distance along each normal to the nearest crossing with a line; NaN for none, shape (N,)."""
    from scipy.spatial import cKDTree

    offset = np.full(len(at), np.inf)
    pieces = [_resampled(line, step_px=0.5) for line in lines]
    if not pieces or not len(at):
        return np.full(len(at), np.nan)
    start = np.concatenate([piece[:-1] for piece in pieces])
    step = np.concatenate([np.diff(piece, axis=0) for piece in pieces])
    near = cKDTree(start + step / 2).query_ball_point(at, reach_px + 0.5)
    for n, which in enumerate(near):
        if not which:
            continue
        # at + t normal = start + s step, solved for t and s by Cramer's rule.
        gap, along = start[which] - at[n], step[which]
        across = normal[n, 0] * along[:, 1] - normal[n, 1] * along[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (gap[:, 0] * along[:, 1] - gap[:, 1] * along[:, 0]) / across
            s = (gap[:, 0] * normal[n, 1] - gap[:, 1] * normal[n, 0]) / across
        crossing = t[(s >= -1e-9) & (s <= 1 + 1e-9) & (np.abs(t) <= reach_px)]
        if len(crossing):
            offset[n] = crossing[np.abs(crossing).argmin()]
    return np.where(np.isfinite(offset), offset, np.nan)

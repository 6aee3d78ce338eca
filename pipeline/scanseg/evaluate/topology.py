"""How walls hang together: gaps, loops, junctions and free ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.matching import match_positions
from scanseg.evaluate.skeletons import excused, thinned
from scanseg.micrograph import Mask
from scanseg.walls.graph import prune, trace_skeleton

__all__ = ["NodeScore", "Nodes", "betti_numbers", "cl_dice", "nodes_of", "score_nodes"]

# A wall that leaves the scan has no end there, and thinning stops some pixels before the edge.
BORDER_PX = 4.0


def cl_dice(found: Mask, truth: Mask) -> float:
    """Centre-line Dice of two masks of lines: 1 where each covers the other's skeleton.

    Notes
    -----
    Harmonic mean of the share of the found skeleton inside the true mask and of the true skeleton
    inside the found mask (Shit et al., CVPR 2021). Gaps and spurs cost, thickness does not.
    """
    if not found.any() or not truth.any():
        return float(found.any() == truth.any())
    precision = float(truth[thinned(found)].mean())
    recall = float(found[thinned(truth)].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def betti_numbers(walls: Mask) -> tuple[int, int]:
    """Pieces of walls (connected over corners) and loops that they close.

    Notes
    -----
    What lies between a wall and the edge of the scan is not enclosed.

    Examples
    --------
    >>> ring_and_line = np.zeros((9, 12), bool)
    >>> ring_and_line[2:6, 2:6] = True
    >>> ring_and_line[3:5, 3:5] = False
    >>> ring_and_line[1:8, 9] = True
    >>> betti_numbers(ring_and_line)
    (2, 1)
    """
    from scipy import ndimage

    _, n_pieces = ndimage.label(walls, structure=np.ones((3, 3)))
    _, n_regions = ndimage.label(~np.pad(walls, 1))
    return int(n_pieces), int(n_regions) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Ends of the branches of a skeleton, those at the edge of the scan left out.

    Parameters
    ----------
    junction_px, end_point_px
        (y, x), shapes (J, 2) and (E, 2).
    """

    junction_px: NDArray[np.float64]
    end_point_px: NDArray[np.float64]


def nodes_of(skeleton: Mask, *, spur_px: float = 6.0) -> Nodes:
    """Junctions and end points of a skeleton; spurs of thinning are dropped before."""
    graph = trace_skeleton(prune(skeleton, spur_px=spur_px, shortest_px=0.0))
    last = np.array(skeleton.shape) - 1
    inside = ((graph.node_px >= BORDER_PX) & (graph.node_px <= last - BORDER_PX)).all(axis=1)
    return Nodes(
        graph.node_px[inside & (graph.degree >= 3)], graph.node_px[inside & (graph.degree == 1)]
    )


@dataclass(frozen=True, slots=True)
class NodeScore:
    """F found and T true nodes; M pairs match one to one.

    Parameters
    ----------
    n_matched, n_found, n_truth
        M, F and T.
    sum_squares_px2
        Sum of the squared distances of the pairs.
    """

    n_matched: int = 0
    n_found: int = 0
    n_truth: int = 0
    sum_squares_px2: float = 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where nothing is and nothing was found."""
        total = self.n_found + self.n_truth
        return 2 * self.n_matched / total if total else 1.0

    @property
    def count_error(self) -> int:
        """Found minus true number."""
        return self.n_found - self.n_truth

    @property
    def rms_px(self) -> float:
        """Root mean square of the distances of the pairs; NaN without one."""
        return (
            float(np.sqrt(self.sum_squares_px2 / self.n_matched))
            if self.n_matched
            else float("nan")
        )

    def __add__(self, other: NodeScore) -> NodeScore:
        """Score of two images together."""
        return NodeScore(
            self.n_matched + other.n_matched,
            self.n_found + other.n_found,
            self.n_truth + other.n_truth,
            self.sum_squares_px2 + other.sum_squares_px2,
        )


def score_nodes(
    found_px: NDArray[np.float64],
    truth_px: NDArray[np.float64],
    *,
    radius_px: float,
    ignored: Mask | None = None,
) -> NodeScore:
    """Match junctions, or end points.

    Parameters
    ----------
    found_px, truth_px
        (y, x), shapes (F, 2) and (T, 2).
    radius_px
        Largest distance of a pair.
    ignored
        Walls that need not be found and may be: nodes within the radius of one do not count.
    """
    if ignored is not None:
        found_px, truth_px = (
            at[~excused(np.rint(at).astype(np.int64), ignored, radius_px)]
            for at in (found_px, truth_px)
        )
    matches = match_positions(found_px, truth_px, radius_px=radius_px)
    squares = float((matches.offset_px**2).sum())
    return NodeScore(len(matches.found_index), len(found_px), len(truth_px), squares)

"""Skeletons as graphs: branches between junctions and end points.

Written here because skan, which does the same, compiles for 2.7 s in every process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask

__all__ = ["Branch", "WallGraph", "prune", "trace_skeleton"]


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A wall between two nodes, N pixels in order.

    Parameters
    ----------
    pixels
        (y, x), shape (N, 2), those of its nodes included; the first pixel again at the end of a
        closed wall.
    start, end
        Numbers of the nodes; -1 twice for a closed wall that meets no other.
    """

    pixels: NDArray[np.int64]
    start: int
    end: int

    @property
    def length_px(self) -> float:
        """Length over the pixels' centres."""
        return float(np.hypot(*np.diff(self.pixels, axis=0).T).sum())


@dataclass(frozen=True, slots=True, eq=False)
class WallGraph:
    """Branches and the K nodes they meet at.

    Parameters
    ----------
    branches
        The branches.
    node_px
        (y, x) of the nodes, shape (K, 2).
    degree
        Ends of branches at each node, shape (K,): 1 for an end point, 2 where only the class of the
        wall changes, 3 and more for a junction.
    """

    branches: tuple[Branch, ...]
    node_px: NDArray[np.float64]
    degree: NDArray[np.int64]

    def is_spur(self, branch: Branch) -> bool:
        """Whether a branch hangs on a junction by one end and ends freely with the other."""
        if branch.start < 0:
            return False
        ends = sorted((int(self.degree[branch.start]), int(self.degree[branch.end])))
        return ends[0] == 1 and ends[1] > 1


def trace_skeleton(skeleton: Mask) -> WallGraph:
    """Branches of a skeleton.

    Parameters
    ----------
    skeleton
        Lines one pixel wide, connected over corners, shape (height, width).

    Notes
    -----
    Pixels that touch over a corner are linked unless a third one links them already, so corners of
    a staircase are no junctions. Junction pixels that touch are one node.
    """
    pixels = np.argwhere(skeleton)
    of_pixel, n_nodes, walks = _walks(pixels, skeleton.shape)
    branches = tuple(
        Branch(pixels[walk], int(of_pixel[walk[0]]), int(of_pixel[walk[-1]])) for walk in walks
    )
    on_node = of_pixel >= 0
    size = np.bincount(of_pixel[on_node], minlength=n_nodes)
    node_px = np.stack(
        [
            np.bincount(of_pixel[on_node], pixels[on_node, axis], minlength=n_nodes) / size
            for axis in (0, 1)
        ],
        axis=1,
    )
    ends = np.array([(branch.start, branch.end) for branch in branches if branch.start >= 0])
    return WallGraph(branches, node_px, np.bincount(ends.astype(int).ravel(), minlength=n_nodes))


def prune(skeleton: Mask, *, spur_px: float, shortest_px: float) -> Mask:
    """Skeleton without what thinning and noise leave.

    Parameters
    ----------
    skeleton
        Shape (height, width).
    spur_px
        Branches from a junction to an end point that are shorter than this are removed: the
        shortest of a junction first, after which it may be no junction any more.
    shortest_px
        Lone walls, closed ones as well, that are shorter than this are removed.
    """
    kept = skeleton.copy()
    while True:
        graph = trace_skeleton(kept)
        doomed = _shortest_spurs(graph, spur_px)
        if not doomed:
            break
        for branch in doomed:
            _erase(kept, graph, branch)
    for branch in graph.branches:
        alone = branch.start < 0 or (graph.degree[[branch.start, branch.end]] == 1).all()
        if alone and branch.length_px < shortest_px:
            kept[tuple(branch.pixels.T)] = False
    return kept


def _shortest_spurs(graph: WallGraph, spur_px: float) -> list[Branch]:
    shortest: dict[int, Branch] = {}
    for branch in graph.branches:
        if len(branch.pixels) <= spur_px and graph.is_spur(branch) and branch.length_px < spur_px:
            junction = max(branch.start, branch.end, key=lambda node: int(graph.degree[node]))
            if junction not in shortest or branch.length_px < shortest[junction].length_px:
                shortest[junction] = branch
    return list(shortest.values())


def _erase(skeleton: Mask, graph: WallGraph, branch: Branch) -> None:
    """Remove a spur, up to the junction and not with it."""
    from_end = graph.degree[branch.start] == 1
    pixels = branch.pixels[:-1] if from_end else branch.pixels[1:]
    skeleton[tuple(pixels.T)] = False


def _walks(
    pixels: NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], int, list[NDArray[np.int64]]]:
    """Node of each pixel or -1, the number of nodes, and the pixels of each branch, rings last."""
    from scanseg.walls._links import link_pixels, number_nodes, walk_branches

    n_pixels = len(pixels)
    number = np.full((shape[0] + 2, shape[1] + 2), -1)
    number[pixels[:, 0] + 1, pixels[:, 1] + 1] = np.arange(n_pixels)
    links, count = np.zeros((n_pixels, 8), np.int64), np.empty(n_pixels, np.int64)
    link_pixels(number, pixels, links, count)
    node_of = np.empty(n_pixels, np.int64)
    n_nodes = number_nodes(links, count, node_of)
    # Every pixel once, the ends of a branch once more, and the first of a ring of four or more.
    walk = np.empty(3 * n_pixels + int(count.sum()), np.int64)
    end = np.empty(n_pixels + int(count.sum()), np.int64)
    n_walks = walk_branches(links, count, node_of, walk, end)
    ends = end[:n_walks].tolist()
    return (
        node_of,
        n_nodes,
        [walk[first:last] for first, last in zip([0, *ends][:-1], ends, strict=True)],
    )

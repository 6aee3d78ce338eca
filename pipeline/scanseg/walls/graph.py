"""Skeletons as graphs: branches between junctions and end points.

Written here because skan, which does the same, compiles for 2.7 s in every process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask

__all__ = ["Branch", "WallGraph", "prune", "trace_skeleton"]

# Numbers of the pixels that each of P pixels is linked to. Walks are plain Python over plain lists:
# 4,000 pixels take 2 ms.
Links = list[list[int]]


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
    links = _links(skeleton)
    node_of, n_nodes = _number_nodes(links)
    walks = _walks(links, node_of)
    branches = tuple(Branch(pixels[walk], node_of[walk[0]], node_of[walk[-1]]) for walk in walks)
    of_pixel = np.array(node_of, np.int64)
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


def _links(skeleton: Mask) -> Links:
    number = np.full((skeleton.shape[0] + 2, skeleton.shape[1] + 2), -1)
    inner = number[1:-1, 1:-1]
    n_pixels = int(skeleton.sum())
    inner[skeleton] = np.arange(n_pixels)
    left, right, below = number[1:-1, :-2], number[1:-1, 2:], number[2:, 1:-1]
    below_left, below_right = number[2:, :-2], number[2:, 2:]
    pairs = []
    for near, free in (
        (right, skeleton),
        (below, skeleton),
        (below_right, (right < 0) & (below < 0)),
        (below_left, (left < 0) & (below < 0)),
    ):
        linked = skeleton & free & (near >= 0)
        pairs.append(np.stack([inner[linked], near[linked]]))
    one, other = np.concatenate(pairs, axis=1)
    first, second = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((second, first))
    bounds = np.searchsorted(first[order], np.arange(n_pixels + 1)).tolist()
    near_all = second[order].tolist()
    return [near_all[bounds[n] : bounds[n + 1]] for n in range(n_pixels)]


def _number_nodes(links: Links) -> tuple[list[int], int]:
    """Node of each pixel that is an end point or part of a junction, else -1; and their count."""
    node_of = [-1] * len(links)
    count = 0
    for first, near_first in enumerate(links):
        if len(near_first) == 2 or node_of[first] >= 0:
            continue
        node_of[first] = count
        waiting = [first] if len(near_first) > 2 else []
        while waiting:
            for near in links[waiting.pop()]:
                if node_of[near] < 0 and len(links[near]) > 2:
                    node_of[near] = count
                    waiting.append(near)
        count += 1
    return node_of, count


def _walks(links: Links, node_of: list[int]) -> list[list[int]]:
    """Pixels of each branch in order, those of its nodes included; rings last."""
    walks = []
    walked: set[tuple[int, int]] = set()
    reached = [node >= 0 for node in node_of]
    for first, near_first in enumerate(links):
        if node_of[first] < 0:
            continue
        for second in near_first:
            if (first, second) in walked or node_of[second] == node_of[first]:
                continue
            walk = _walk(links, node_of, first, second)
            walked.add((walk[-1], walk[-2]))
            walks.append(walk)
            for pixel in walk:
                reached[pixel] = True
    for first, near_first in enumerate(links):
        if not reached[first]:  # by a walk from a node, so it is on a ring without one
            walk = _walk(links, node_of, first, near_first[0])
            walks.append(walk)
            for pixel in walk:
                reached[pixel] = True
    return walks


def _walk(links: Links, node_of: list[int], first: int, second: int) -> list[int]:
    """From a pixel on to the next node, or round to where the walk began."""
    walk = [first, second]
    before, here = first, second
    while node_of[here] < 0 and here != first:
        one, other = links[here]
        before, here = here, (other if one == before else one)
        walk.append(here)
    return walk

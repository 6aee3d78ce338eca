"""Skeletons as graphs: branches between junctions and end points.

Written here because skan, which does the same, compiles for 2.7 s in every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask

__all__ = ["Branch", "WallGraph", "prune", "trace_skeleton"]

Pixel = tuple[int, int]
Links = dict[Pixel, list[Pixel]]


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
    links = _links(skeleton)
    node_of = _number_nodes(links)
    n_nodes = max(node_of.values(), default=-1) + 1
    branches = [*_open_branches(links, node_of), *_closed_branches(links, node_of)]
    degree = np.zeros(n_nodes, np.int64)
    for branch in branches:
        if branch.start >= 0:
            degree[branch.start] += 1
            degree[branch.end] += 1
    node_px: NDArray[np.float64] = np.zeros((n_nodes, 2))
    size = np.zeros(n_nodes)
    for pixel, number in node_of.items():
        node_px[number] += pixel
        size[number] += 1
    return WallGraph(tuple(branches), node_px / np.maximum(size, 1)[:, None], degree)


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
        if branch.length_px < spur_px and graph.is_spur(branch):
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
    pixels: set[Pixel] = {(int(y), int(x)) for y, x in np.argwhere(skeleton)}
    links: Links = {}
    for y, x in pixels:
        beside = [p for p in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)) if p in pixels]
        corners = [
            (i, j)
            for i in (y - 1, y + 1)
            for j in (x - 1, x + 1)
            if (i, j) in pixels and (y, j) not in pixels and (i, x) not in pixels
        ]
        links[y, x] = beside + corners
    return links


def _number_nodes(links: Links) -> dict[Pixel, int]:
    """Number of the node of each pixel that is an end point or part of a junction."""
    nodes = {pixel for pixel, near in links.items() if len(near) != 2}
    number: dict[Pixel, int] = {}
    for count, first in enumerate(sorted(nodes)):
        if first in number:
            continue
        number[first] = count
        waiting = [first]
        while waiting:
            here = waiting.pop()
            for near in links[here]:
                both_join = len(links[here]) > 2 and len(links[near]) > 2
                if near in nodes and near not in number and both_join:
                    number[near] = count
                    waiting.append(near)
    renumbered = {old: new for new, old in enumerate(sorted(set(number.values())))}
    return {pixel: renumbered[old] for pixel, old in number.items()}


def _open_branches(links: Links, node_of: dict[Pixel, int]) -> Iterator[Branch]:
    walked: set[tuple[Pixel, Pixel]] = set()
    for first in sorted(node_of):
        for second in links[first]:
            if (first, second) in walked or node_of.get(second) == node_of[first]:
                continue
            path = [first, second]
            while path[-1] not in node_of:
                path.append(next(p for p in links[path[-1]] if p != path[-2]))
            walked.add((path[-1], path[-2]))
            yield Branch(np.array(path), node_of[first], node_of[path[-1]])


def _closed_branches(links: Links, node_of: dict[Pixel, int]) -> Iterator[Branch]:
    """Rings without a node: those pixels that no walk from a node reaches."""
    reached: set[Pixel] = set()
    for branch in _open_branches(links, node_of):
        reached |= {(int(y), int(x)) for y, x in branch.pixels}
    reached |= set(node_of)
    for first in sorted(set(links) - reached):
        if first in reached:
            continue
        path = [first, links[first][0]]
        while path[-1] != first:
            path.append(next(p for p in links[path[-1]] if p != path[-2]))
        reached |= set(path)
        yield Branch(np.array(path), -1, -1)

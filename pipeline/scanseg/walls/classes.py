"""Branches are cut where the class of a wall changes along them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scanseg.walls.graph import Branch, WallGraph

__all__ = ["split_by_class"]


def split_by_class(
    graph: WallGraph, log_odds: Sequence[NDArray[np.float64]], *, shortest_run_px: float
) -> tuple[WallGraph, tuple[int, ...]]:
    """Graph whose branches have one class each, and these classes.

    Parameters
    ----------
    graph
        Branches of a skeleton.
    log_odds
        Of ferroelectric (1) against ferroelastic (2), above 0 for the former, one array for the
        pixels of each branch.
    shortest_run_px
        A run of another class that is shorter does not split a branch: it takes the class of what
        is beside it, the shortest run first.

    Notes
    -----
    A cut becomes a node of degree 2, and its pixel belongs to both parts.
    """
    branches: list[Branch] = []
    classes: list[int] = []
    new_node_px: list[NDArray[np.int64]] = []
    for branch, odds in zip(graph.branches, log_odds, strict=True):
        pixels, of_pixel = branch.pixels, np.where(odds >= 0, 1, 2)
        if branch.start < 0:
            pixels, of_pixel = _turned(pixels, of_pixel)
        of_pixel = _without_short_runs(of_pixel, pixels, shortest_run_px)
        if branch.start < 0:
            pixels, of_pixel = _turned(pixels, of_pixel)
        cuts = _cuts(of_pixel)
        bounds = [0, *cuts, len(pixels) - 1]
        first_new = len(graph.node_px) + len(new_node_px)
        nodes = [branch.start, *range(first_new, first_new + len(cuts)), branch.end]
        new_node_px += [pixels[cut] for cut in cuts]
        if branch.start < 0 and cuts:  # the two ends of an opened ring are a node as well
            nodes[0] = nodes[-1] = first_new + len(cuts)
            new_node_px.append(pixels[0])
        for part in range(len(bounds) - 1):
            first, last = bounds[part], bounds[part + 1]
            branches.append(Branch(pixels[first : last + 1], nodes[part], nodes[part + 1]))
            classes.append(int(of_pixel[first]))
    n_new = len(new_node_px)
    split = WallGraph(
        tuple(branches),
        np.concatenate([graph.node_px, np.array(new_node_px, float).reshape(n_new, 2)]),
        np.concatenate([graph.degree, np.full(n_new, 2)]),
    )
    return split, tuple(classes)


def _cuts(classes: NDArray[np.int64]) -> list[int]:
    """First pixels of all runs of a class but the first."""
    # The last pixel alone is no run: a cut needs a pixel on both sides.
    return [int(cut) + 1 for cut in np.flatnonzero(np.diff(classes[:-1]))]


def _turned(
    pixels: NDArray[np.int64], classes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A ring, turned so that it begins where its class changes."""
    ring, of_ring = pixels[:-1], classes[:-1]
    changed = np.flatnonzero(of_ring != np.roll(of_ring, 1))
    first = int(changed[0]) if len(changed) else 0
    ring, of_ring = np.roll(ring, -first, axis=0), np.roll(of_ring, -first)
    return np.concatenate([ring, ring[:1]]), np.concatenate([of_ring, of_ring[-1:]])


def _without_short_runs(
    classes: NDArray[np.int64], pixels: NDArray[np.int64], shortest_px: float
) -> NDArray[np.int64]:
    classes = classes.copy()
    classes[-1] = classes[-2]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(pixels, axis=0).T))])
    while cuts := _cuts(classes):
        bounds = np.array([0, *cuts, len(classes) - 1])
        length = np.diff(way[bounds])
        run = int(length.argmin())
        if length[run] >= shortest_px:
            break
        beside = bounds[run] - 1 if run else bounds[1]
        classes[bounds[run] : bounds[run + 1] + 1] = classes[beside]
        classes[-1] = classes[-2]
    return classes

"""Walls drawn as closed borders of pixels, gaps bridged, and which side a pixel on them is on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask
from scanseg.walls.graph import WallGraph
from scanseg.walls.lines import evenly_spaced, joined
from scanseg.walls.trace import TracedWall

__all__ = ["Borders", "draw_borders"]

Line = NDArray[np.float64]  # ordered (y, x), shape (N, 2)

# Points a third of a pixel apart leave no gap between pixels that touch at least by a corner.
STEP_PX = 0.33
# Directions of ends are taken over so many pixels.
END_PX = 6
# A bridge to another end may bend by this much at most.
SMALLEST_COSINE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Borders:
    """Pixels that walls cross.

    Parameters
    ----------
    mask
        Connected over corners, shape (height, width).
    pixel
        (row, column) of each of the P pixels of the mask, shape (P, 2).
    towards
        Unit vector (y, x) from the wall to the side that the pixel's centre is on, shape (P, 2).
    """

    mask: Mask
    pixel: NDArray[np.int64]
    towards: NDArray[np.float64]


def draw_borders(
    lines: Sequence[TracedWall], graph: WallGraph, *, shape: tuple[int, int], gap_px: float
) -> Borders:
    """Draw walls so that they separate what is on both sides of them.

    Parameters
    ----------
    lines
        Walls.
    graph
        The nodes they meet at.
    shape
        (height, width) of the scan.
    gap_px
        Free ends are led on, straight, to a wall or to the border of the scan that is as near, or
        joined to a free end that is.
    """
    wholes = [_to_its_nodes(line, graph) for line in lines]
    fine = _resampled(wholes)
    drawn = np.zeros(shape, bool)
    pixel = np.rint(fine[0]).astype(int)
    pixel = pixel[((pixel >= 0) & (pixel < shape)).all(1)]
    drawn[tuple(pixel.T)] = True
    bridges = _resampled(_bridges(wholes, lines, graph, drawn, gap_px))
    at, along = (np.concatenate(parts) for parts in zip(fine, bridges, strict=True))
    return _borders(at, along, shape)


def _to_its_nodes(wall: TracedWall, graph: WallGraph) -> Line:
    """Fits move the branches of a junction apart: each is led to the junction again."""
    line = wall.position_px
    if wall.start < 0:
        return np.concatenate([line, line[:1]])
    start, end = graph.node_px[[wall.start, wall.end]]
    before = [start[None]] if graph.degree[wall.start] > 1 else []
    after = [end[None]] if graph.degree[wall.end] > 1 else []
    return np.concatenate([*before, line, *after])


def _bridges(
    wholes: Sequence[Line], lines: Sequence[TracedWall], graph: WallGraph, drawn: Mask,
    gap_px: float,
) -> list[Line]:  # fmt: skip
    ends, directions = [], []
    for whole, wall in zip(wholes, lines, strict=True):
        for line, node in ((whole[::-1], wall.start), (whole, wall.end)):
            if node >= 0 and graph.degree[node] == 1:
                along = line[-1] - line[max(len(line) - 1 - END_PX, 0)]
                ends.append(line[-1])
                directions.append(along / max(float(np.hypot(*along)), 1e-9))
    bridges = []
    for number, (end, direction) in enumerate(zip(ends, directions, strict=True)):
        goal = _ahead(end, direction, drawn, gap_px)
        if goal is None:
            goal = _other_end(number, ends, directions, gap_px)
        if goal is not None:
            bridges.append(np.stack([end, goal]))
    return bridges


def _ahead(end: Line, direction: Line, drawn: Mask, gap_px: float) -> Line | None:
    """Where a wall that goes straight on meets another or leaves the scan."""
    way = np.arange(2.0, gap_px + 2.0, 0.5)  # nearer pixels are its own
    at = end + way[:, None] * direction
    y, x = np.rint(at).astype(int).T
    height, width = drawn.shape
    outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
    met = outside | drawn[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    first = int(met.argmax())
    return at[first] if met[first] and way[first] <= gap_px + 1.0 else None


def _other_end(
    number: int, ends: Sequence[Line], directions: Sequence[Line], gap_px: float
) -> Line | None:
    """The nearest free end that lies ahead and looks back."""
    gap = np.array(ends) - ends[number]
    away = np.hypot(*gap.T)
    forward = (gap @ directions[number]) / np.maximum(away, 1e-9)
    backward = -(gap * np.array(directions)).sum(1) / np.maximum(away, 1e-9)
    fits = (away > 0) & (away <= gap_px)
    fits &= (forward >= SMALLEST_COSINE) & (backward >= SMALLEST_COSINE)
    return ends[int(np.where(fits, away, np.inf).argmin())] if fits.any() else None


def _borders(at: Line, along: Line, shape: tuple[int, int]) -> Borders:
    mask = np.zeros(shape, bool)
    nearest = np.rint(at).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < shape)).all(1)
    at, along, nearest = at[inside], along[inside], nearest[inside]
    # Of all points in a pixel the one nearest to its centre tells the side.
    away = np.hypot(*(nearest - at).T)
    order = np.argsort(away, kind="stable")
    _, first = np.unique(nearest[order] @ (shape[1], 1), return_index=True)
    kept = order[first]
    pixel, offset = nearest[kept], nearest[kept] - at[kept]
    normal = np.stack([along[kept, 1], -along[kept, 0]], 1)
    normal /= np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
    side = np.where((offset * normal).sum(1) >= 0, 1.0, -1.0)
    mask[tuple(pixel.T)] = True
    return Borders(mask, pixel, normal * side[:, None])


def _resampled(lines: Sequence[Line]) -> tuple[Line, Line]:
    """Points ``STEP_PX`` apart at most along lines, and directions there, shape (N, 2) each."""
    fine, length = evenly_spaced(*joined(lines), step_px=STEP_PX, at_most=True)
    first = np.zeros(len(fine), bool)
    last = np.zeros(len(fine), bool)
    last[np.cumsum(length) - 1] = True
    first[np.cumsum(length) - length] = True
    ahead, behind = np.arange(len(fine)) + ~last, np.arange(len(fine)) - ~first
    return fine, fine[ahead] - fine[behind]

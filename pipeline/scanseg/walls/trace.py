"""From probabilities to walls: ordered, sub-pixel, typed, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask, Micrograph, Signal
from scanseg.walls.classes import split_by_class
from scanseg.walls.corners import turned_ring
from scanseg.walls.flip import at_phase_flips
from scanseg.walls.graph import Branch, WallGraph, prune, trace_skeleton
from scanseg.walls.lengths import line_length
from scanseg.walls.lines import WallLine, joined, parted, smooth_lines
from scanseg.walls.measure import Measurement, measure_walls
from scanseg.walls.reversal import phase_tells, reversal_log_odds
from scanseg.walls.settings import WallTracing

__all__ = ["TracedWall", "trace_lines"]

# Probabilities are averaged so far along a branch (s.d.) before the classes are compared.
CLASS_SMOOTHING_PX = 3.0
# Half a pixel of noise along a wall is smoothed away before normals are taken from it; where
# ferroelastic walls turn, they have corners.
SMOOTHING_PX, SMOOTHING_ANGULAR_PX = 2.0, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class TracedWall:
    """A branch of the wall graph, N points in order, a pixel apart.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2).
    position_err_px
        Standard deviation across the wall, shape (N,); NaN where the signal did not tell more than
        the network, whose skeleton the point is on.
    class_index
        Class of each point, shape (N,); 0 is the background and does not occur.
    probability
        Probability of that class, shape (N,).
    half_width_px
        w of tanh(x / w): mean over the wall, NaN without a fit.
    half_width_err_px
        Its standard deviation.
    dip
        Smallest amplitude on the wall over that beside it: median over the wall.
    dip_err
        Its standard deviation, from the scatter along the wall.
    start, end
        Nodes of the graph; -1 for a closed wall.
    """

    position_px: NDArray[np.float64]
    position_err_px: NDArray[np.float64]
    class_index: NDArray[np.int64]
    probability: NDArray[np.float64]
    half_width_px: float
    half_width_err_px: float
    dip: float
    dip_err: float
    start: int
    end: int

    @property
    def main_class(self) -> int:
        """Class of most points."""
        return int(np.bincount(self.class_index).argmax())

    @property
    def length_px(self) -> float:
        """Length, without what the noise of the points would add."""
        return line_length(self.position_px)

    @property
    def tortuosity(self) -> float:
        """Length over the distance of the ends; inf for a closed wall."""
        apart = float(np.hypot(*(self.position_px[-1] - self.position_px[0])))
        return self.length_px / apart if apart > 1e-9 else float("inf")


def trace_lines(
    probability: FloatImage,
    scan: Mapping[Signal, Micrograph],
    *,
    config: WallTracing | None = None,
) -> tuple[tuple[TracedWall, ...], WallGraph]:
    """Walls of a scan, and the graph they form.

    Parameters
    ----------
    probability
        Of background, ferroelectric and ferroelastic walls, shape (3, height, width).
    scan
        Amplitude and phase, or one of them, as ``read_pfm`` gives them.
    config
        How.
    """
    config = config or WallTracing()
    threshold = 0.5 if config.threshold is None else config.threshold
    skeleton = _skeleton(1.0 - probability[0] >= threshold)
    skeleton = prune(skeleton, spur_px=config.spur_px, shortest_px=config.shortest_px)
    whole = trace_skeleton(skeleton)
    graph, classes = split_by_class(
        whole,
        _class_log_odds(whole, probability, skeleton, scan, config.phase_weight),
        shortest_run_px=config.shortest_run_px,
    )
    lines = _expected(graph.branches, classes)
    measured = measure_walls(
        lines, scan, skeleton, half_width_px=config.half_width_px, reach_px=config.reach_px,
        largest_shift_px=config.largest_shift_px,
    )  # fmt: skip
    if config.place == "flip":
        measured = at_phase_flips(lines, measured, scan)
    walls = tuple(map(_traced, graph.branches, lines, measured, repeat(probability)))
    return walls, graph


def _skeleton(mask: Mask) -> Mask:
    from skimage.morphology import skeletonize

    skeleton: Mask = skeletonize(mask)  # type: ignore[no-untyped-call]
    return skeleton


def _class_log_odds(
    graph: WallGraph, probability: FloatImage, skeleton: Mask, scan: Mapping[Signal, Micrograph],
    phase_weight: float,
) -> list[NDArray[np.float64]]:  # fmt: skip
    """Ferroelectric against ferroelastic, of every pixel of every branch: network and phase."""
    network = _of_network(graph.branches, probability)
    measured = reversal_log_odds(graph, skeleton, scan) if phase_weight else None
    if measured is None or not phase_tells(network, measured):
        return network
    return [one + phase_weight * other for one, other in zip(network, measured, strict=True)]


def _of_network(branches: Sequence[Branch], probability: FloatImage) -> list[NDArray[np.float64]]:
    """Log odds of the probabilities, averaged over some pixels along each branch."""
    from scanseg.walls._along import smooth_values

    pixels, start, length = joined([branch.pixels for branch in branches])
    y, x = pixels.astype(int).T
    closed = np.array([branch.start < 0 for branch in branches], bool)
    seen = np.ascontiguousarray(probability[1:, y, x].T, np.float64)
    score = np.empty_like(seen)
    smooth_values(seen, closed, start, length, CLASS_SMOOTHING_PX, score)
    ferroelectric, ferroelastic = np.maximum(score, 1e-3).T
    return parted(np.log(ferroelectric / ferroelastic), length)


def _seen(line: NDArray[np.float64], probability: FloatImage) -> NDArray[np.float64]:
    """Probabilities of the wall classes in the pixels of a line, shape (2, N)."""
    y, x = np.clip(np.rint(line).astype(int), 0, np.array(probability.shape[1:]) - 1).T
    return np.asarray(probability[1:, y, x], np.float64)


def _expected(branches: Sequence[Branch], class_index: Sequence[int]) -> list[WallLine]:
    closed = [branch.start < 0 for branch in branches]
    lines = smooth_lines(
        [branch.pixels for branch in branches], closed,
        [SMOOTHING_PX if index == 1 else SMOOTHING_ANGULAR_PX for index in class_index],
    )  # fmt: skip
    return [
        WallLine(turned_ring(line) if ring and index > 1 else line, np.full(len(line), index), ring)
        for line, index, ring in zip(lines, class_index, closed, strict=True)
    ]


def _traced(
    branch: Branch, line: WallLine, measured: Measurement, probability: FloatImage
) -> TracedWall:
    seen = _seen(line.position_px, probability)
    return TracedWall(
        position_px=measured.position_px,
        position_err_px=measured.position_err_px,
        class_index=line.class_index,
        probability=seen[line.class_index - 1, np.arange(seen.shape[1])],
        half_width_px=measured.half_width_px,
        half_width_err_px=measured.half_width_err_px,
        dip=measured.dip,
        dip_err=measured.dip_err,
        start=branch.start,
        end=branch.end,
    )

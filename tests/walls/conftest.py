"""Walls made by hand, whose lengths, distances and directions are known."""

import numpy as np
import pytest

from scanseg.walls import TracedWall, WallGraph, Walls, wall_points_table, walls_table

CLASSES = ("background", "ferroelectric", "ferroelastic")


def traced(line, *, index=1, start=0, end=1):
    n = len(line)
    return TracedWall(
        position_px=np.asarray(line, float), position_err_px=np.full(n, np.nan),
        class_index=np.full(n, index), probability=np.linspace(0.8, 0.9, n), half_width_px=3.0,
        half_width_err_px=0.2, dip=0.1, dip_err=0.01, start=start, end=end,
    )  # fmt: skip


@pytest.fixture
def straight():
    """Make a wall between two points, (y, x), with points a pixel apart."""

    def make(first, last, **kinds):
        length = float(np.hypot(*np.subtract(last, first)))
        way = np.linspace(0, 1, round(length) + 1)[:, None]
        return traced(np.array(first) + way * np.subtract(last, first), **kinds)

    return make


@pytest.fixture
def walls_of():
    """Make walls as ``trace_walls`` would return them; all of them end freely."""

    def make(*lines, shape=(120, 150), pixel_size_nm=None, node_px=(), degree=()):
        lines = tuple(lines)
        graph = WallGraph((), np.reshape(node_px, (-1, 2)).astype(float), np.array(degree, int))
        return Walls(
            points=wall_points_table(lines, class_names=CLASSES, pixel_size_nm=pixel_size_nm),
            branches=walls_table(
                lines, class_names=CLASSES, shape=shape, pixel_size_nm=pixel_size_nm
            ),
            domains=None,
            graph=graph,
            lines=lines,
            domain_map=np.ones(shape, np.int32),
        )

    return make

from itertools import pairwise

import numpy as np
import pytest

from scanseg.errors import ScansegError
from scanseg.walls import measurement_points, short_route

SIZE = (5.0, 10.0)


def way_between(lines, order, turned):
    walked = [lines[n][::-1] if back else lines[n] for n, back in zip(order, turned, strict=True)]
    return sum(np.hypot(*(after[0] - before[-1])) for before, after in pairwise(walked))


def test_points_are_so_far_apart(straight, walls_of):
    walls = walls_of(straight((20, 10), (20, 115)), pixel_size_nm=SIZE)
    points = measurement_points(walls, pixel_size_nm=SIZE, every_nm=100.0)
    np.testing.assert_allclose(np.diff(points["x_nm"]), 100)
    np.testing.assert_allclose(points["x_px"], 12.5 + 10 * np.arange(11))  # even ends
    np.testing.assert_allclose(points["y_nm"], 100)
    np.testing.assert_allclose(points["tangent_deg"], 0)
    assert points["probability"].between(0.8, 0.9).all()
    same = measurement_points(walls, pixel_size_nm=SIZE, every_px=10.0)
    np.testing.assert_allclose(same["x_px"], points["x_px"])


def test_distances_along_a_slanting_wall_are_in_nanometres(straight, walls_of):
    walls = walls_of(straight((10, 10), (90, 50)), pixel_size_nm=SIZE)
    points = measurement_points(walls, pixel_size_nm=SIZE, every_nm=50.0)
    step = np.hypot(np.diff(points["y_nm"]), np.diff(points["x_nm"]))
    np.testing.assert_allclose(step, 50)
    np.testing.assert_allclose(points["tangent_deg"], 45)


def test_a_short_wall_has_a_point_in_its_middle(straight, walls_of):
    points = measurement_points(
        walls_of(straight((20, 10), (20, 20))), pixel_size_nm=None, every_px=40.0
    )
    assert list(points["x_px"]) == [15]
    assert points[["y_nm", "x_nm"]].isna().all(axis=None)


def test_a_ring_is_not_measured_twice_at_its_seam(walls_of, straight):
    angle = np.linspace(0, 2 * np.pi, 201)
    ring = straight((0, 0), (0, 200), start=-1, end=-1)
    ring.position_px[:] = 60 + 30 * np.stack([np.sin(angle), np.cos(angle)], 1)
    points = measurement_points(walls_of(ring), pixel_size_nm=None, every_px=20.0)
    position = points[["y_px", "x_px"]].to_numpy()
    apart = np.hypot(*(position[:, None] - position[None]).T) + 100 * np.eye(len(position))
    assert len(points) == 9
    assert apart.min() > 19


def test_classes_and_edges_can_be_left_out(straight, walls_of):
    walls = walls_of(
        straight((20, 0), (20, 149)), straight((2, 10), (2, 90), index=2),
        straight((60, 10), (60, 90), index=2),
    )  # fmt: skip
    points = measurement_points(
        walls, pixel_size_nm=None, every_px=5.0, classes=["ferroelastic"], edge_px=4
    )
    assert set(points["branch"]) == {2}
    every = measurement_points(walls, pixel_size_nm=None, every_px=1.0, edge_px=4)
    assert every["x_px"].between(4, 145).all()
    assert set(every["branch"]) == {0, 2}


def test_the_route_is_nearly_the_shortest():
    rng = np.random.default_rng(6)
    # Teeth of a comb in any order: the way from tooth to tooth is 10, turned round each time.
    lines = [np.array([[0.0, 10.0 * n], [200.0, 10.0 * n]]) for n in range(40)]
    shuffled = [lines[n] for n in rng.permutation(40)]
    assert way_between(shuffled, *short_route(shuffled)) == pytest.approx(39 * 10)


def test_turning_parts_round_shortens_the_greedy_way():
    rng = np.random.default_rng(7)
    first = rng.uniform(0, 1000, (150, 1, 2))
    lines = list(np.concatenate([first, first + rng.normal(0, 30, (150, 1, 2))], 1))
    order, turned = short_route(lines)
    assert sorted(order) == list(range(150))
    # Shortest tours of n random points in an area A are 0.71 sqrt(n A); lines bridge some of it.
    assert way_between(lines, order, turned) < 0.80 * np.sqrt(150 * 1000**2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either every_nm or every_px"),
        ({"every_nm": 5.0, "every_px": 5.0}, "either every_nm or every_px"),
        ({"every_px": 0.0}, "above zero"),
        ({"every_nm": 5.0}, "no pixel size"),
        ({"every_px": 5.0, "classes": ["ferromagnetic"]}, "no walls of class ferromagnetic"),
    ],
)
def test_requests_that_cannot_be_met_are_explained(straight, walls_of, options, message):
    walls = walls_of(straight((20, 10), (20, 90)))
    with pytest.raises(ScansegError, match=message):
        measurement_points(walls, pixel_size_nm=None, **options)


def test_no_wall_is_no_point(walls_of):
    points = measurement_points(walls_of(), pixel_size_nm=SIZE, every_nm=50.0, classes=["any"])
    assert len(points) == 0
    assert list(points.columns) == [
        "y_px", "x_px", "y_nm", "x_nm", "branch", "class", "tangent_deg", "probability",
    ]  # fmt: skip

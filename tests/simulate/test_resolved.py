"""Walls closer than a tip can tell, drawn by hand."""

import numpy as np
import pytest

from scanseg.simulate.resolved import resolved_walls
from scanseg.simulate.wall_lines import Visible, Wall, draw_walls

SHAPE = (70, 90)
WIDTH = 3.0  # half width of a wall's image, so that lines 4.5 px apart or closer are one


def lines(*places, kind="ferroelastic", slope=0.0):
    """Walls from the left to the right at these rows, with a contrast of 5."""
    x = np.arange(5.0, 85.0)
    return [Wall(np.stack([row + slope * x, x], 1), kind, np.full(len(x), 5.0)) for row in places]


def seen(*places, noise=0.1, half_width=WIDTH):
    """A response of 1 that is 0 along these rows, as wide as a wall's image."""
    y = np.arange(SHAPE[0])[:, None]
    dip = sum(np.exp(-0.5 * ((y - row) / half_width) ** 2) for row in places)
    response = np.broadcast_to(1 - dip, SHAPE).astype(np.complex64)
    return Visible(response, np.full(SHAPE[0], noise, np.float32), half_width)


def rows(walls):
    return [float(np.round(np.median(wall.position_px[5:-5, 0]), 3)) for wall in walls]


def class_map(walls):
    return draw_walls(walls, SHAPE, radius_px=1.5, visible_contrast=2.0)


def test_a_narrow_lamella_is_one_line():
    both = resolved_walls(lines(30.0, 33.0), seen(31.5))
    assert rows(both) == [31.5, 31.5]
    # At the line the response is 1 below where it is 1.6 half widths away, with noise of 0.1;
    # what is left of a Gaussian dip there is a quarter.
    for wall in both:
        assert wall.contrast[10:-10] == pytest.approx(7.2, abs=0.5)
    drawn = class_map(both)[:, 40]
    assert np.flatnonzero(drawn).tolist() == [30, 31, 32, 33]
    assert set(drawn[30:34]) == {2}


def test_the_line_that_two_walls_are_must_be_seen():
    both = resolved_walls(lines(30.0, 33.0), seen(31.5, noise=1.0))
    assert set(class_map(both)[:, 40]) == {0, 255}


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_a_wide_lamella_keeps_both_walls(slope):
    walls = lines(30.0, 36.0, slope=slope)
    for one, same in zip(resolved_walls(walls, seen(30.0, 36.0)), walls, strict=True):
        np.testing.assert_array_equal(one.position_px, same.position_px)
        np.testing.assert_array_equal(one.contrast, same.contrast)


def test_a_wider_tip_resolves_less():
    walls = lines(30.0, 36.0)
    assert rows(resolved_walls(walls, seen(33.0, half_width=7.0))) == [33.0, 33.0]


def test_two_lamellae_side_by_side_are_two_lines():
    # 3 px wide each, 4.4 px apart: more than 1.4 times as far.
    walls = lines(25.0, 28.0, 32.4, 35.4)
    assert rows(resolved_walls(walls, seen(26.5, 33.9))) == [26.5, 26.5, 33.9, 33.9]


@pytest.mark.parametrize(
    "places", [(27.0, 30.0, 33.0), (27.0, 30.0, 32.5), (24.0, 27.0, 30.0, 33.0)]
)
def test_of_three_or_more_it_is_not_said_which_belong_together(places):
    walls = lines(*places)
    resolved = resolved_walls(walls, seen(*places))
    assert rows(resolved) == list(places)
    # The first and the last points face none.
    assert all((wall.contrast[3:-3] == 0).all() for wall in resolved)
    assert set(class_map(resolved)[:, 40]) == {0, 255}


def test_the_third_line_beside_a_pair_is_not_moved_to_it():
    # The middle one belongs to the last, nearer by more than 1.4; the first has no partner.
    resolved = resolved_walls(lines(27.0, 31.0, 33.5), seen(32.25))
    assert rows(resolved) == [27.0, 32.25, 32.25]
    assert (resolved[0].contrast[3:-3] == 0).all()


def test_close_ferroelectric_walls_are_ignored_where_they_are():
    walls = lines(30.0, 33.0, kind="ferroelectric")
    resolved = resolved_walls(walls, seen(31.5))
    assert rows(resolved) == [30.0, 33.0]
    assert set(class_map(resolved)[:, 40]) == {0, 255}


def test_walls_of_two_kinds_are_no_pair():
    walls = lines(30.0) + lines(33.0, kind="ferroelectric")
    for one, same in zip(resolved_walls(walls, seen(31.5)), walls, strict=True):
        np.testing.assert_array_equal(one.position_px, same.position_px)
        np.testing.assert_array_equal(one.contrast, same.contrast)


def test_crossing_walls_are_no_pair():
    y = np.arange(5.0, 65.0)
    across = Wall(np.stack([y, np.full(len(y), 40.0)], 1), "ferroelastic", np.full(len(y), 5.0))
    walls = [*lines(30.0), across]
    for one, same in zip(resolved_walls(walls, seen(30.0)), walls, strict=True):
        np.testing.assert_array_equal(one.position_px, same.position_px)


def test_no_wall_and_one_wall():
    assert resolved_walls([], seen(30.0)) == ()
    (one,) = resolved_walls(lines(30.0), seen(30.0))
    assert (one.contrast == 5).all()

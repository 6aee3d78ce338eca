import numpy as np
import pytest

from scanseg.motion.matching import match_points
from scanseg.motion.points import WallPoints


def points(*lines, up=None, kind=1):
    """Walls from lists of points; normals to the right of their direction."""
    position = np.concatenate([np.asarray(line, float) for line in lines])
    normal = []
    for line in lines:
        along = np.gradient(np.asarray(line, float), axis=0)
        across = np.stack([along[:, 1], -along[:, 0]], 1)
        normal.append(across / np.hypot(*across.T)[:, None])
    count = [len(line) for line in lines]
    sides = np.repeat(up if up is not None else np.zeros(len(lines), int), count)
    return WallPoints(
        position, np.concatenate(normal), np.full(len(position), 0.1),
        np.full(len(position), kind), np.repeat(np.arange(len(lines)), count), sides,
    )  # fmt: skip


def level(y, x=range(60)):
    """A wall along x; its right, with y downward, is below."""
    return [(float(y), float(at)) for at in x]


def circle(radius, centre=(50.0, 60.0)):
    angle = np.linspace(0, 2 * np.pi, round(2 * np.pi * radius) + 1)
    return np.stack([np.sin(angle), np.cos(angle)], 1) * radius + centre


def test_a_shifted_wall_is_found_with_its_sign():
    there, back = match_points(points(level(20)), points(level(23.5)), reach=10)
    np.testing.assert_allclose(there.offset, 3.5)
    np.testing.assert_allclose(there.target[:, 0], 23.5)
    np.testing.assert_array_equal(there.partner, np.arange(60))
    np.testing.assert_allclose(back.offset, -3.5)


def test_the_direction_that_a_line_was_traced_in_does_not_matter():
    there, _ = match_points(points(level(20)), points(level(23.5)[::-1]), reach=10)
    np.testing.assert_allclose(there.offset, 3.5)


def test_polarity_tells_neighbours_apart_beyond_half_their_distance():
    # Lamellae 8 px apart that all moved by 6: the nearest wall is the wrong one.
    before, after = [level(y) for y in (20, 28, 36, 44)], [level(y + 6) for y in (20, 28, 36, 44)]
    up = [1, -1, 1, -1]
    there, _ = match_points(points(*before, up=up), points(*after, up=up), reach=12)
    np.testing.assert_allclose(there.offset, 6.0)
    blind, _ = match_points(points(*before), points(*after), reach=12)
    assert (np.nan_to_num(blind.offset) < 0).any()


def test_a_wall_does_not_jump_over_another():
    # The upper wall vanished; the lower one, of the same polarity, stayed.
    before = points(level(20), level(26), level(32), up=[1, -1, 1])
    after = points(level(32.2), up=[1])
    there, back = match_points(before, after, reach=15)
    assert (there.partner[:120] == -1).all()
    np.testing.assert_allclose(there.offset[120:], 0.2)
    np.testing.assert_allclose(back.offset, -0.2)


def test_a_new_wall_has_no_partner():
    there, back = match_points(points(level(20)), points(level(20.1), circle(9)), reach=8)
    assert there.found.all()
    assert back.found[:60].all()
    assert not back.found[60:].any()


@pytest.mark.parametrize(("radius", "later"), [(20, 14), (12, 20)])
def test_an_island_grows_and_shrinks(radius, later):
    there, _ = match_points(points(circle(radius)), points(circle(later)), reach=10)
    assert there.found.mean() > 0.97
    right = there.offset[there.found]
    np.testing.assert_allclose(np.abs(right), abs(later - radius), atol=0.05)
    assert len(set(np.sign(right))) == 1


def test_only_walls_of_one_class_are_matched():
    there, _ = match_points(points(level(20)), points(level(21), kind=2), reach=5)
    assert not there.found.any()


def test_a_wall_that_tears_loses_its_middle_only():
    torn = points(level(21, range(20)), level(21, range(40, 60)))
    there, _ = match_points(points(level(20)), torn, reach=6)
    assert there.found[:19].all()
    assert there.found[41:].all()
    assert not there.found[22:38].any()


@pytest.mark.parametrize("empty", ["before", "after", "both"])
def test_scans_without_walls(empty):
    one = points(level(20))
    none = WallPoints(
        np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), *(np.zeros(0, int) for _ in range(3))
    )
    before = none if empty in ("before", "both") else one
    after = none if empty in ("after", "both") else one
    there, back = match_points(before, after, reach=5)
    assert not there.found.any()
    assert not back.found.any()

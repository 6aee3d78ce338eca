import numpy as np
import pytest

from scanseg.walls.corners import corner_sections, turned_ring


def bent(first, corner, last):
    """Points a pixel apart from one point over a corner to another."""
    parts = []
    for start, end in ((first, corner), (corner, last)):
        gap = np.subtract(end, start)
        n = round(float(np.hypot(*gap)))
        parts.append(np.array(start) + np.linspace(0, 1, n + 1)[:-1, None] * gap)
    return np.concatenate([*parts, [last]])


def test_two_straight_sections_meet_in_the_corner():
    rng = np.random.default_rng(4)
    line = bent((5.0, 4.0), (5.0, 24.0), (30.0, 31.0))
    noisy = line + rng.normal(0, 0.2, line.shape)
    one, other = corner_sections(noisy)
    assert one.corner
    assert not other.corner
    # 20 points fix the lines to 0.1 px, and the corner by what their angle makes of that.
    np.testing.assert_allclose(other.base[0], (5.0, 24.0), atol=0.35)
    assert len(one.base) + len(other.base) == len(line)
    away = np.concatenate([one.base, other.base]) - line
    assert np.abs(away).max() < 0.6


def test_wavering_is_no_corner():
    n = np.arange(60)
    line = np.stack([10 + 0.7 * np.sin(2 * np.pi * n / 16), n * 1.0], 1)
    (section,) = corner_sections(line)
    np.testing.assert_allclose(section.base[:, 0], 10.0, atol=0.3)


def test_a_bend_is_no_corner_and_no_straight_section():
    angle = np.linspace(0, np.pi / 2, 50)
    (section,) = corner_sections(30 * np.stack([np.sin(angle), np.cos(angle)], 1))
    assert section.base is None
    assert len(section.points) == 50


@pytest.mark.parametrize("n", [2, 3, 5])
def test_short_lines_are_one_section(n):
    line = np.stack([np.arange(n) * 1.0, np.zeros(n)], 1)
    (section,) = corner_sections(line)
    np.testing.assert_allclose(section.points, line)


def test_rings_begin_at_a_corner():
    square = np.concatenate(
        [
            bent((0.0, 5.0), (0.0, 10.0), (10.0, 10.0))[:-1],
            bent((10.0, 10.0), (10.0, 0.0), (0.0, 0.0)),
        ]
    )
    ring = turned_ring(np.concatenate([square, bent((0.0, 0.0), (0.0, 2.0), (0.0, 5.0))[1:]]))
    assert tuple(ring[0]) in {(0.0, 10.0), (10.0, 10.0), (10.0, 0.0), (0.0, 0.0)}
    np.testing.assert_array_equal(ring[0], ring[-1])

import numpy as np
import pytest

from scanseg.walls import perimeters

SHAPE = (200, 256)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)


@pytest.mark.parametrize("angle_deg", [0, 3, 10, 22.5, 30, 45, 71, 90])
@pytest.mark.parametrize("pixel_size", [(1.0, 1.0), (12.0, 20.0)])
def test_a_straight_border_of_any_direction(angle_deg, pixel_size):
    angle = np.deg2rad(angle_deg)
    above = (Y - 100.3) * np.cos(angle) - (X - 128.2) * np.sin(angle) > 0
    region = 1 + above.astype(np.int32)
    region[np.hypot(Y - 100, X - 128) > 90] = 0
    truth = 180 * np.hypot(np.sin(angle) * pixel_size[0], np.cos(angle) * pixel_size[1])
    # A pixel more or less at the ends is 0.6 %.
    assert perimeters(region, 2, pixel_size=pixel_size) == pytest.approx([truth] * 2, rel=0.012)


@pytest.mark.parametrize("radius", [5, 12, 60])
def test_a_round_domain(radius):
    region = 1 + (np.hypot(Y - 100.2, X - 128.4) < radius).astype(np.int32)
    truth = 2 * np.pi * radius
    assert perimeters(region, 2) == pytest.approx([truth, truth], rel=0.02)


def test_a_round_domain_in_anisotropic_pixels():
    region = 1 + (np.hypot(12 * (Y - 100), 20 * (X - 128)) < 700).astype(np.int32)
    found = perimeters(region, 2, pixel_size=(12.0, 20.0))
    assert found == pytest.approx([2 * np.pi * 700] * 2, rel=0.01)


def test_lamellae_share_their_borders():
    region = (1 + (X // 8) % 2).astype(np.int32)
    n_borders = SHAPE[1] // 8 - 1
    assert perimeters(region, 2) == pytest.approx([n_borders * SHAPE[0]] * 2)


def test_the_border_of_the_scan_is_none_of_a_domain():
    region = np.ones(SHAPE, np.int32)
    region[150:] = 0
    assert perimeters(region, 1) == pytest.approx([0])

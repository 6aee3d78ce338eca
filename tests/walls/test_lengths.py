import numpy as np
import pytest

from scanseg.walls import line_length, steadied


@pytest.mark.parametrize("noise", [0.0, 0.25, 0.45])
def test_noise_adds_hardly_any_length(noise):
    rng = np.random.default_rng(4)
    way = np.linspace(0, 1, 401)[:, None]
    line = way * (240, 320) + rng.normal(0, noise, (401, 2))
    # The ends alone are uncertain by the noise.
    assert line_length(line) == pytest.approx(400, rel=0.012)
    assert line_length(line, pixel_size=(4.0, 3.0)) == pytest.approx(
        240 * np.hypot(4, 4), rel=0.012
    )


@pytest.mark.parametrize("radius", [10.0, 40.0])
def test_rings_keep_their_length_and_stay_closed(radius):
    angle = np.linspace(0, 2 * np.pi, round(2 * np.pi * radius) + 1)
    ring = 50 + radius * np.stack([np.sin(angle), np.cos(angle)], 1)
    ring[-1] = ring[0]
    smooth = steadied(ring)
    np.testing.assert_allclose(smooth[0], smooth[-1])
    assert line_length(ring) == pytest.approx(2 * np.pi * radius, rel=0.015)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_shortest_walls_have_a_length(n):
    line = np.stack([np.arange(n), np.zeros(n)], 1).astype(float)
    assert line_length(line) == pytest.approx(n - 1)
    assert steadied(line).shape == (n, 2)

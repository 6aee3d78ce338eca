import numpy as np
import pytest
from scipy import fft, ndimage

from scanseg.walls._along import blur_lines
from scanseg.walls._curve import Offsets, _series, _values, likeliest_curves
from scanseg.walls.joint import fit_walls
from scanseg.walls.lines import WallLine

SHAPE = (70, 110)


def scan_of(signed_distance, rng, *, noise=0.05, half_width=3.0, background=0.2 + 0.1j):
    """A 180° wall behind a tip, on a background, at a phase of the lock-in."""
    response = np.tanh(signed_distance / half_width) + background
    noisy = response + rng.normal(0, noise, (2, *SHAPE)).T.dot([1, 1j]).T
    return noisy * np.exp(0.7j)


def expected_line(y, x, rng, class_index=1):
    """Where a network might have seen the wall: off by half a pixel, slowly changing."""
    n = np.arange(len(x))
    off = 0.5 * np.sin(n / 6.0 + rng.uniform(0, 6))
    return WallLine(np.stack([y + off, x], 1), np.full(len(x), class_index), closed=False)


def fitted(lines, response):
    return fit_walls(lines, response, half_width_px=2.0, reach_px=10.0, largest_shift_px=2.0)


def test_a_straight_wall_is_found_far_better_than_its_profiles():
    errors = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y, _ = np.mgrid[: SHAPE[0], : SHAPE[1]]
        place = rng.uniform(30, 40)
        along = np.arange(4.0, SHAPE[1] - 4)
        line = expected_line(np.full(len(along), place), along, rng)
        (fit,) = fitted([line], scan_of(y - place, rng))
        errors.append(fit.position_px[:, 0] - place)
        assert fit.half_width_px == pytest.approx(3.0, rel=0.1)
    # A profile alone allows 0.1 px (test_profile); several are one here.
    assert np.std(errors) < 0.07
    assert abs(np.mean(errors)) < 0.03


def test_the_blur_along_a_bent_wall_is_undone():
    """Behind a Gaussian of s.d. 2.4 px a wave of 30 px keeps 88 % of its height."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    wave = 35 + 3 * np.sin(2 * np.pi * x / 30)
    sharp = np.clip(2 * (y - wave), -1, 1)
    response = ndimage.gaussian_filter(sharp, 3.0 / np.sqrt(np.pi / 2))
    response = response + 0.03 * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    along = np.arange(4.0, SHAPE[1] - 4)
    line = expected_line(np.interp(along, np.arange(SHAPE[1]), wave[0]), along, rng)
    (fit,) = fitted([line], response)
    truth = 35 + 3 * np.sin(2 * np.pi * fit.position_px[:, 1] / 30)
    inner = slice(12, -12)
    height = np.polyfit((truth - 35)[inner], (fit.position_px[:, 0] - 35)[inner], 1)[0]
    assert height == pytest.approx(1.0, abs=0.06)


def test_near_walls_are_told_apart_to_a_third_of_a_pixel():
    rng = np.random.default_rng(8)
    y, _ = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sharp = np.sign(y - 28.0) * np.sign(35.0 - y)
    response = ndimage.gaussian_filter(sharp, 3.0 / np.sqrt(np.pi / 2))
    noisy = response + 0.05 * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    along = np.arange(4.0, SHAPE[1] - 4)
    lines = [expected_line(np.full(len(along), place), along, rng) for place in (28.0, 35.0)]
    for fit, place in zip(fitted(lines, noisy), (28.0, 35.0), strict=True):
        # 2.3 w apart and alone, they leave width and middle open: 0.26 px outwards was measured.
        assert np.mean(fit.position_px[:, 0]) == pytest.approx(place, abs=0.33)


def test_curves_of_noise_alone_stay_with_the_network():
    rng = np.random.default_rng(1)
    seen = rng.normal(0, 5.0, 200)
    one = np.ones(1)
    known = Offsets(
        length=np.array([200]), seen=seen, expected=np.zeros(200), highest=0.04 * one,
        typical=0.04 * one, shared_variance=0 * one, shared_px=8 * one, blur_px=2 * one,
        largest_sd_px=one, kind=np.zeros(1, int),
    )  # fmt: skip
    line, _, variance = likeliest_curves(known)
    assert np.abs(line).max() < 1.0
    assert variance < 1.0


@pytest.mark.parametrize("n", [2, 7, 256, 300])
def test_cosine_series_are_those_of_scipy_and_turn_back(n):
    values = np.random.default_rng(n).normal(size=n + 5)
    start, length = np.array([0, 5]), np.array([5, n])
    series = _series(values, start, length)
    np.testing.assert_allclose(series[5:], fft.dct(values[5:], norm="ortho"), atol=1e-10)
    np.testing.assert_allclose(_values(series, start, length), values, atol=1e-10)


@pytest.mark.parametrize("n", [4, 9, 60])
def test_lines_are_blurred_as_by_scipy_and_keep_their_ends(n):
    line = np.stack([np.cumsum(np.random.default_rng(n).normal(size=n)), np.arange(n) * 1.0], 1)
    reach = min(n - 1, 10)
    longer = np.pad(line, ((reach, reach), (0, 0)), "reflect", reflect_type="odd")
    expected = ndimage.gaussian_filter1d(longer, 2.4, axis=0)[reach : reach + n]
    blurred = np.empty_like(line)
    only = np.array([False]), np.array([0]), np.array([n]), np.array([2.4])
    blur_lines(line, *only, 3, False, blurred)
    np.testing.assert_allclose(blurred, expected, atol=1e-12)
    if n > 20:
        np.testing.assert_allclose(blurred[[0, -1]], line[[0, -1]], atol=1e-12)


def test_no_wall_is_no_fit():
    assert fitted([], np.ones(SHAPE, complex)) == ()

"""Probe, scan and detector against closed expressions."""

import numpy as np
import pytest

from scanseg.simulate.imaging import (
    Detector,
    Probe,
    count,
    draw_drift,
    render_columns,
    row_jitter,
    spread,
)
from scanseg.simulate.scenery import granular_field, half_plane, smooth_field


def centroid(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(image * y).sum(), (image * x).sum()]) / image.sum()


def second_moments(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    middle = centroid(image)
    d = np.stack([y - middle[0], x - middle[1]])
    return np.einsum("ihw,jhw,hw->ij", d, d, image) / image.sum()


@pytest.mark.parametrize("truth", [(20.0, 30.0), (20.31, 30.77), (19.5, 31.49)])
def test_a_column_is_where_it_was_put(truth):
    image = render_columns((41, 63), np.array([truth]), np.array([50.0]), 2.0, np.zeros(41))
    # Cut at 4.5 widths and stepped in float32: a few millionths of the width.
    np.testing.assert_allclose(centroid(image.astype(float)), truth, atol=1e-4)
    assert image.sum() == pytest.approx(50 * 2 * np.pi * 2.0**2, rel=1e-4)
    y, x = np.mgrid[:41, :63]
    expected = 50 * np.exp(-((y - truth[0]) ** 2 + (x - truth[1]) ** 2) / (2 * 2.0**2))
    np.testing.assert_allclose(image, expected, atol=50 * 5e-5)


def test_columns_beyond_the_border_reach_into_the_image():
    position = np.array([[-1.0, 5.0], [10.0, 24.5], [300.0, 5.0]])
    image = render_columns((20, 24), position, np.array([1.0, 2.0, 9.0]), 1.5, np.zeros(20))
    assert image[0, 5] == pytest.approx(np.exp(-1 / (2 * 1.5**2)), rel=1e-4)
    assert image[10, 23] == pytest.approx(2 * np.exp(-(1.5**2) / (2 * 1.5**2)), rel=1e-4)
    assert image.max() < 2


def test_a_row_that_starts_late_shows_columns_too_early():
    shift = np.zeros(21)
    shift[10] = 1.25
    image = render_columns((21, 31), np.array([[10.0, 15.0]]), np.array([1.0]), 1.5, shift)
    x = np.arange(31)
    assert (image[10] * x).sum() / image[10].sum() == pytest.approx(13.75, abs=1e-4)
    assert (image[9] * x).sum() / image[9].sum() == pytest.approx(15, abs=1e-4)


def test_astigmatism_and_tails_widen_and_lose_nothing():
    image = render_columns((96, 80), np.array([[48.0, 40.0]]), np.array([9.0]), 3.0, np.zeros(96))
    probe = Probe(sigma_px=3.0, astigmatism=0.8, astigmatism_angle_rad=0.6)
    wide = spread(image, probe).astype(float)
    assert wide.sum() == pytest.approx(image.sum(), rel=1e-5)
    np.testing.assert_allclose(centroid(wide), (48, 40), atol=1e-3)
    along = np.array([np.cos(0.6), np.sin(0.6)])
    expected = 9 * (np.eye(2) + 0.8**2 * np.outer(along, along))
    np.testing.assert_allclose(second_moments(wide), expected, atol=0.1)  # float32 FFT, 1 %
    tails = spread(image, Probe(sigma_px=3.0, tail_fraction=0.25, tail_sigma_px=6.0)).astype(float)
    np.testing.assert_allclose(second_moments(tails), 9 * np.eye(2) * (1 + 0.25 * 4), atol=0.3)
    assert spread(image, Probe(sigma_px=3.0)) is image


@pytest.mark.parametrize("level", [3.0, 400.0])
def test_counts_are_poisson(level):
    expected = np.full((150, 200), level, np.float32)
    counts = count(expected, np.random.default_rng(3), Detector())
    assert counts.dtype == np.float32
    # 30,000 pixels: the mean within 4 standard errors, the variance, known to 0.8 %, within 4 %.
    assert counts.mean() == pytest.approx(level, abs=4 * np.sqrt(level / counts.size))
    assert counts.var() == pytest.approx(level, rel=0.04)


def test_the_detector_changes_counts_as_it_says():
    expected = np.full((150, 200), 50.0, np.float32)

    def with_detector(**options):
        return count(expected, np.random.default_rng(3), Detector(**options))

    plain = with_detector()
    np.testing.assert_allclose(with_detector(gain=4.0, offset=100.0), 4 * plain + 100, rtol=1e-6)
    assert with_detector(read_noise=10.0).var() == pytest.approx(150, rel=0.04)
    few = with_detector(levels=16)
    assert set(np.unique(few)) <= set(range(16))
    smooth = with_detector(filter_sigma_px=1.0)
    # Neighbours averaged with Gaussian weights: the variance falls by 4 pi sigma^2.
    assert smooth.var() == pytest.approx(50 / (4 * np.pi), rel=0.05)


def test_a_slow_detector_moves_nothing():
    spot = render_columns((31, 61), np.array([[15.0, 30.0]]), np.array([1e6]), 2.0, np.zeros(31))
    rng = np.random.default_rng(1)
    blurred = count(spot, rng, Detector(lag=0.5)).astype(float)
    # 25 million counts of width 2 fix the centre to 4e-4; the shift of the kernel would be 0.7.
    np.testing.assert_allclose(centroid(blurred), (15, 30), atol=3e-3)
    assert second_moments(blurred)[1, 1] > 4.5


def test_scan_distortions_are_as_large_as_asked():
    rng = np.random.default_rng(0)
    position = np.mgrid[0:200:20, 0:300:20].reshape(2, -1).T.astype(float)
    moved = [draw_drift((200, 300), rng, shear=0.01).moved(position) - position for _ in range(200)]
    slow = np.array([d[-1, 0] / 80 for d in moved])  # 80 px below the middle, on the slow axis
    assert slow.std() == pytest.approx(0.01, rel=0.2)  # 200 draws: 5 %
    fly_back = np.array([d[0, 1] - d[14, 1] for d in moved])  # in the same row
    assert (fly_back >= 0).all()
    assert fly_back.mean() == pytest.approx(0.004 * 300, rel=0.3)  # exponential: 7 %
    noise = row_jitter(400, rng, jitter_px=0.3, hum_px=0.0)
    assert noise.std() == pytest.approx(0.3)
    hum = row_jitter(400, rng, jitter_px=0.0, hum_px=0.5)
    assert np.abs(hum).max() == pytest.approx(0.5, rel=0.05)


def test_fields():
    rng = np.random.default_rng(9)
    grains = granular_field((120, 200), rng, grain_px=1.5)
    assert grains.shape == (120, 200)
    assert grains.std() == pytest.approx(1, rel=0.01)
    assert abs(grains.mean()) < 0.05
    smooth = smooth_field((300, 400), rng, feature_px=10.0)
    # A cubic between random nodes: a little less than rms 1.
    assert 0.6 < smooth.std() < 1.1
    for step, low, high in ((1, 0.97, 1.0), (30, -0.1, 0.1)):
        alike = np.corrcoef(smooth[:-step].ravel(), smooth[step:].ravel())[0, 1]
        assert low < alike < high
    edge = half_plane((60, 90), rng, rough_px=0.0)
    gradient = np.hypot(*np.gradient(edge.astype(float)))
    np.testing.assert_allclose(gradient, 1, atol=1e-3)
    assert edge.min() < 0 < edge.max()

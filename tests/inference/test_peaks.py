"""Tops of probability maps whose columns are known."""

import numpy as np
import pytest

from scanseg.inference.peaks import find_peaks


def discs(position, *, shape=(80, 111), radius=3.5, soft=1.0, height=1.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = [np.hypot(y - cy, x - cx) for cy, cx in np.reshape(position, (-1, 2))]
    edge = (np.min(distance, axis=0) - radius) / soft if distance else np.full(shape, 99.0)
    return (height / (1 + np.exp(np.clip(4 * edge, -50, 50)))).astype(np.float32)


def in_order(position):
    return position[np.lexsort(position.T[::-1])]


def test_tops_are_found_between_pixels():
    rng = np.random.default_rng(1)
    truth = np.mgrid[10:75:12, 10:105:12].reshape(2, -1).T + rng.uniform(-1, 1, (48, 2))
    found, probability = find_peaks(discs(truth), threshold=0.5, closest_px=3.6)
    nearest = np.hypot(*(found[:, None] - truth[None]).transpose(2, 0, 1))
    assert sorted(nearest.argmin(axis=1)) == list(range(48))
    # A disc of 40 pixels tells its centre to a tenth of a pixel.
    assert np.sqrt((nearest.min(axis=1) ** 2).mean()) < 0.15
    assert (probability > 0.95).all()


@pytest.mark.parametrize("turn", range(4))
def test_turned_maps_have_turned_tops(turn):
    truth = np.array([[20.3, 30.6], [40.0, 70.2], [60.8, 15.4]])
    map_ = discs(truth)
    found = in_order(find_peaks(map_, threshold=0.5, closest_px=3)[0])
    turned = find_peaks(np.rot90(map_, turn).copy(), threshold=0.5, closest_px=3)[0]
    for _ in range(turn):  # and back: what is (y, x) now was (x, width - 1 - y)
        side = map_.shape[0] if (turn - _) % 2 == 0 else map_.shape[1]
        turned = np.stack([turned[:, 1], side - 1 - turned[:, 0]], axis=1)
    np.testing.assert_allclose(in_order(turned), found, atol=1e-5)


def test_the_threshold_is_on_the_probability_of_the_top():
    map_ = np.maximum(discs([[20, 20]], height=0.9), discs([[20, 60]], height=0.4))
    map_[60, 60] = 1.0  # a single pixel is no column
    for threshold, n_found in ((0.3, 2), (0.45, 1), (0.85, 1), (0.95, 0)):
        found, probability = find_peaks(map_, threshold=threshold, closest_px=3)
        assert len(found) == len(probability) == n_found
    found, probability = find_peaks(map_, threshold=0.3, closest_px=3)
    np.testing.assert_allclose(found[0], [20, 20], atol=0.01)  # the most probable first
    np.testing.assert_allclose(probability, [0.9, 0.4], atol=1e-3)


def test_of_two_tops_too_close_the_lower_goes():
    truth = [[40, 40], [40, 46], [40, 52]]
    low, high, middle = (discs([place], radius=1.5, soft=0.7) for place in truth)
    map_ = np.maximum.reduce([0.7 * low, high, 0.8 * middle])
    assert len(find_peaks(map_, threshold=0.2, closest_px=4)[0]) == 3
    found, _ = find_peaks(map_, threshold=0.2, closest_px=8)
    np.testing.assert_allclose(found, [[40, 46]], atol=0.3)
    # The middle one gone, its neighbours are far enough apart.
    map_ = np.maximum.reduce([low, 0.7 * high, middle])
    found, _ = find_peaks(map_, threshold=0.2, closest_px=8)
    np.testing.assert_allclose(in_order(found), [[40, 40], [40, 52]], atol=0.3)


def test_columns_at_the_border():
    truth = np.array([[0.0, 20.0], [79.0, 50.0], [30.0, 110.0], [0.0, 0.0]])
    found, _ = find_peaks(discs(truth), threshold=0.5, closest_px=3)
    np.testing.assert_allclose(in_order(found), in_order(truth), atol=0.01)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_flat_maps(level):
    found, probability = find_peaks(
        np.full((30, 40), level, np.float32), threshold=0.5, closest_px=3
    )
    assert found.shape == (len(probability), 2)
    assert len(found) == (level > 0.5)  # one top, in the corner where reading begins


def test_tiny_maps():
    found, probability = find_peaks(np.ones((1, 1), np.float32), threshold=0.5, closest_px=3)
    np.testing.assert_array_equal(found, [[0.0, 0.0]])
    np.testing.assert_array_equal(probability, [1.0])

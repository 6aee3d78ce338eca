"""Class maps pixel by pixel, against figures worked out by hand and by sets."""

import numpy as np
import pytest

from scanseg.errors import ConfigError
from scanseg.evaluate import score_pixels


def test_iou_and_dice_are_those_of_sets():
    rng = np.random.default_rng(3)
    found, truth = rng.integers(0, 3, (2, 40, 53)).astype(np.uint8)
    score = score_pixels(found, truth)
    for number in range(3):
        a, b = set(np.flatnonzero(found == number)), set(np.flatnonzero(truth == number))
        assert score.iou[number] == pytest.approx(len(a & b) / len(a | b))
        assert score.dice[number] == pytest.approx(2 * len(a & b) / (len(a) + len(b)))
    assert score.accuracy == pytest.approx((found == truth).mean())


def test_pixels_that_are_not_labelled_do_not_count():
    truth = np.zeros((10, 14), np.uint8)
    truth[:5], truth[5:] = 1, 255
    assert score_pixels(np.ones_like(truth), truth).iou[1] == 1


def test_a_class_that_does_not_occur_has_no_figure():
    empty = np.zeros((4, 6), np.uint8)
    score = score_pixels(empty, empty)
    assert np.isnan(score.iou[1])
    assert score.as_dict()["iou_1"] is None


def test_images_add_whatever_classes_they_have():
    one, two = np.ones((4, 6), np.uint8), np.full((4, 6), 2, np.uint8)
    total = score_pixels(one, one) + score_pixels(two, two) + score_pixels(one, two)
    assert total.counts.tolist() == [[0, 0, 0], [0, 24, 0], [0, 24, 24]]
    assert total.iou[1:].tolist() == [0.5, 0.5]


def test_maps_of_two_images_are_refused():
    with pytest.raises(ConfigError, match="not of one image"):
        score_pixels(np.zeros((4, 6), np.uint8), np.zeros((6, 4), np.uint8))

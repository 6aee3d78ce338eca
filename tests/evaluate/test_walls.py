"""Figures of merit gathered over scans with known mistakes."""

import json

import numpy as np
import pytest

from scanseg.evaluate import WallScan, WallScoring, score_walls
from scanseg.simulate import PfmScene, simulate_pfm

SHAPE = (70, 90)
NO_CURVES = WallScoring(n_thresholds=0)


def drawn(*walls):
    """Class map of (class, row, first column, last column)."""
    class_map = np.zeros(SHAPE, np.uint8)
    for number, row, start, end in walls:
        class_map[row - 1 : row + 2, start : end + 1] = number
    return class_map


def test_each_class_has_its_own_figures():
    truth = drawn((1, 20, 10, 70), (2, 50, 10, 70))
    found = drawn((1, 22, 10, 70), (1, 50, 10, 39), (2, 50, 40, 70))
    scores = score_walls([WallScan(found, truth)], config=NO_CURVES)
    first, second = scores.classes
    assert first.at_px[1].recall == 0
    assert first.at_px[2].recall == 1
    # 61 px are right and some 30 belong to the other class.
    assert first.at_px[2].precision == pytest.approx(2 / 3, abs=0.02)
    assert second.at_px[2].recall == pytest.approx(0.5, abs=0.03)
    assert second.length_error == pytest.approx(-0.5, abs=0.03)
    assert scores.every.at_px[2].f1 == 1
    length = scores.confusion_px
    assert length[2, 1] == pytest.approx(length[2, 2], rel=0.1)
    assert length[1, 2] == 0


def test_radii_in_nm_follow_the_pixel_size():
    truth, found = drawn((1, 20, 10, 70)), drawn((1, 22, 10, 70))
    config = WallScoring(radii_nm=(19.0, 21.0), n_thresholds=0)
    tall = score_walls([WallScan(found, truth, pixel_size_nm=(10.0, 3.0))], config=config)
    # Thinning bends the last pixel of a line.
    f1 = [score.f1 for score in tall.classes[0].at_nm.values()]
    assert f1 == pytest.approx([0, 1], abs=0.02)
    assert score_walls([WallScan(found, truth)], config=config).classes[0].at_nm == {}


def test_what_is_too_faint_to_tell_counts_neither_way():
    truth = drawn((1, 20, 10, 70), (255, 50, 10, 70))
    with_it = score_walls(
        [WallScan(drawn((1, 20, 10, 70), (2, 50, 10, 70)), truth)], config=NO_CURVES
    )
    without = score_walls([WallScan(drawn((1, 20, 10, 70)), truth)], config=NO_CURVES)
    for scores in (with_it, without):
        assert scores.every.at_px[2].f1 == 1
        assert scores.every.length_error == 0
        assert (scores.pieces_error, scores.loops_error) == (0, 0)
        assert scores.end_points.count_error == 0
        assert scores.adapted_rand_error == 0


def test_lines_tell_the_position_error():
    line = np.stack([np.full(60, 20.3), np.arange(10.0, 70.0)], 1)
    scan = WallScan(
        drawn((1, 20, 10, 69)), drawn((1, 20, 10, 69)),
        found_lines={1: [line]}, truth_lines={1: [line - (0.3, 0.0)]},
    )  # fmt: skip
    scores = score_walls([scan], config=NO_CURVES)
    np.testing.assert_allclose(scores.classes[0].offset_px, 0.3, atol=1e-9)
    assert len(scores.classes[1].offset_px) == 0


def test_polarity_is_compared_where_it_is_known():
    truth = np.ones(SHAPE, np.int8)
    truth[35:] = -1
    found = -truth
    found[:7] = 0
    found[7:14] *= -1
    walls = drawn((1, 35, 0, 89))
    scans = [
        WallScan(walls, walls, found_polarity=found, truth_polarity=truth),
        WallScan(walls, walls),
    ]
    scores = score_walls(scans, config=NO_CURVES)
    assert scores.polarity_agreement == pytest.approx(1 - 7 / 63)
    assert np.isnan(score_walls(scans[1:], config=NO_CURVES).polarity_agreement)


def test_scans_are_pooled_and_the_answer_is_json():
    truth = drawn((1, 20, 10, 70))
    probability = np.zeros((3, *SHAPE), np.float32)
    probability[1] = np.where(truth == 1, 0.9, 0.05)
    probability[0] = 1 - probability[1]
    scans = [
        WallScan(truth, truth, probability=probability),
        WallScan(np.zeros_like(truth), truth, pixel_size_nm=(4.0, 5.0)),
    ]
    scores = score_walls(scans)
    assert scores.n_scans == 2
    assert scores.classes[0].at_px[1].recall == 0.5
    assert scores.classes[0].curve.ods == 1
    assert scores.classes[0].calibration.expected_error == pytest.approx(0.053, abs=0.005)
    table = scores.table()
    assert list(table["class"]) == ["ferroelectric", "ferroelastic", "all"]
    said = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert said["classes"][0]["recall_1px"] == 0.5
    assert said["classes"][1]["length_error"] is None


def test_a_simulated_truth_agrees_with_itself():
    config = PfmScene(layouts={"twins": 1}, partial_fraction=0.0)
    scans = [simulate_pfm(np.random.default_rng(n), shape=(96, 144), config=config) for n in (3, 4)]
    scores = score_walls(
        [
            WallScan(np.where(each.class_map == 255, 0, each.class_map), each.class_map)
            for each in scans
        ],
        config=NO_CURVES,
    )
    for each in (*scores.classes, scores.every):
        # Where faint walls were cut out, thinning ends a pixel or two elsewhere.
        assert each.at_px[2].f1 > 0.98


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        score_walls([WallScan(np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8))])
    with pytest.raises(ValueError, match="no scan"):
        score_walls([])

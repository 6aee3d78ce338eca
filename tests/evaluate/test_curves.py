import numpy as np
import pytest

from scanseg.evaluate import measure_curve, score_skeleton, summarise_curves


def a_map(rng, *, level=0.9, wrong=0.4):
    """A true wall of one probability, and a wrong one of another, on noise that thinning drops."""
    truth = np.zeros((40, 70), bool)
    truth[12] = True
    probability = np.zeros(truth.shape, np.float32)
    probability[11:14] = level
    probability[30:33, :35] = wrong
    return probability + rng.uniform(0, 0.001, truth.shape).astype(np.float32), truth


def test_a_curve_is_the_score_at_each_threshold():
    probability, truth = a_map(np.random.default_rng(1))
    curve = measure_curve(probability, truth, n_thresholds=9)
    np.testing.assert_allclose(curve.threshold, np.arange(1, 10) / 10)
    # Below 0.4 both lines are found, up to 0.9 the true one.
    assert curve.n_truth == 70
    low, middle = curve.f1[1], curve.f1[5]
    assert low == pytest.approx(2 * 70 / (70 + 70 + 35), abs=0.03)
    assert middle == pytest.approx(1.0, abs=0.03)
    from skimage.morphology import skeletonize

    score = score_skeleton(skeletonize(probability >= 0.6), truth, radius=2)
    assert curve.f1[5] == score.f1


def test_one_threshold_for_all_or_one_for_each():
    rng = np.random.default_rng(2)
    sure, unsure = a_map(rng, level=0.9, wrong=0.6), a_map(rng, level=0.5, wrong=0.2)
    curves = [measure_curve(*each) for each in (sure, unsure)]
    summary = summarise_curves(curves)
    assert summary.ois == pytest.approx(1.0, abs=0.03)
    # No threshold is right for both: 0.5 keeps the wrong half line of the first.
    assert summary.ods == pytest.approx(2 * 140 / (140 + 175), abs=0.03)
    assert 0.2 < summary.ods_threshold <= 0.5
    # All is found at a precision of 140 / 175, one half of it without a mistake.
    assert summary.average_precision == pytest.approx((1 + 140 / 175) / 2, abs=0.05)


def test_a_perfect_map_has_all_figures_at_1():
    probability, truth = a_map(np.random.default_rng(3), level=0.99, wrong=0.0)
    summary = summarise_curves([measure_curve(probability, truth)])
    # Thinning shortens the line by up to a pixel at each end, of 70.
    assert min(summary.ods, summary.ois, summary.average_precision) > 0.97


def test_a_scan_without_walls_only_adds_what_was_found():
    rng = np.random.default_rng(4)
    probability, truth = a_map(rng, wrong=0.0)
    empty = measure_curve(np.zeros_like(probability), np.zeros_like(truth))
    alone = summarise_curves([measure_curve(probability, truth)])
    assert summarise_curves([measure_curve(probability, truth), empty]) == alone
    assert np.isnan(summarise_curves([empty]).ods)
    # Wrong walls on it are wrong at every threshold that they reach: the best one finds least.
    lines = measure_curve(probability, np.zeros_like(truth))
    assert summarise_curves([measure_curve(probability, truth), lines]).ois == alone.ois

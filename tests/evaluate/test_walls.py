import numpy as np
import pytest

from scanseg.evaluate import (
    SkeletonScore,
    cl_dice,
    class_confusion,
    displacement_error_px,
    position_error_px,
    score_skeleton,
    skeleton_of_lines,
)


def horizontal(y, *, start=5.0, end=54.0):
    return np.array([[y, start], [y, end]])


def circle(radius, centre=(30.0, 41.0)):
    angle = np.linspace(0, 2 * np.pi, 200)
    return np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], 1)


def skeleton(*lines, shape=(60, 80)):
    return skeleton_of_lines(lines, shape)


def brute_force_pairs(found, truth, radius):
    """Most pairs by augmenting paths, one at a time: the slow, plain way."""
    f, t = np.argwhere(found), np.argwhere(truth)
    near = [np.flatnonzero(np.hypot(*(t - p).T) <= radius) for p in f]
    owner = {}

    def place(n, tried):
        for m in near[n]:
            if m not in tried:
                tried.add(m)
                if m not in owner or place(owner[m], tried):
                    owner[m] = n
                    return True
        return False

    return sum(place(n, set()) for n in range(len(f)))


def test_a_line_matches_within_the_radius_and_not_beyond():
    truth = skeleton(horizontal(20))
    for shift, radius, f1 in [(0, 1, 1), (2, 2, 1), (2, 1, 0), (3, 3, 1)]:
        found = skeleton(horizontal(20 + shift))
        assert score_skeleton(found, truth, radius=radius).f1 == f1


def test_half_a_line_is_half_the_recall():
    truth = skeleton(horizontal(20, start=0, end=79))
    found = skeleton(horizontal(21, start=0, end=39))
    score = score_skeleton(found, truth, radius=1)
    assert (score.precision, score.recall) == (1, 0.5)


def test_a_thick_line_is_not_true_all_over():
    truth = skeleton(horizontal(20))
    thick = truth | np.roll(truth, 1, 0) | np.roll(truth, -1, 0)
    assert score_skeleton(thick, truth, radius=2).precision == pytest.approx(1 / 3)


def test_the_radius_can_be_in_nanometres_and_pixels_need_not_be_square():
    truth, found = skeleton(horizontal(20)), skeleton(horizontal(22))
    assert score_skeleton(found, truth, radius=20, pixel_size=(10, 3)).f1 == 1
    assert score_skeleton(found, truth, radius=19, pixel_size=(10, 3)).f1 == 0
    assert score_skeleton(found.T, truth.T, radius=6, pixel_size=(10, 3)).f1 == 1


def test_as_many_pairs_as_there_can_be():
    rng = np.random.default_rng(0)
    for _ in range(5):
        found, truth = rng.uniform(size=(2, 17, 23)) < 0.2
        score = score_skeleton(found, truth, radius=2)
        assert score.n_matched == brute_force_pairs(found, truth, 2)


def test_a_faint_wall_may_be_found_or_missed():
    truth, faint = skeleton(horizontal(20)), skeleton(horizontal(40))
    without = score_skeleton(truth, truth, radius=2, ignored=faint)
    with_it = score_skeleton(truth | faint, truth, radius=2, ignored=faint)
    assert without.f1 == with_it.f1 == 1
    assert score_skeleton(truth | np.roll(faint, 5, 0), truth, radius=2, ignored=faint).f1 < 1


def test_nothing_found_where_nothing_is():
    nothing = np.zeros((20, 30), bool)
    assert score_skeleton(nothing, nothing, radius=2).f1 == 1
    assert score_skeleton(~nothing, nothing, radius=2).precision == 0
    assert cl_dice(nothing, nothing) == 1
    assert cl_dice(~nothing, nothing) == 0


def test_scores_of_images_add():
    total = SkeletonScore(3, 4, 6) + SkeletonScore(1, 4, 2)
    assert (total.precision, total.recall) == (0.5, 0.5)


def test_confusion_is_by_length():
    truth, found = np.zeros((2, 60, 80), np.uint8)
    truth[skeleton(horizontal(20, start=0, end=79))] = 1
    truth[skeleton(np.array([[30.0, 10], [50, 30]]))] = 2
    found[skeleton(horizontal(21, start=0, end=39))] = 1
    found[skeleton(horizontal(19, start=40, end=79))] = 2
    found[skeleton(horizontal(58, start=0, end=9))] = 1
    length = class_confusion(found, truth, n_classes=3, radius_px=2)
    expected = [
        [0, 9, 0],
        [0, 39.5, 39.5],
        [20 * np.sqrt(2), 0, 0],
    ]
    np.testing.assert_allclose(length, expected, atol=1e-9)


def test_cl_dice_counts_gaps_and_not_thickness():
    truth = np.zeros((40, 101), bool)
    truth[18:23] = True
    thin = np.zeros_like(truth)
    thin[20] = True
    assert cl_dice(thin, truth) == pytest.approx(1, abs=0.03)  # thinning shortens the ends
    gap = thin.copy()
    gap[:, 40:60] = False
    assert cl_dice(gap, truth) == pytest.approx(2 * 0.8 / 1.8, abs=0.03)


def test_a_skeleton_is_one_pixel_wide():
    line = skeleton(circle(20))
    neighbours = sum(
        np.roll(line, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
    )
    assert set(neighbours[line]) == {2}
    outside = skeleton(circle(20, centre=(0, 0)))
    assert outside.any()


def test_a_shifted_wall_has_its_offset():
    offset = position_error_px([horizontal(20.37)], [horizontal(20)], reach_px=2)
    # Along +x with y downward, the right-hand side is +y.
    np.testing.assert_allclose(offset, 0.37, atol=1e-9)
    turned = position_error_px([horizontal(20.37)], [horizontal(20)[::-1]], reach_px=2)
    np.testing.assert_allclose(turned, -0.37, atol=1e-9)


def test_a_larger_circle_is_off_by_its_radius_all_round():
    offset = position_error_px([circle(20.6)], [circle(20)])
    # Chords of 200 points lie inside their circle by 2.5e-3 px.
    np.testing.assert_allclose(np.abs(offset), 0.6, atol=0.01)
    assert len(offset) == pytest.approx(2 * np.pi * 20, abs=2)


def test_what_was_not_found_has_no_offset():
    offset = position_error_px([horizontal(20, end=29)], [horizontal(20)])
    assert np.isnan(offset).mean() == pytest.approx(0.5, abs=0.04)
    assert np.isnan(position_error_px([], [horizontal(20)])).all()


def test_displacements_are_compared_where_the_wall_was():
    before, after = [circle(15)], [circle(18)]
    found_before, found_after = [circle(15.2)], [circle(18.1)]
    error = displacement_error_px(found_before, found_after, before, after)
    sign = np.sign(position_error_px(after, before, reach_px=10))
    np.testing.assert_allclose(error * sign, -0.1, atol=0.01)

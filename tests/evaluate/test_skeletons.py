import numpy as np
import pytest

from scanseg.evaluate import (
    SkeletonScore,
    class_confusion,
    class_skeleton_of_lines,
    judge_skeleton,
    score_skeleton,
    skeleton_of_lines,
    wall_skeleton,
)


def horizontal(y, *, start=5.0, end=54.0):
    return np.array([[y, start], [y, end]])


def circle(radius, centre=(30.0, 41.0)):
    angle = np.linspace(0, 2 * np.pi, 200)
    return np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], 1)


def skeleton(*lines, shape=(60, 80)):
    return skeleton_of_lines(lines, shape)


def brute_force_pairs(found, truth, radius, pixel_size):
    """Most pairs by augmenting paths, one at a time: the slow, plain way."""
    f, t = np.argwhere(found) * pixel_size, np.argwhere(truth) * pixel_size
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


@pytest.mark.parametrize("pixel_size", [(1.0, 1.0), (1.3, 0.7)])
def test_as_many_pairs_as_there_can_be(pixel_size):
    rng = np.random.default_rng(0)
    for share in (0.1, 0.2, 0.3, 0.5):
        found, truth = rng.uniform(size=(2, 17, 23)) < share
        score = score_skeleton(found, truth, radius=2, pixel_size=pixel_size)
        assert score.n_matched == brute_force_pairs(found, truth, 2, pixel_size)


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


def test_a_skeleton_is_one_pixel_wide():
    line = skeleton(circle(20))
    neighbours = sum(
        np.roll(line, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
    )
    assert set(neighbours[line]) == {2}
    outside = skeleton(circle(20, centre=(0, 0)))
    assert outside.any()


def test_on_a_faint_wall_nothing_is_confused():
    truth, found = np.zeros((2, 60, 80), np.uint8)
    truth[skeleton(horizontal(20))] = 255
    found[skeleton(horizontal(21))] = 1
    assert class_confusion(found, truth, n_classes=3, radius_px=2).sum() == 0


def test_the_nearest_pixel_is_the_partner():
    """Two classes one pixel apart are told apart although the radius would let them swap."""
    truth = np.zeros((60, 80), np.uint8)
    truth[skeleton(horizontal(20))] = 1
    truth[skeleton(horizontal(22))] = 2
    length = class_confusion(truth, truth, n_classes=3, radius_px=3)
    np.testing.assert_allclose(length - np.diag(np.diag(length)), 0)


def test_thinning_keeps_crossing_walls_whole():
    class_map = np.zeros((40, 60), np.uint8)
    class_map[:, 29:32] = 2
    class_map[19:22] = 1  # on top
    line = wall_skeleton(class_map)
    # Thinning rounds off the ends by at most 2 px.
    assert (line[2:18] == 2).any(axis=1).all()
    assert (line[24:38] == 2).any(axis=1).all()
    assert (line[:, 3:57] == 1).sum() == pytest.approx(54, abs=2)


def test_points_carry_their_class_into_the_skeleton():
    line = np.stack([np.full(50, 12.3), np.arange(5.0, 55.0)], 1)
    classes = np.where(line[:, 1] < 30, 1, 2)
    found = class_skeleton_of_lines([line], [classes], (30, 70))
    rows, columns = np.nonzero(found)
    assert set(rows) == {12}
    np.testing.assert_array_equal(found[rows, columns], np.where(columns < 29.5, 1, 2))


def test_each_pixel_is_judged():
    truth, ignored = np.zeros((2, 30, 40), bool)
    truth[10], ignored[25] = True, True
    found = np.zeros((30, 40), bool)
    found[11, :20] = found[20, 5:15] = found[26, 5:15] = True
    right, false, missed = judge_skeleton(found, truth, radius_px=2.0, ignored=ignored)
    assert (right == (found & (np.arange(30) == 11)[:, None])).all()
    assert np.unique(np.argwhere(false)[:, 0]).tolist() == [20]
    assert false.sum() == 10
    assert missed.sum() == truth.sum() - right.sum()
    assert (missed <= truth).all()

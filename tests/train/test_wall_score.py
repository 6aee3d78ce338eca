"""Skeletons scored by hand: straight walls, some of which are not found."""

import numpy as np
import pytest

from scanseg.train.labels import IGNORED
from scanseg.train.wall_patches import WallPatch
from scanseg.train.wall_score import score_walls_by_class

SHAPE = (60, 100)
NAMES = ("background", "ferroelectric", "ferroelastic")


def class_map_of(walls):
    """Horizontal walls, 3 px wide, of ``{row: class}``."""
    class_map = np.zeros(SHAPE, np.uint8)
    for row, kind in walls.items():
        class_map[row - 1 : row + 2] = kind
    return class_map


def patch_of(walls, *, complete=True, noise=0.05):
    return WallPatch(np.zeros((6, *SHAPE), np.float32), class_map_of(walls), complete, noise)


def seen(walls, height=0.9):
    class_map = class_map_of(walls)
    return np.stack([np.where(class_map == n, height, 0.0) for n in (1, 2)]).astype(np.float32)


def score(patches, probability, threshold=0.5):
    return score_walls_by_class(patches, probability, NAMES, threshold=threshold)


def test_scores_by_hand():
    truth = {10: 1, 30: 1, 50: 2}
    # One of two ferroelectric walls is found, 2 px off; the ferroelastic one, and one too many.
    found = score([patch_of(truth)], [seen({12: 1, 50: 2, 20: 2})])
    assert found["f1_ferroelectric"] == pytest.approx(2 / 3)  # 1 of 1 found, 1 of 2 true
    assert found["f1_ferroelastic"] == pytest.approx(2 / 3)  # 1 of 2 found, 1 of 1 true
    assert found["f1_any"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["f1"] == pytest.approx(2 / 3)
    assert set(found) == {
        "f1", "f1_ferroelectric", "f1_ferroelastic", "f1_any",
        "f1_clear", "f1_clear_ferroelectric", "f1_clear_ferroelastic",
    }  # fmt: skip


def test_three_pixels_off_is_too_far():
    assert score([patch_of({30: 1})], [seen({33: 1})])["f1_ferroelectric"] == 0


def test_the_wrong_class_is_found_all_the_same_by_those_who_do_not_mind():
    found = score([patch_of({20: 1, 40: 2})], [seen({20: 2, 40: 1})])
    assert (found["f1"], found["f1_any"]) == (0, 1)


def test_faint_walls_count_neither_way():
    patch = patch_of({20: 1, 40: IGNORED})
    for walls in ({20: 1}, {20: 1, 40: 1}):
        assert score([patch], [seen(walls)])["f1_ferroelectric"] == 1


def test_the_threshold_is_for_all_classes_together():
    both = np.zeros((2, *SHAPE), np.float32)
    both[0, 19:22], both[1, 19:22] = 0.3, 0.25
    for threshold, expected in ((0.5, 1.0), (0.6, 0.0)):
        found = score([patch_of({20: 1})], [both], threshold)
        assert found["f1_ferroelectric"] == expected


def test_pixels_are_counted_over_all_scans():
    patches = [patch_of({20: 1, 40: 1}), patch_of({30: 1})]
    found = score(patches, [seen({20: 1, 40: 1}), seen({})])
    assert found["f1_ferroelectric"] == pytest.approx(2 * 2 / (2 + 3))


def test_clear_scans_have_all_channels_and_little_noise():
    hard = [patch_of({20: 1, 40: 2}, complete=False), patch_of({20: 1, 40: 2}, noise=0.3)]
    clear = patch_of({20: 1, 40: 2}, noise=0.1)
    found = score([clear, *hard], [seen({20: 1, 40: 2}), seen({}), seen({})])
    assert found["f1_clear"] == 1
    assert found["f1"] == pytest.approx(2 / 4)


def test_nothing_to_find_and_nothing_found():
    assert score([patch_of({})], [seen({})])["f1"] == 1


def test_a_perfect_answer_is_perfect_where_walls_cross():
    # Walls of one class that end at another's, and cross it; thinned one by one they would have
    # gaps there, which walls that are thinned together have not.
    class_map = class_map_of({20: 1, 40: 2})
    class_map[:41, 29:32] = np.where(class_map[:41, 29:32] == 0, 2, class_map[:41, 29:32])
    class_map[41:, 69:72] = IGNORED
    patch = WallPatch(np.zeros((6, *SHAPE), np.float32), class_map, complete=True, noise=0.05)
    for fainter in (0, 1):  # whether or not the faint one is found
        answer = np.where(class_map == IGNORED, fainter, class_map)
        perfect = np.stack([answer == n for n in (1, 2)]).astype(np.float32)
        found = score([patch], [perfect])
        assert found["f1"] >= 0.99
        assert found["f1_any"] >= 0.99

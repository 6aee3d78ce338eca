import numpy as np
import pytest

from scanseg.train.labels import IGNORED, draw_labels
from scanseg.train.recipe import Labels

SMALLEST_PX, LARGEST_PX = Labels().radius_px


def draw(position, *, visible=None, class_index=None, shape=(40, 61), **labels):
    position = np.asarray(position, float).reshape(-1, 2)
    n = len(position)
    visible = np.ones(n, bool) if visible is None else np.asarray(visible)
    class_index = np.ones(n, np.int64) if class_index is None else np.asarray(class_index)
    return draw_labels(shape, position, class_index, visible, Labels(**labels))


def disc(centre, radius, *, shape=(40, 61)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def test_a_disc_a_column_as_wide_as_its_surroundings_allow():
    # 10 px apart: 0.29 x 10; the third is 20 px from the second: cut at the largest radius.
    found = draw([[12.3, 10.0], [12.3, 20.0], [12.3, 40.4]])
    expected = disc((12.3, 10), 2.9) | disc((12.3, 20), 2.9) | disc((12.3, 40.4), LARGEST_PX)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8


def test_discs_have_a_smallest_radius():
    np.testing.assert_array_equal(
        draw([[12, 10], [12, 13]]), disc((12, 10), SMALLEST_PX) | disc((12, 13), SMALLEST_PX)
    )


def test_a_lone_column_has_the_largest_disc():
    np.testing.assert_array_equal(draw([[20.2, 30.7]]), disc((20.2, 30.7), LARGEST_PX))


def test_hidden_columns_are_ignored_and_cut_no_visible_disc():
    found = draw([[20, 30], [20, 33], [20, 50]], visible=[True, False, True])
    # The hidden one is nearer to the first than that is to the next visible one.
    first, hidden = disc((20, 30), LARGEST_PX), disc((20, 33), SMALLEST_PX)
    assert (found[first] == 1).all()
    assert (found[hidden & ~first] == IGNORED).all()
    assert (found[~first & ~hidden & ~disc((20, 50), LARGEST_PX)] == 0).all()


def test_classes():
    found = draw([[10, 10], [10, 30]], class_index=[2, 1])
    assert found[10, 10] == 2
    assert found[10, 30] == 1


@pytest.mark.parametrize("position", [[-2.0, 30.0], [20.0, 62.5], [41.9, 0.3]])
def test_columns_beyond_the_border(position):
    np.testing.assert_array_equal(draw([position]), disc(position, LARGEST_PX))


def test_no_columns():
    assert not draw([]).any()
    assert (
        draw([[20, 30]], visible=[False]) == np.where(disc((20, 30), LARGEST_PX), IGNORED, 0)
    ).all()

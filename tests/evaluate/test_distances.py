"""Distances of skeletons that are known."""

import numpy as np
import pytest

from scanseg.evaluate import hausdorff_95


def _line(row, *, end=60):
    mask = np.zeros((40, 60), bool)
    mask[row, :end] = True
    return mask


def test_a_shifted_line_is_as_far_as_it_was_shifted():
    assert hausdorff_95(_line(13), _line(10)) == 3
    assert hausdorff_95(_line(13), _line(10), pixel_size=(10.0, 8.0)) == 30
    assert hausdorff_95(_line(10), _line(10)) == 0


def test_a_few_stray_pixels_do_not_decide_but_a_missing_half_does():
    stray = _line(10)
    stray[38, :2] = True
    assert hausdorff_95(stray, _line(10)) == 0
    # The farthest of 60 pixels is 30 away from the half; 5 % of them, 3, are farther than 27.
    assert hausdorff_95(_line(10, end=30), _line(10)) == pytest.approx(27, abs=1)


def test_what_may_be_found_is_no_distance_and_nothing_has_none():
    both = _line(10) | _line(30)
    assert hausdorff_95(both, _line(10)) > 15
    assert hausdorff_95(both, _line(10), ignored=_line(30)) == 0
    assert np.isnan(hausdorff_95(np.zeros((40, 60), bool), _line(10)))

"""Pairs of found and true positions, where the right answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanseg.evaluate import match_positions


def test_perfect_positions_in_another_order():
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 50, (40, 2)) * (1, 2)
    order = rng.permutation(40)
    matches = match_positions(truth[order], truth, radius_px=0.5)
    assert matches.truth_index.tolist() == order.tolist()
    assert (matches.precision, matches.recall, matches.f1, matches.rms_px) == (1, 1, 1, 0)


def test_counts_of_false_and_missing():
    truth = [(0, 0), (0, 10), (10, 0), (10, 10)]
    found = [(0.5, 0), (10, 9), (30, 30)]
    matches = match_positions(found, truth, radius_px=2)
    assert matches.precision == pytest.approx(2 / 3)
    assert matches.recall == pytest.approx(2 / 4)
    assert matches.f1 == pytest.approx(4 / 7)
    assert matches.rms_px == pytest.approx(np.sqrt((0.5**2 + 1) / 4))  # per coordinate


def test_more_pairs_come_before_closer_pairs():
    # Nearest first would pair found 0 with truth 1 and leave the rest alone.
    matches = match_positions([(0, 1.1), (0, 3)], [(0, 0), (0, 1.5)], radius_px=2)
    assert matches.truth_index.tolist() == [0, 1]


def test_one_to_one():
    matches = match_positions([(0, 0), (0, 0.2)], [(0, 0.1)], radius_px=1)
    assert len(matches.found_index) == 1
    assert matches.precision == 0.5


@pytest.mark.parametrize(
    ("found", "truth", "precision", "recall", "f1"),
    [([], [], 1, 1, 1), ([], [(1, 1)], 1, 0, 0), ([(1, 1)], [], 0, 1, 0)],
)
def test_nothing_found_or_nothing_to_find(found, truth, precision, recall, f1):
    matches = match_positions(found, truth, radius_px=1)
    assert (matches.precision, matches.recall, matches.f1) == (precision, recall, f1)
    assert np.isnan(matches.rms_px)


points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(points, points)
def test_swapping_the_two_changes_nothing(found, truth):
    forth = match_positions(found, truth, radius_px=1.5)
    back = match_positions(truth, found, radius_px=1.5)
    assert len(forth.found_index) == len(back.found_index)
    assert len(set(forth.truth_index.tolist())) == len(forth.truth_index)
    assert (np.abs(forth.offset_px) <= 1.5).all()
    total = np.hypot(*forth.offset_px.T).sum()
    assert total == pytest.approx(np.hypot(*back.offset_px.T).sum())

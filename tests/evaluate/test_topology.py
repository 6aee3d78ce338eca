import numpy as np
import pytest

from scanseg.evaluate import betti_numbers, cl_dice, nodes_of, score_nodes, skeleton_of_lines

SHAPE = (60, 80)


def ring(radius, centre=(30.0, 41.0)):
    angle = np.linspace(0, 2 * np.pi, 200)
    return np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], 1)


def cross():
    """Two walls that cross at (25, 40), one of them from edge to edge."""
    return skeleton_of_lines(
        [np.array([[25.0, 0.0], [25.0, 79.0]]), np.array([[10.0, 40.0], [45.0, 40.0]])], SHAPE
    )


def test_cl_dice_counts_gaps_and_not_thickness():
    truth = np.zeros((40, 101), bool)
    truth[18:23] = True
    thin = np.zeros_like(truth)
    thin[20] = True
    assert cl_dice(thin, truth) == pytest.approx(1, abs=0.03)  # thinning shortens the ends
    gap = thin.copy()
    gap[:, 40:60] = False
    assert cl_dice(gap, truth) == pytest.approx(2 * 0.8 / 1.8, abs=0.03)


def test_cl_dice_of_nothing():
    nothing = np.zeros((20, 30), bool)
    assert cl_dice(nothing, nothing) == 1
    assert cl_dice(~nothing, nothing) == 0


def test_pieces_and_loops():
    walls = skeleton_of_lines([ring(8), ring(20), np.array([[5.0, 2.0], [5.0, 12.0]])], SHAPE)
    assert betti_numbers(walls) == (3, 2)
    broken = walls.copy()
    broken[30, 41 + 20] = False
    assert betti_numbers(broken) == (3, 1)
    assert betti_numbers(np.zeros(SHAPE, bool)) == (0, 0)


def test_walls_that_leave_the_scan_have_no_end_there():
    nodes = nodes_of(cross())
    assert np.round(nodes.junction_px).tolist() == [[25, 40]]
    np.testing.assert_allclose(sorted(nodes.end_point_px.tolist()), [[10, 40], [45, 40]], atol=1)


def test_nodes_are_matched_and_their_distance_is_told():
    truth = nodes_of(cross())
    found = nodes_of(np.roll(cross(), (1, 2), (0, 1)))
    score = score_nodes(found.junction_px, truth.junction_px, radius_px=3)
    assert (score.n_matched, score.count_error, score.f1) == (1, 0, 1)
    assert score.rms_px == pytest.approx(np.hypot(1, 2), abs=1e-9)
    assert score_nodes(found.junction_px, truth.junction_px, radius_px=2).n_matched == 0
    both = score + score
    assert (both.n_truth, both.rms_px) == (2, score.rms_px)


def test_nodes_on_faint_walls_do_not_count():
    faint = np.zeros(SHAPE, bool)
    faint[25, 30:50] = True
    nodes = nodes_of(cross())
    score = score_nodes(nodes.junction_px, np.empty((0, 2)), radius_px=3, ignored=faint)
    assert (score.n_found, score.f1) == (0, 1)

import numpy as np
import pytest

from scanseg.walls import split_by_class, trace_skeleton

SHAPE = (40, 90)


def row(elastic_columns):
    skeleton = np.zeros(SHAPE, bool)
    skeleton[20, 5:85] = True
    elastic = np.zeros(SHAPE, bool)
    elastic[:, elastic_columns] = True
    return skeleton, elastic


def split(skeleton, elastic, shortest_run_px=12.0):
    graph = trace_skeleton(skeleton)
    odds = [np.where(elastic[tuple(branch.pixels.T)], -2.0, 2.0) for branch in graph.branches]
    return split_by_class(graph, odds, shortest_run_px=shortest_run_px)


def test_a_branch_is_cut_where_its_class_changes():
    graph, classes = split(*row(slice(50, 90)))
    first, second = graph.branches
    assert sorted(classes) == [1, 2]
    assert first.end == second.start == 2
    assert graph.degree[2] == 2
    np.testing.assert_array_equal(graph.node_px[2], (20, 50))
    assert first.length_px + second.length_px == 79


@pytest.mark.parametrize(("width", "n_parts"), [(9, 1), (15, 3)])
def test_a_short_run_of_another_class_does_not_cut(width, n_parts):
    _, classes = split(*row(slice(30, 30 + width)))
    assert len(classes) == n_parts
    assert classes[0] == 1


def test_a_short_run_at_an_end_goes_with_the_rest():
    _, classes = split(*row(slice(0, 13)))
    assert classes == (1,)


def ring(elastic_columns):
    skeleton = np.zeros(SHAPE, bool)
    skeleton[[8, 30], 20:71] = True
    skeleton[8:31, [20, 70]] = True
    elastic = np.zeros(SHAPE, bool)
    elastic[:, elastic_columns] = True
    return skeleton, elastic


def test_a_ring_is_opened_where_its_class_changes():
    skeleton, probability = ring(slice(45, 90))
    graph, classes = split(skeleton, probability)
    whole = trace_skeleton(skeleton).branches[0]
    assert sorted(classes) == [1, 2]
    assert list(graph.degree) == [2, 2]
    one, other = graph.branches
    assert {one.start, one.end} == {other.start, other.end} == {0, 1}
    assert one.length_px + other.length_px == whole.length_px
    np.testing.assert_array_equal(one.pixels[0], other.pixels[-1])


@pytest.mark.parametrize("elastic_columns", [slice(0), slice(30, 35), slice(0, 90)])
def test_a_ring_of_one_class_stays_closed(elastic_columns):
    graph, classes = split(*ring(elastic_columns))
    (branch,) = graph.branches
    assert (branch.start, branch.end) == (-1, -1)
    assert len(classes) == 1
    np.testing.assert_array_equal(branch.pixels[0], branch.pixels[-1])


def test_no_wall_stays_no_wall():
    graph, classes = split(np.zeros(SHAPE, bool), np.zeros((3, *SHAPE), np.float32))
    assert (graph.branches, classes, graph.node_px.shape) == ((), (), (0, 2))

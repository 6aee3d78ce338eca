import numpy as np
import pytest

from scanseg.evaluate import skeleton_of_lines
from scanseg.walls import prune, trace_skeleton


def drawn(text):
    return np.array([[mark != "." for mark in row] for row in text.split()])


CROSS = """
..........
....x.....
....x.....
.xxxxxxxx.
....x.....
....x.....
....x.....
"""


def test_a_cross_is_four_branches_at_one_junction():
    graph = trace_skeleton(drawn(CROSS))
    assert sorted(graph.degree) == [1, 1, 1, 1, 4]
    assert sorted(branch.length_px for branch in graph.branches) == [2, 3, 3, 4]
    junction = int(graph.degree.argmax())
    np.testing.assert_allclose(graph.node_px[junction], (3, 4))


def test_a_staircase_has_no_junction():
    graph = trace_skeleton(drawn("xx.... .xx... ..xx.. ...xxx"))
    assert len(graph.branches) == 1
    assert len(graph.branches[0].pixels) == 9
    assert sorted(graph.degree) == [1, 1]


def test_a_ring_is_closed():
    graph = trace_skeleton(drawn("..... .xxx. .x.x. .xxx. ....."))
    (ring,) = graph.branches
    assert (ring.start, ring.end) == (-1, -1)
    np.testing.assert_array_equal(ring.pixels[0], ring.pixels[-1])
    assert ring.length_px == pytest.approx(8)


def test_a_ring_with_a_tail_meets_itself():
    graph = trace_skeleton(drawn("....... .xxx... .x.xxxx .xxx... ......."))
    assert sorted(graph.degree) == [1, 3]
    loop = max(graph.branches, key=lambda branch: branch.length_px)
    assert loop.start == loop.end


def test_pixels_of_a_branch_are_neighbours_and_every_pixel_is_used():
    rng = np.random.default_rng(4)
    lines = [rng.uniform(0, (60, 90), (3, 2)) for _ in range(9)]
    skeleton = skeleton_of_lines(lines, (60, 90))
    graph = trace_skeleton(skeleton)
    used = np.zeros_like(skeleton)
    for branch in graph.branches:
        assert np.abs(np.diff(branch.pixels, axis=0)).max() == 1
        used[tuple(branch.pixels.T)] = True
    alone = np.abs(used.astype(int) - skeleton).sum()
    assert alone <= (graph.degree > 2).sum() * 3  # pixels inside a junction


def test_a_spur_is_pruned_and_its_wall_is_whole_again():
    skeleton = np.zeros((30, 60), bool)
    skeleton[15, 5:55] = True
    skeleton[11:15, 30] = True
    pruned = prune(skeleton, spur_px=6, shortest_px=8)
    (branch,) = trace_skeleton(pruned).branches
    assert branch.length_px == 49
    assert len(trace_skeleton(prune(skeleton, spur_px=3, shortest_px=8)).branches) == 3


def test_the_end_of_a_wall_that_forks_keeps_its_longer_prong():
    skeleton = np.zeros((30, 60), bool)
    skeleton[15, 5:40] = True
    skeleton[[14, 13, 12], [40, 41, 42]] = True
    skeleton[[16, 17, 18, 19], [40, 41, 42, 43]] = True
    (branch,) = trace_skeleton(prune(skeleton, spur_px=8, shortest_px=8)).branches
    assert branch.pixels[:, 0].max() == 19
    assert branch.pixels[:, 0].min() == 15


def test_short_lone_walls_go():
    skeleton = np.zeros((30, 60), bool)
    skeleton[15, 5:40] = True
    skeleton[5, 5:10] = True
    skeleton[22:25, 22:25] = True
    skeleton[23, 23] = False
    pruned = prune(skeleton, spur_px=6, shortest_px=9)
    assert pruned[15].sum() == 35
    assert pruned.sum() == 35


def test_nothing_is_nothing():
    graph = trace_skeleton(np.zeros((5, 6), bool))
    assert graph.branches == ()
    assert not prune(np.zeros((5, 6), bool), spur_px=5, shortest_px=5).any()

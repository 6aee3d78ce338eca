import numpy as np
import pytest

from scanseg.micrograph import Micrograph, Signal
from scanseg.walls import trace_lines, trace_skeleton
from scanseg.walls.reversal import phase_tells, reversal_log_odds
from scanseg.walls.settings import WallTracing

SHAPE = (60, 90)


def scan_of(response, *, noise=0.05, seed=1):
    rng = np.random.default_rng(seed)
    noisy = response + noise * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    return {
        Signal.PFM_AMPLITUDE: Micrograph(np.abs(noisy), signal=Signal.PFM_AMPLITUDE),
        Signal.PFM_PHASE: Micrograph(np.rad2deg(np.angle(noisy)) + 37.0, signal=Signal.PFM_PHASE),
    }


def two_walls():
    """A reversal at x = 30, and a step of the amplitude alone at x = 60."""
    x = np.arange(SHAPE[1])
    row = np.tanh((x - 30) / 2.0) * (1 - 0.35 * (1 + np.tanh((x - 60) / 2.0)))
    skeleton = np.zeros(SHAPE, bool)
    skeleton[3:-3, [30, 60]] = True
    return np.broadcast_to(row, SHAPE).astype(complex), skeleton


def test_a_reversal_is_told_from_a_step():
    response, skeleton = two_walls()
    graph = trace_skeleton(skeleton)
    odds = reversal_log_odds(graph, skeleton, scan_of(response))
    at = {
        int(branch.pixels[0, 1]): values
        for branch, values in zip(graph.branches, odds, strict=True)
    }
    # Responses of 1 and of 0.3 with a noise of 0.05 are far beyond three standard deviations.
    np.testing.assert_allclose(at[30], 3.0)
    np.testing.assert_allclose(at[60], -3.0)


def test_noise_tells_nothing():
    _, skeleton = two_walls()
    graph = trace_skeleton(skeleton)
    odds = reversal_log_odds(graph, skeleton, scan_of(np.zeros(SHAPE, complex), noise=1.0))
    # Both sides would have to be two standard deviations off by chance.
    assert np.mean(np.abs(np.concatenate(odds)) > 2) < 0.02


def test_without_a_phase_there_is_no_evidence():
    response, skeleton = two_walls()
    scan = scan_of(response)
    del scan[Signal.PFM_PHASE]
    assert reversal_log_odds(trace_skeleton(skeleton), skeleton, scan) is None


@pytest.mark.parametrize(("phase_weight", "classes"), [(0.0, (1, 1)), (1.0, (1, 2))])
def test_the_phase_decides_where_the_network_does_not(phase_weight, classes):
    response, skeleton = two_walls()
    wide = skeleton | np.roll(skeleton, 1, axis=1) | np.roll(skeleton, -1, axis=1)
    probability = np.stack([~wide, 0.55 * wide, 0.45 * wide]).astype(np.float32)
    config = WallTracing(phase_weight=phase_weight)
    walls, _ = trace_lines(probability, scan_of(response), config=config)
    by_place = sorted(walls, key=lambda wall: wall.position_px[0, 1])
    assert tuple(wall.main_class for wall in by_place) == classes


def test_flips_that_contradict_a_sure_network_count_for_nothing():
    """Lateral response turns over at ferroelastic walls as well."""
    response, skeleton = two_walls()
    wide = skeleton | np.roll(skeleton, 1, axis=1) | np.roll(skeleton, -1, axis=1)
    probability = np.stack([~wide, 0.05 * wide, 0.95 * wide]).astype(np.float32)
    walls, _ = trace_lines(probability, scan_of(np.abs(response) + 0j))
    assert {wall.main_class for wall in walls} == {2}
    # The network is sure of both; the phase flips at one of them, by far more than noise would.
    walls, _ = trace_lines(probability, scan_of(response))
    assert {wall.main_class for wall in walls} == {2}


def test_flips_are_evidence_where_they_agree():
    sure, flip = np.full(5000, 5.0), np.full(5000, 3.0)
    assert phase_tells([sure, -sure], [flip, -flip])
    assert not phase_tells([sure, -sure], [flip, flip])  # lateral response
    assert phase_tells([sure, sure, -sure], [flip, -flip, -flip])  # half of the reversals flip
    assert not phase_tells([sure, sure, sure, -sure], [flip, -flip, -flip, -flip])
    assert not phase_tells([sure, -sure], [-flip, -flip])  # a background that hides all flips
    assert phase_tells([], [])

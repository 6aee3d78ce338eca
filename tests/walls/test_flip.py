import numpy as np
import pytest

from scanseg.micrograph import Micrograph, Signal
from scanseg.walls import WallTracing, trace_lines

SHAPE = (70, 96)
HALF_WIDTH_PX = 3.0
WALL_X = 45.3


def scan_with_background(background, *, noise=0.03):
    rng = np.random.default_rng(4)
    x = np.arange(SHAPE[1])
    response = np.broadcast_to(np.tanh((x - WALL_X) / HALF_WIDTH_PX) + background, SHAPE)
    noisy = response + noise * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    return {
        Signal.PFM_AMPLITUDE: Micrograph(np.abs(noisy), signal=Signal.PFM_AMPLITUDE),
        Signal.PFM_PHASE: Micrograph(np.rad2deg(np.angle(noisy)), signal=Signal.PFM_PHASE),
    }


def probability_of_wall():
    seen = np.zeros(SHAPE, np.float32)
    seen[:, 44:47] = 1.0
    return np.stack([1 - seen, seen, 0 * seen])


@pytest.mark.parametrize("background", [-0.3, 0.0, 0.4])
def test_a_background_moves_the_flip_and_not_the_wall(background):
    scan, probability = scan_with_background(background), probability_of_wall()
    place = {}
    for name in ("wall", "flip"):
        (wall,), _ = trace_lines(probability, scan, config=WallTracing(place=name))
        place[name] = float(np.median(wall.position_px[10:-10, 1]))
    flip = WALL_X - HALF_WIDTH_PX * np.arctanh(background)
    # Medians over 50 points with errors of 0.1 px; smoothing by 1 px moves a bent flank by 0.05.
    assert place["wall"] == pytest.approx(WALL_X, abs=0.1)
    assert place["flip"] == pytest.approx(flip, abs=0.15)


def test_without_a_phase_walls_stay():
    scan = scan_with_background(0.2)
    del scan[Signal.PFM_PHASE]
    lines = [
        trace_lines(probability_of_wall(), scan, config=WallTracing(place=name))[0][0].position_px
        for name in ("wall", "flip")
    ]
    np.testing.assert_array_equal(*lines)

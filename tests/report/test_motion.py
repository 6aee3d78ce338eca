from dataclasses import dataclass

import numpy as np
import pytest

from scanseg.micrograph import Micrograph, Signal
from scanseg.motion import WallFrame, track_walls
from scanseg.report import draw_motion

SHAPE = (60, 80)


@dataclass(frozen=True, eq=False)
class Line:
    position_px: np.ndarray
    position_err_px: np.ndarray
    class_index: np.ndarray


def frame(y, *, size_nm, signals):
    wall = np.stack([np.full(80, y), np.arange(80.0)], 1)
    up = np.arange(60)[:, None] * np.ones(SHAPE) < y
    data = {
        Signal.PFM_AMPLITUDE: np.random.default_rng(1).normal(5, 1, SHAPE),
        Signal.PFM_PHASE: np.where(up, 0.0, 180.0),
    }
    scan = {k: Micrograph(data[k], pixel_size_nm=size_nm, signal=k) for k in signals}
    return WallFrame((Line(wall, np.full(80, 0.1), np.ones(80, int)),), scan)


@pytest.mark.parametrize("size_nm", [None, (10.0, 5.0)])
@pytest.mark.parametrize("signals", [tuple(Signal)[4:6], (Signal.PFM_PHASE,)])
def test_motion_is_drawn(tmp_path, size_nm, signals):
    frames = [frame(y, size_nm=size_nm, signals=signals) for y in (20.0, 24.0)]
    motion = track_walls(frames)
    figure = draw_motion(motion, frames, title="two scans")
    before, after, histogram, bar = figure.axes
    colours = before.collections[-1].get_array()  # of the points before
    np.testing.assert_allclose(colours, 4.0, atol=0.3)
    for chart in (before, after):
        (line,) = (line for line in chart.lines if line.get_label() == "walls after")
        np.testing.assert_allclose(line.get_ydata(), 24, atol=0.3)
    shade = after.images[1].get_array()[..., 3] > 0  # what the wall swept over
    assert set(np.flatnonzero(shade.any(axis=1))) <= {19, 20, 21, 22, 23, 24}
    assert shade.sum() == pytest.approx(4 * SHAPE[1], rel=0.3)
    assert histogram.get_xlabel() == ("displacement, px" if size_nm is None else "displacement, nm")
    assert "px" in bar.get_xlabel()
    figure.savefig(tmp_path / "motion.png")


def test_scans_without_walls_are_drawn(tmp_path):
    empty = WallFrame((), frame(20.0, size_nm=None, signals=(Signal.PFM_AMPLITUDE,)).scan)
    draw_motion(track_walls([empty, empty]), [empty, empty]).savefig(tmp_path / "motion.png")

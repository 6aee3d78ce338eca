import numpy as np
import pytest

from scanseg.evaluate import position_error_px, score_skeleton, skeleton_of_lines
from scanseg.micrograph import Micrograph, Signal
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.wall_lines import draw_walls
from scanseg.walls import trace_lines

SHAPE = (160, 200)


def scans(n=4, **settings):
    config = PfmScene(
        **{
            "layouts": {"domains": 1.0},
            "disorder": 0.0,
            "noise": (0.05, 0.05),
            "lateral_fraction": 0.0,
            "partial_fraction": 0.0,
            "missing": {},
            "pixel_size_nm": (12.0, 12.0),
            "wall_half_width_nm": (25.0, 50.0),
            "domain_px": (30.0, 80.0),
            **settings,
        }
    )
    return [
        simulate_pfm(np.random.default_rng([5, i]), shape=SHAPE, config=config) for i in range(n)
    ]


def perfect_probability(scan):
    """What a network would say that knows the truth to a pixel."""
    seen = draw_walls(scan.walls, SHAPE, radius_px=1.5, visible_contrast=0)
    return np.stack([seen == index for index in range(3)]).astype(np.float32)


def test_walls_are_placed_to_a_third_of_a_pixel():
    errors = []
    for scan in scans():
        walls, _ = trace_lines(perfect_probability(scan), scan.micrographs())
        found = [wall.position_px for wall in walls]
        truth = [wall.position_px for wall in scan.walls]
        errors.append(position_error_px(found, truth))
    errors = np.concatenate(errors)
    errors = errors[np.isfinite(errors)]
    # The noise alone gives 0.08 px; the rest is where pinned walls bend within the tip's reach.
    assert abs(errors.mean()) < 0.1
    assert errors.std() < 0.3


def test_widths_are_those_of_the_tip():
    for scan in scans(2):
        walls, _ = trace_lines(perfect_probability(scan), scan.micrographs())
        longest = max(walls, key=lambda wall: wall.length_px)
        assert longest.half_width_px == pytest.approx(scan.wall_half_width_px, rel=0.12)
        assert longest.half_width_err_px < 0.1
        assert 0 <= longest.dip < 0.3


def test_every_wall_is_traced_and_none_is_added():
    for scan in scans(2):
        walls, _ = trace_lines(perfect_probability(scan), scan.micrographs())
        found = skeleton_of_lines([wall.position_px for wall in walls], SHAPE)
        truth = skeleton_of_lines([wall.position_px for wall in scan.walls], SHAPE)
        assert score_skeleton(found, truth, radius=2).f1 > 0.95
        assert {wall.main_class for wall in walls} == {1}


def test_classes_are_kept():
    (scan,) = scans(1, layouts={"twins": 1.0})
    probability = perfect_probability(scan)
    walls, _ = trace_lines(probability, scan.micrographs())
    length = {index: sum(w.length_px for w in walls if w.main_class == index) for index in (1, 2)}
    kinds = {wall.kind for wall in scan.walls}
    assert (length[2] > 0) == ("ferroelastic" in kinds)
    assert (length[1] > 0) == ("ferroelectric" in kinds)


@pytest.mark.parametrize("missing", ["amplitude", "phase"])
def test_one_channel_is_enough(missing):
    scan = scans(1, missing={missing: 1.0})[0]
    walls, _ = trace_lines(perfect_probability(scan), scan.micrographs())
    error = position_error_px(
        [wall.position_px for wall in walls], [wall.position_px for wall in scan.walls]
    )
    assert np.nanstd(error) < 0.8
    assert np.isfinite(walls[0].position_err_px).any()


def test_rows_that_were_not_measured_do_no_harm():
    scan = scans(1)[0]
    channels = {}
    for signal, image in scan.micrographs().items():
        data = np.array(image.data)
        data[80:] = np.nan
        channels[signal] = Micrograph(data, signal=signal)
    walls, _ = trace_lines(perfect_probability(scan), channels)
    for wall in walls:
        assert np.isfinite(wall.position_px).all()
        below = wall.position_px[:, 0] > 92
        assert np.isnan(wall.position_err_px[below]).all()


def test_a_straight_wall_is_not_tortuous():
    probability = np.zeros((3, 60, 90), np.float32)
    probability[1, 29:32] = 1
    probability[0] = 1 - probability[1]
    response = np.tanh((np.arange(60.0) - 30.3) / 3)[:, None] * np.ones((1, 90))
    scan = {
        Signal.PFM_AMPLITUDE: Micrograph(np.abs(response)),
        Signal.PFM_PHASE: Micrograph(np.where(response > 0, 0.0, 180.0)),
    }
    (wall,), graph = trace_lines(probability, scan)
    assert wall.tortuosity == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(wall.position_px[:, 0], 30.3, atol=0.02)
    assert list(graph.degree) == [1, 1]


def test_no_wall_is_no_wall():
    probability = np.zeros((3, 40, 50), np.float32)
    probability[0] = 1
    walls, _ = trace_lines(probability, {Signal.PFM_AMPLITUDE: Micrograph(np.ones((40, 50)))})
    assert walls == ()

import numpy as np
import pytest

from scanseg.micrograph import Micrograph, Signal
from scanseg.walls import phase_axis_deg, signed_response

SHAPE = (40, 50)


def recorded(response, *, unit=3e-12):
    phase = np.rad2deg(np.angle(response))
    return {
        Signal.PFM_AMPLITUDE: Micrograph(unit * np.abs(response), signal=Signal.PFM_AMPLITUDE),
        Signal.PFM_PHASE: Micrograph(np.where(phase < -90, phase + 360, phase)),
    }


@pytest.mark.parametrize("axis_deg", [-89, -30, 0, 60, 89])
def test_the_axis_is_that_of_both_polarities(axis_deg):
    truth = np.where(np.arange(SHAPE[1]) < 20, 1.0, -1.0) * np.ones(SHAPE)
    scan = recorded(truth * np.exp(1j * np.deg2rad(axis_deg)))
    assert phase_axis_deg(scan) == pytest.approx(axis_deg, abs=1e-3)
    np.testing.assert_allclose(signed_response(scan), truth, atol=1e-5)


def test_noise_where_nothing_responds_does_not_turn_the_axis():
    rng = np.random.default_rng(4)
    response = np.where(np.arange(SHAPE[1]) < 25, 1.0, -0.4) * np.ones(SHAPE) * np.exp(0.5j)
    response[:15] = 0
    noise = 0.1 * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    # 1250 pixels whose phase scatters by 0.1 to 0.25 rad.
    assert np.deg2rad(phase_axis_deg(recorded(response + noise))) == pytest.approx(0.5, abs=0.015)


def test_series_keep_the_axis_of_their_first_frame():
    scan = recorded(np.full(SHAPE, np.exp(1j * np.deg2rad(-89.5))))
    assert signed_response(scan).mean() == pytest.approx(1)
    assert signed_response(scan, axis_deg=89.5).mean() == pytest.approx(-1, abs=1e-3)


def test_without_phase_there_is_no_sign():
    scan = recorded(np.ones(SHAPE))
    del scan[Signal.PFM_PHASE]
    assert signed_response(scan) is None


def test_phase_alone_tells_the_sign():
    scan = recorded(np.full(SHAPE, 5.0 * np.exp(0.3j)))
    del scan[Signal.PFM_AMPLITUDE]
    np.testing.assert_allclose(signed_response(scan), 1, atol=1e-6)

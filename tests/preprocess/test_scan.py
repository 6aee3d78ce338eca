"""Planes of a scan whose response is known."""

import numpy as np
import pytest

from scanseg.errors import ScansegError
from scanseg.micrograph import Signal
from scanseg.preprocess.scan import SCAN_PLANES, scan_planes

SHAPE = (60, 84)
AMPLITUDE, PHASE, TOPOGRAPHY = Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY
OF = {
    AMPLITUDE: ("amplitude",),
    PHASE: ("phase_cos", "phase_sin"),
    TOPOGRAPHY: ("topography",),
}


def index(*names):
    return [SCAN_PLANES.index(name) for name in names]


def scan(*, offset_deg=0.0, lowest_deg=-90.0, seed=0):
    """Two domains side by side of which the left one points up, with 2 % noise."""
    rng = np.random.default_rng(seed)
    x = np.arange(SHAPE[1]) - 40.5
    response = -np.tanh(x / 3)[None] + 0.02 * rng.normal(size=(2, *SHAPE)).T.swapaxes(0, 1) @ [
        1,
        1j,
    ]
    response = response * np.exp(1j * np.deg2rad(offset_deg))
    phase_deg = (np.rad2deg(np.angle(response)) - lowest_deg) % 360 + lowest_deg
    relief = np.cumsum(rng.normal(size=SHAPE), axis=1)
    return {AMPLITUDE: 150 * np.abs(response), PHASE: phase_deg, TOPOGRAPHY: relief}


def test_the_response_is_real_after_the_turn():
    planes = scan_planes(scan(offset_deg=37.0))
    assert planes.shape == (6, *SHAPE)
    assert planes.dtype == np.float32
    cosine, sine = planes[index("phase_cos", "phase_sin")]
    away = np.abs(np.arange(SHAPE[1]) - 40.5) > 8
    # One polarity on each side; 2 % noise is 1.1 degrees, five of which are cos > 0.995.
    assert abs(cosine[:, :32].mean() - cosine[:, 49:].mean()) == pytest.approx(2, abs=0.005)
    assert np.abs(cosine[:, away]).min() > 0.995
    np.testing.assert_allclose(cosine**2 + sine**2, 1, atol=1e-5)


@pytest.mark.parametrize("background", [0, 0.3 + 0.2j, 5 - 3j])
def test_contrast_does_not_mind_what_the_instrument_adds_everywhere(background):
    rng = np.random.default_rng(3)
    up = np.tanh((np.arange(SHAPE[1]) - 40.5) / 3) + np.zeros(SHAPE)
    noise = 0.02 * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    response = background + up * np.exp(0.4j) + noise
    along, across = scan_planes(
        {AMPLITUDE: np.abs(response), PHASE: np.rad2deg(np.angle(response))}
    )[index("contrast_along", "contrast_across")]
    sign = np.sign((along * up).sum())
    assert np.corrcoef((sign * along).ravel(), up.ravel())[0, 1] > 0.98
    # The amplitude is compressed, which bends the line from one polarity to the other.
    assert np.mean(np.square(across)) < 0.1
    assert np.mean(np.square(along)) == pytest.approx(1, abs=0.12)  # extremes are compressed


@pytest.mark.parametrize("lowest_deg", [-180.0, -90.0, 0.0])
@pytest.mark.parametrize("offset_deg", [0.0, 44.0, 90.0, 135.0, 180.0, 269.0])
def test_any_zero_of_the_phase_gives_the_same_but_for_the_polarity(offset_deg, lowest_deg):
    expected = scan_planes(scan())
    found = scan_planes(scan(offset_deg=offset_deg, lowest_deg=lowest_deg))
    polar = index("phase_cos", "phase_sin", "contrast_along", "contrast_across")
    sign = np.sign((found[polar] * expected[polar]).sum())
    found[polar] *= sign
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_amplitude_is_measured_by_its_median():
    amplitude = np.linspace(0, 10, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    plane = scan_planes({AMPLITUDE: amplitude})[0]
    median = np.median(amplitude[amplitude > 0])
    np.testing.assert_allclose(plane, 4 * amplitude / (amplitude + median) - 2, atol=1e-6)
    bright = amplitude.copy()
    bright[3, 4] = 1e6
    plane_bright = scan_planes({AMPLITUDE: bright})[0]
    assert plane_bright.max() <= 2
    others = np.ones(SHAPE, bool)
    others[3, 4] = False
    # One pixel of 5,040 moves the median by a step of the ramp.
    np.testing.assert_allclose(plane_bright[others], plane[others], atol=1e-3)


def test_an_amplitude_with_an_offset_starts_at_its_floor():
    amplitude = np.linspace(0, 10, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    shifted = scan_planes({AMPLITUDE: amplitude - 3})[0]
    # The floor is the lowest 0.5 %, 0.05 of a median of 5.
    np.testing.assert_allclose(shifted, scan_planes({AMPLITUDE: amplitude})[0], atol=0.05)


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e9])
def test_units_do_not_matter(factor):
    channels = scan()
    expected = scan_planes(channels)
    for signal in (AMPLITUDE, TOPOGRAPHY):
        channels[signal] = channels[signal] * factor
    np.testing.assert_allclose(scan_planes(channels), expected, atol=1e-5)


def test_relief_has_no_rows_and_no_tilt():
    rng = np.random.default_rng(1)
    relief = rng.normal(size=(120, 150))
    expected = scan_planes({AMPLITUDE: np.ones((120, 150)), TOPOGRAPHY: relief})[5]
    assert np.std(expected) == pytest.approx(1, abs=0.05)
    y, x = np.mgrid[:120, :150]
    tilted = relief + 0.03 * x + 4 * y + 50 * rng.normal(size=(120, 1))
    found = scan_planes({AMPLITUDE: np.ones((120, 150)), TOPOGRAPHY: tilted})[5]
    inner = np.s_[:, 40:-40]
    # A slope along the rows is left at their ends, where the surroundings are on one side only.
    # The medians of 150 pixels by which rows are levelled are known to 0.1 each.
    assert np.abs(found - expected)[inner].mean() < 0.15
    assert np.abs(found).max() <= 4


@pytest.mark.parametrize("missing", [{AMPLITUDE}, {PHASE}, {TOPOGRAPHY}, {PHASE, TOPOGRAPHY}])
def test_what_is_missing_is_0(missing):
    channels = {signal: image for signal, image in scan().items() if signal not in missing}
    planes = scan_planes(channels)
    for signal, names in OF.items():
        assert planes[index(*names)].any() == (signal not in missing)
    along, across = planes[index("contrast_along", "contrast_across")]
    assert 0.5 < np.std(along) < 1.1  # without a phase, walls are few and their depth is compressed
    assert across.any() == (PHASE not in missing)


def test_topography_alone_is_refused():
    with pytest.raises(ScansegError, match="neither an amplitude nor a phase"):
        scan_planes({TOPOGRAPHY: np.zeros(SHAPE)})


@pytest.mark.parametrize("filling", [np.nan, np.inf])
def test_rows_that_were_not_measured_change_nothing_above(filling):
    channels = scan()
    above = {signal: image[:25] for signal, image in channels.items()}
    for image in channels.values():
        image[25:] = filling
    planes, expected = scan_planes(channels), scan_planes(above)
    assert not planes[:, 25:].any()
    # The surroundings of the topography end at row 25 in one case, and are repeated in the other.
    np.testing.assert_allclose(planes[:5, :25], expected[:5], atol=1e-5)
    assert np.abs(planes[5, :25] - expected[5]).mean() < 0.1


def test_rows_that_were_filled_with_0_do_not_move_the_median():
    channels = scan()
    expected = scan_planes({AMPLITUDE: channels[AMPLITUDE][:20]})
    stopped = channels[AMPLITUDE].copy()
    stopped[20:] = 0
    np.testing.assert_allclose(scan_planes({AMPLITUDE: stopped})[:, :20], expected, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_channel_is_finite(value):
    constant = np.full(SHAPE, value)
    for signal in (AMPLITUDE, PHASE, TOPOGRAPHY):
        planes = scan_planes({**scan(), signal: constant})
        assert np.isfinite(planes).all()
    assert np.isfinite(scan_planes({AMPLITUDE: constant})).all()


def test_whole_numbers_are_taken_as_they_are():
    amplitude = np.random.default_rng(2).integers(0, 4000, SHAPE).astype(np.uint16)
    found = scan_planes({AMPLITUDE: amplitude})
    np.testing.assert_array_equal(found, scan_planes({AMPLITUDE: amplitude.astype(np.float32)}))

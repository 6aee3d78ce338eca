import numpy as np
import pytest
from scipy import ndimage

from scanseg.micrograph import Micrograph, Signal
from scanseg.motion import DriftEstimation, register_drift
from scanseg.simulate import PfmScene, simulate_pfm_frames

SHAPE = (120, 150)
MARGIN = 20


def surface(seed):
    """Mounds some pixels wide, larger than a scan."""
    rng = np.random.default_rng(seed)
    shape = SHAPE[0] + 2 * MARGIN, SHAPE[1] + 2 * MARGIN
    rough = ndimage.gaussian_filter(rng.normal(size=shape), 4)
    return rough / rough.std()


def scan(height, shift, *, seed, noise=0.05, row_jump=0.3):
    """What a scanner that drifted by ``shift`` (y, x at each row) records of a surface."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float) + MARGIN
    shift = np.broadcast_to(shift, (SHAPE[0], 2))
    data = ndimage.map_coordinates(height, [y - shift[:, :1], x - shift[:, 1:]])
    data += noise * rng.normal(size=SHAPE) + row_jump * rng.normal(size=(SHAPE[0], 1))
    return data + 0.02 * rng.normal() * x + 0.02 * rng.normal() * y


def topography(data):
    return {Signal.TOPOGRAPHY: Micrograph(data, signal=Signal.TOPOGRAPHY)}


def registered(first, second, **settings):
    return register_drift(topography(first), topography(second), config=DriftEstimation(**settings))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.3, -1.7), (-13.2, 12.6)])
def test_shifts_are_found_to_hundredths_of_a_pixel(shift):
    height = surface(1)
    drift = registered(scan(height, 0, seed=2), scan(height, shift, seed=3))
    # Mounds of slope 0.18 a pixel, noise 0.03 after smoothing, 18,000 pixels: 0.003 px.
    np.testing.assert_allclose(drift.shift_px, shift, atol=0.02)
    assert max(drift.shift_err_px) < 0.01
    assert drift.signal is Signal.TOPOGRAPHY
    assert drift.warnings == ()


def test_error_bars_are_the_scatter():
    pulls = []
    for seed in range(8):
        height = surface(100 + seed)
        shift = np.random.default_rng(seed).uniform(-4, 4, 2)
        one, other = (
            scan(height, at, seed=1000 * n + seed, noise=0.3) for n, at in ((1, 0), (2, shift))
        )
        drift = registered(one, other, distortion="shift")
        pulls.append((np.array(drift.shift_px) - shift) / drift.shift_err_px)
    # 16 numbers fix an rms to 18 %; the bars themselves come from some 60 blocks.
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.6


def test_steady_drift_and_creep_within_a_frame_are_found():
    height = surface(4)
    y = np.arange(SHAPE[0])[:, None]
    down = (y - (SHAPE[0] - 1) / 2) / SHAPE[0]
    shift = np.array([1.0, -2.0]) + np.array([2.0, -1.5]) * down
    creep = shift + np.array([1.5, 2.5]) * np.exp(-y / (0.1 * SHAPE[0]))
    for true, n_terms in ((shift, 2), (creep, 4)):
        # The scan's own rows are where the shift applies: places of the first are found from it.
        drift = registered(scan(height, 0, seed=5), scan(height, true, seed=6))
        assert drift.coefficient_px.shape == (2, n_terms)
        row = np.stack([np.arange(SHAPE[0], dtype=float), np.full(SHAPE[0], 70.0)], 1)
        back = drift.to_first(row)
        # Rows near the border were not seen by both.
        np.testing.assert_allclose((row - back)[6:-6], true[6:-6], atol=0.12)
        np.testing.assert_allclose(drift.to_second(back), row, atol=1e-3)


def test_dust_line_jumps_and_missing_rows_do_no_harm():
    height = surface(7)
    one, other = scan(height, 0, seed=8), scan(height, (2.4, 5.1), seed=9)
    one[40:52, 60:75] += 30.0  # dust that was swept away before the second scan
    other[20:30, 110:120] += 40.0
    other[70:76] += np.random.default_rng(1).normal(0, 10, (6, SHAPE[1]))
    other[100:] = np.nan
    drift = registered(one, other)
    np.testing.assert_allclose(drift.shift_px, (2.4, 5.1), atol=0.05)


@pytest.mark.parametrize("kind", ["noise", "constant", "no channel", "lines along y"])
def test_nothing_to_hold_on_to_is_said(kind):
    rng = np.random.default_rng(10)
    first, second = (topography(rng.normal(size=SHAPE)) for _ in range(2))
    if kind == "constant":
        first = second = topography(np.full(SHAPE, 3.0))
    elif kind == "no channel":
        second = {Signal.PFM_PHASE: second[Signal.TOPOGRAPHY]}
    elif kind == "lines along y":  # nothing tells the shift along them
        stripes = np.broadcast_to(ndimage.gaussian_filter1d(rng.normal(size=SHAPE[1]), 3), SHAPE)
        first, second = (topography(stripes + 0.01 * rng.normal(size=SHAPE)) for _ in range(2))
    drift = register_drift(first, second)
    assert drift.shift_px == (0, 0)
    assert drift.signal is None
    (warning,) = drift.warnings
    assert "as if nothing had drifted" in warning


def test_scans_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        register_drift(topography(np.zeros((20, 30))), topography(np.zeros((20, 31))))


def simulated_pair(shift, *, seed):
    config = PfmScene(
        layouts={"grains": 1.0}, missing={}, partial_fraction=0.0, noise=(0.05, 0.05),
        lateral_fraction=0.0, wall_half_width_nm=(30.0, 30.0), pixel_size_nm=(12.0, 12.0),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    frames = simulate_pfm_frames(rng, n_frames=2, shape=(130, 150), config=config)
    scans = []
    for frame, at in zip(frames, (np.zeros(2), shift), strict=True):
        response = frame.amplitude_pm * np.exp(1j * np.deg2rad(frame.phase_deg))
        moved = ndimage.shift(response.real, at) + 1j * ndimage.shift(response.imag, at)
        data = {
            Signal.TOPOGRAPHY: ndimage.shift(frame.topography_nm.astype(float), at),
            Signal.PFM_AMPLITUDE: np.abs(moved),
            Signal.PFM_PHASE: np.rad2deg(np.angle(moved)),
        }
        inner = np.s_[8:-8, 8:-8]
        scans.append({k: Micrograph(v[inner], signal=k) for k, v in data.items()})
    return scans


def test_topography_tells_the_drift_of_scans_that_switch():
    drift = register_drift(*simulated_pair(np.array([3.25, -4.6]), seed=11))
    assert drift.signal is Signal.TOPOGRAPHY
    np.testing.assert_allclose(drift.shift_px, (3.25, -4.6), atol=0.1)


def test_without_topography_the_amplitude_tells_it_worse_and_says_so():
    scans = simulated_pair(np.array([3.25, -4.6]), seed=11)
    for each in scans:
        del each[Signal.TOPOGRAPHY]
    drift = register_drift(*scans)
    assert drift.signal is Signal.PFM_AMPLITUDE
    assert "switching changes" in drift.warnings[0]
    error = np.abs(np.array(drift.shift_px) - (3.25, -4.6))
    assert (error < 3 * np.array(drift.shift_err_px)).all()

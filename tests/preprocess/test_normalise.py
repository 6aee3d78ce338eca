"""Range, gaps, spikes and surroundings, each against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from scanseg.bundle import Normalisation
from scanseg.errors import ScansegError
from scanseg.micrograph import Micrograph
from scanseg.preprocess import measure_range, normalise
from scanseg.preprocess.normalise import repair

PLAIN = Normalisation()


def lattice(shape=(120, 150), *, spacing_px=12.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = np.cos(2 * np.pi * y / spacing_px) + np.cos(2 * np.pi * (x + 0.3 * y) / spacing_px)
    return np.asarray(200 + 40 * waves, np.float32)


def network_input(data, normalisation=PLAIN):
    intensity = measure_range(data, normalisation)
    return normalise(repair(data, intensity), intensity, normalisation)


def test_the_range_of_known_numbers():
    data = np.arange(10_001, dtype=np.uint16).reshape(73, 137)
    found = measure_range(data, PLAIN)
    # Percentiles of the numbers 0 to 10,000.
    assert (found.low, found.high, found.fill) == (100.0, 9900.0, 5000.0)
    assert found.spike == pytest.approx(9980)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_any_type_of_number_gives_the_same(dtype):
    data = np.round(lattice()).clip(0, 255)
    expected = network_input(data.astype(np.float32))
    assert measure_range(data.astype(dtype), PLAIN) == measure_range(data, PLAIN)
    np.testing.assert_array_equal(network_input(data.astype(dtype)), expected)


@pytest.mark.parametrize(("gain", "offset"), [(7.0, 0.0), (0.01, -3.0), (1.0, 1e4)])
def test_gain_and_offset_do_not_matter(gain, offset):
    data = lattice()
    # At an offset of 10,000 float32 keeps a thousandth of a count.
    np.testing.assert_allclose(network_input(gain * data + offset), network_input(data), atol=2e-3)


def test_the_surroundings_become_mean_0_and_spread_1():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:400, :480]
    slow = 50 * np.sin(y / 150) * np.cos(x / 170)  # five times the noise
    noise = rng.normal(0, 10, y.shape) * np.where(x < 240, 1, 4)
    found = network_input((slow + noise).astype(np.float32), Normalisation(floor=0.001))
    for half in (found[60:-60, 60:180], found[60:-60, 300:420]):
        # Surroundings of some 4 pi 12^2 pixels: 2 % scatter, less what the slow waves leave.
        assert half.mean() == pytest.approx(0, abs=0.05)
        assert half.std() == pytest.approx(1, abs=0.1)


def test_vacuum_stays_flat():
    rng = np.random.default_rng(2)
    data = lattice((160, 320))
    data[:, 160:] = 100 + rng.normal(0, 0.5, (160, 160))
    found = network_input(data)
    # The floor is a quarter of the spread of the image, and vacuum a hundredth of it.
    assert found[:, 240:].std() < 0.06
    assert found[:, :100].std() == pytest.approx(1, abs=0.2)


def test_windows_of_the_grid_equal_the_whole():
    data = lattice((240, 320))
    data[:, 150:] *= 2
    intensity = measure_range(data, PLAIN)
    whole = normalise(data, intensity, PLAIN)
    # Windows start where blocks do; blurring reaches 5 blocks, interpolating one more.
    part = normalise(data[80:240, 96:256], intensity, PLAIN)
    np.testing.assert_allclose(part[48:-48, 48:-48], whole[128:192, 144:208], atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (7, 9), (8, 16), (17, 23)])
def test_small_windows(shape):
    data = np.random.default_rng(0).normal(10, 2, shape).astype(np.float32)
    intensity = measure_range(lattice(), PLAIN)
    found = normalise(data, intensity, PLAIN)
    assert found.shape == shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_the_input_is_clipped():
    data = lattice()
    data[60:66, 70:76] = 1e5
    found = network_input(data, Normalisation(clip_low=-1.5, clip_high=2.0))
    assert found.max() == 2.0
    assert found.min() >= -1.5


def test_a_hot_pixel_is_replaced_by_its_neighbours():
    data = lattice()
    data[40, 50] = 1e4
    intensity = measure_range(data, PLAIN)
    around = data[39:42, 49:52]
    repaired = repair(data, intensity)
    assert repaired[40, 50] == pytest.approx((around.sum() - 1e4) / 8, rel=1e-4)
    assert (repaired != data).sum() == 1
    assert data[40, 50] == 1e4  # what was measured is kept


def test_atoms_are_no_hot_pixels():
    data = np.full((60, 70), 10, np.float32)
    data[20:50:10, 15:65:10] = 60  # one pixel each, a percent of the image
    intensity = measure_range(data, PLAIN)
    np.testing.assert_array_equal(repair(data, intensity), data)


def test_gaps_are_filled():
    data = lattice()
    gaps = np.zeros(data.shape, bool)
    gaps[10:30, 20:90] = True
    data[gaps] = np.nan
    data[5, 5], data[6, 9] = np.inf, -np.inf
    intensity = measure_range(data, PLAIN)
    assert intensity.fill == pytest.approx(np.median(data[np.isfinite(data)]), abs=0.01)
    repaired = repair(data, intensity)
    assert (repaired[gaps] == np.float32(intensity.fill)).all()
    assert np.isfinite(network_input(data)).all()
    measured = np.isfinite(data)
    np.testing.assert_array_equal(repaired[measured], data[measured])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((20, 30), 7, np.uint8), "value 7"),
        (np.full((20, 30), np.nan, np.float32), "no finite value"),
        (np.where(np.eye(20, 30) > 0, np.nan, np.float32(3)), "value 3"),
    ],
)
def test_images_without_content_are_refused(data, words):
    with pytest.raises(ScansegError, match=words):
        measure_range(Micrograph(data).data, PLAIN)


def test_sparse_counts_have_a_range():
    data = np.zeros((200, 220), np.uint8)
    data[::20, ::20] = 1  # 0.25 % of the pixels
    found = measure_range(data, PLAIN)
    assert found.low == 0
    assert found.high == 1


def test_dark_columns_become_bright():
    data = lattice()
    bright = measure_range(data, PLAIN)
    upside_down = (1000 - data).astype(np.float32)
    dark = replace(measure_range(upside_down, PLAIN), dark_columns=True)
    # Percentiles of the turned image are those of the image up to the interpolation between ranks.
    np.testing.assert_allclose(
        normalise(upside_down, dark, PLAIN), normalise(data, bright, PLAIN), atol=1e-3
    )

import numpy as np
import pytest
from scipy import ndimage

from scanseg.micrograph import Micrograph, Signal
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.wall_lines import draw_walls
from scanseg.walls import (
    DomainMapping,
    domains_table,
    map_domains,
    polarity_fractions,
    trace_lines,
)

SHAPE = (160, 200)


def simulated(seed, **settings):
    config = PfmScene(
        **{
            "layouts": {"domains": 1.0}, "disorder": 0.0, "noise": (0.05, 0.1),
            "lateral_fraction": 0.0, "partial_fraction": 0.0, "missing": {},
            "pixel_size_nm": (12.0, 12.0), "wall_half_width_nm": (25.0, 40.0),
            "domain_px": (20.0, 60.0), **settings,
        }
    )  # fmt: skip
    return simulate_pfm(np.random.default_rng([8, seed]), shape=SHAPE, config=config)


def mapped(scan, *, probability=None, channels=None, **settings):
    if probability is None:
        seen = draw_walls(scan.walls, SHAPE, radius_px=1.5, visible_contrast=0)
        probability = np.stack([seen == index for index in range(3)]).astype(np.float32)
    channels = channels or scan.micrographs()
    lines, graph = trace_lines(probability, channels)
    return map_domains(lines, graph, channels, config=DomainMapping(**settings))


def polarity_image(result):
    return np.concatenate([[0], result.polarity])[result.domain]


def agreement(result, scan):
    """Part of the pixels with the true polarity; which of the two is up is not in the data."""
    found = polarity_image(result)
    return max((found == scan.polarity).mean(), (found == -scan.polarity).mean())


@pytest.mark.parametrize("seed", range(4))
def test_domains_have_the_true_polarity(seed):
    scan = simulated(seed)
    result = mapped(scan)
    # Walls half a pixel off, with up to 0.05 px of wall for each pixel of area, are 2.5 %.
    assert agreement(result, scan) > 0.975


@pytest.mark.parametrize("seed", range(4))
def test_domains_are_those_of_the_simulation(seed):
    scan = simulated(seed)
    table = domains_table(mapped(scan), pixel_size_nm=(12.0, 20.0))
    truth = np.concatenate(
        [np.bincount(ndimage.label(scan.polarity == sign)[0].ravel())[1:] for sign in (1, -1)]
    )
    large = sorted(truth[truth > 100])
    found = sorted(table["area_px"][table["area_px"] > 100])
    assert len(found) == pytest.approx(len(large), abs=1)
    assert found[-1] == pytest.approx(large[-1], rel=0.05)
    assert table["area_px"].sum() == scan.polarity.size
    np.testing.assert_allclose(table["area_nm2"], 240 * table["area_px"])
    up = max((scan.polarity == sign).mean() for sign in (1, -1))
    fractions = polarity_fractions(table)
    assert max(fractions["up"], fractions["down"]) == pytest.approx(up, abs=0.02)
    assert sum(fractions.values()) == pytest.approx(1)


def test_perimeters_are_the_lengths_of_the_walls():
    scan = simulated(1)
    table = domains_table(mapped(scan), pixel_size_nm=None)
    true_px = sum(wall.length_px for wall in scan.walls)
    # Each wall borders two domains; the kinks of the grid on which the truth is drawn add 2 %.
    assert table["perimeter_px"].sum() / 2 == pytest.approx(true_px, rel=0.05)
    assert table[["area_nm2", "perimeter_nm"]].isna().all(axis=None)


def test_a_background_that_shifts_the_walls_leaves_no_seams():
    scan = simulated(2)
    response = scan.response.astype(np.complex128)
    half = np.abs(response).mean()
    turned = response / np.exp(1j * np.angle((response**2).sum()) / 2)
    channels = measured(turned + 0.5 * half)
    result = mapped(scan, channels=channels)
    assert agreement(result, scan) > 0.97
    assert len(result.polarity) <= len(mapped(scan).polarity) + 1


def measured(response):
    return {
        Signal.PFM_AMPLITUDE: Micrograph(np.abs(response), signal=Signal.PFM_AMPLITUDE),
        Signal.PFM_PHASE: Micrograph(np.rad2deg(np.angle(response)), signal=Signal.PFM_PHASE),
    }


def test_walls_that_the_network_missed_part_domains_where_the_phase_flips():
    scan = simulated(3)
    nothing = np.zeros((3, *SHAPE), np.float32)
    nothing[0] = 1
    result = mapped(scan, probability=nothing)
    assert agreement(result, scan) > 0.96
    assert len(result.polarity) > 1


def test_noise_is_no_domain():
    rng = np.random.default_rng(2)
    nothing = np.zeros((3, *SHAPE), np.float32)
    nothing[0] = 1
    noise = rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)
    result = mapped(None, probability=nothing, channels=measured(noise))
    assert list(result.polarity) == [0]
    assert (result.domain == 1).all()


def test_without_phase_polarity_is_unknown():
    scan = simulated(0, missing={"phase": 1.0})
    result = mapped(scan)
    assert set(result.polarity) == {0}
    assert len(result.polarity) > 1
    assert polarity_fractions(domains_table(result, pixel_size_nm=None))["unknown"] == 1


def straight_wall(gap, *, class_index=2):
    """A wall from the left to the right, with a gap, in a scan of one polarity."""
    probability = np.zeros((3, *SHAPE), np.float32)
    probability[class_index, 79:82] = 1
    probability[class_index, :, gap] = 0
    probability[0] = 1 - probability.sum(0)
    return probability


@pytest.mark.parametrize(("width", "n_domains"), [(5, 2), (30, 1)])
def test_short_gaps_of_a_wall_are_bridged(width, n_domains):
    probability = straight_wall(slice(90, 90 + width))
    result = mapped(None, probability=probability, channels=measured(np.ones(SHAPE, complex)))
    assert len(result.polarity) == n_domains


def test_pixels_on_a_wall_go_to_the_side_of_their_centre():
    y = np.arange(SHAPE[0])[:, None] * np.ones(SHAPE)
    probability = straight_wall(slice(0), class_index=1)
    for wall_y, first_below in ((79.7, 80), (80.3, 81)):
        response = np.tanh((y - wall_y) / 3).astype(complex)
        result = mapped(None, probability=probability, channels=measured(response))
        area_px = np.bincount(result.domain.ravel())[1:]
        rows = np.array([first_below, SHAPE[0] - first_below])
        # The wall reaches the border of the scan by bridges alone.
        np.testing.assert_allclose(area_px, rows * SHAPE[1], atol=8)
        assert list(result.polarity) == [-1, 1]


def test_what_was_not_measured_belongs_to_no_domain():
    scan = simulated(1)
    channels = {}
    for signal, image in scan.micrographs().items():
        data = np.array(image.data)
        data[100:] = np.nan
        channels[signal] = Micrograph(data, signal=signal)
    result = mapped(scan, channels=channels)
    assert (result.domain[100:] == 0).all()
    assert (result.domain[:100] > 0).all()
    at_the_end = np.unique(result.domain[99])
    table = domains_table(result, pixel_size_nm=None)
    assert table["touches_edge"][at_the_end - 1].all()


@pytest.mark.parametrize("seed", range(12))
def test_every_measured_pixel_has_a_domain_whatever_the_network_says(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 70)), int(rng.integers(30, 90)))
    field = ndimage.gaussian_filter(rng.normal(size=(3, *shape)), (0, 1.5, 1.5))
    probability = np.exp(6 * field / field.std())
    probability = (probability / probability.sum(0)).astype(np.float32)
    response = ndimage.gaussian_filter(rng.normal(size=shape), 3) + 0j
    response[shape[0] // 2 :] *= np.nan if seed % 2 else 1
    channels = measured(response)
    lines, graph = trace_lines(probability, channels)
    result = map_domains(lines, graph, channels)
    np.testing.assert_array_equal(result.domain > 0, np.isfinite(response))
    assert set(np.unique(result.domain)) - {0} == set(range(1, len(result.polarity) + 1))
    assert domains_table(result, pixel_size_nm=None)["area_px"].min() > 0


def test_only_domains_inside_of_the_scan_are_whole():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = np.hypot(y - 80, x - 90) < 40
    response = np.where(inside, 1.0, -1.0).astype(complex)
    probability = np.zeros((3, *SHAPE), np.float32)
    probability[1] = np.abs(np.hypot(y - 80, x - 90) - 40) < 1.5
    probability[0] = 1 - probability[1]
    table = domains_table(
        mapped(None, probability=probability, channels=measured(response)), pixel_size_nm=None
    )
    assert list(table["touches_edge"]) == [True, False]
    assert table["area_px"][1] == pytest.approx(np.pi * 40**2, rel=0.02)
    assert table["perimeter_px"][1] == pytest.approx(2 * np.pi * 40, rel=0.02)

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from scanseg.errors import ConfigError
from scanseg.micrograph import Signal
from scanseg.simulate import PfmScene, simulate_pfm, simulate_pfm_frames

SHAPE = (120, 168)
CLEAN = {
    "disorder": 0.0,
    "noise": (0.01, 0.01),
    "lateral_fraction": 0.0,
    "partial_fraction": 0.0,
    "missing": {},
    "pixel_size_nm": (20.0, 20.0),
    "wall_half_width_nm": (40.0, 40.0),
}


def clean_scans(layout, *, n=4, shape=SHAPE, **settings):
    config = PfmScene(layouts={layout: 1.0}, **{**CLEAN, **settings})
    return [
        simulate_pfm(np.random.default_rng([3, i]), shape=shape, config=config) for i in range(n)
    ]


def across(scan, wall, reach_px):
    """Response on lines across a wall, where these stay inside: offsets, (points, offsets)."""
    line = wall.position_px
    along = np.array(
        [line[min(i + 3, len(line) - 1)] - line[max(i - 3, 0)] for i in range(len(line))]
    )
    normal = np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(*along.T)[:, None]
    offset = np.linspace(-reach_px, reach_px, 81)
    at = line[:, None] + normal[:, None] * offset[:, None]
    inside = ((at > 1) & (at < np.array(scan.response.shape) - 2)).all((1, 2))
    y, x = at[inside].transpose(2, 0, 1)
    real, imaginary = (
        map_coordinates(part, [y, x], order=3) for part in (scan.response.real, scan.response.imag)
    )
    return offset, real + 1j * imaginary


def test_the_same_generator_gives_the_same_scan():
    one, same, other = (simulate_pfm(np.random.default_rng(s), shape=SHAPE) for s in (1, 1, 2))
    assert one.response.shape == SHAPE == one.class_map.shape
    np.testing.assert_array_equal(one.response, same.response)
    np.testing.assert_array_equal(one.class_map, same.class_map)
    assert one.response[0, 0] != other.response[0, 0]


def test_180_walls_lie_where_the_response_reverses():
    offsets, dips, steps = [], [], []
    for scan in clean_scans("domains", domain_px=(50.0, 80.0)):
        for wall in scan.walls:
            assert wall.kind == "ferroelectric"
            offset, response = across(scan, wall, 6.0)
            if not len(response):
                continue
            plateau = (response[:, -1] - response[:, 0])[:, None]
            signed = (response * plateau.conj()).real / np.abs(plateau)
            crossing = np.abs(signed).argmin(1)
            offsets.append(offset[crossing])
            dips.append(np.abs(response).min(1) / np.abs(response[:, [0, -1]]).mean(1))
            steps.append(np.abs(np.angle(response[:, -1] / response[:, 0], deg=True)))
    offsets = np.concatenate(offsets)
    assert len(offsets) > 500
    # Blur moves the zero of a wall of curvature 1/R by s²/2R: 0.03 px at R = 40 px, s = 1.6 px.
    assert abs(np.median(offsets)) < 0.05
    assert offsets.std() < 0.4
    assert np.median(np.concatenate(dips)) < 0.1
    assert np.median(np.concatenate(steps)) == pytest.approx(180, abs=2)


def test_the_profile_of_a_180_wall_is_as_wide_as_it_says():
    (scan,) = clean_scans("domains", n=1, domain_px=(80.0, 80.0))
    slopes = []
    for wall in scan.walls:
        offset, response = across(scan, wall, 8.0)
        plateau = (response[:, -1] - response[:, 0])[:, None]
        profile = (2 * (response - response[:, :1]) / plateau - 1).real
        slopes += list(np.gradient(profile, offset, axis=1)[:, 40])
    # The pixel itself adds 1/12 px² to the 1.6² of the tip; neighbouring walls do the rest.
    assert 1 / np.median(slopes) == pytest.approx(scan.wall_half_width_px, rel=0.1)


def test_a_ferroelastic_wall_does_not_reverse_the_response():
    steps = []
    for scan in clean_scans("twins", period_px=(30.0, 60.0)):
        for wall in scan.walls:
            if wall.kind == "ferroelastic":
                _, response = across(scan, wall, 4.0)
                steps += list(np.abs(np.angle(response[:, -1] / response[:, 0], deg=True)))
    assert len(steps) > 500
    assert np.median(steps) < 5


def test_polarity_changes_at_ferroelectric_walls_only():
    for scan in clean_scans("domains", n=2):
        changes = np.argwhere(np.diff(scan.polarity, axis=1)) + np.array([0, 0.5])
        line = np.concatenate([wall.position_px for wall in scan.walls])
        nearest = np.array([np.hypot(*(line - at).T).min() for at in changes])
        assert nearest.max() < 0.8  # half a pixel, and a line that passes at an angle


def test_walls_are_ordered():
    for scan in clean_scans("grains", n=2):
        for wall in scan.walls:
            gaps = np.hypot(*np.diff(wall.position_px, axis=0).T)
            assert gaps.max() <= np.sqrt(2) + 1e-9
            assert len(wall.contrast) == len(wall.position_px)


def test_an_empty_crystal_has_no_wall():
    for scan in clean_scans("empty", disorder=1.0):
        assert not scan.walls
        assert not scan.class_map.any()


def test_the_class_map_follows_the_walls_that_show():
    (scan,) = clean_scans("twins", n=1)
    for wall in scan.drawn_walls:
        index = 1 if wall.kind == "ferroelectric" else 2
        y, x = np.rint(wall.position_px[wall.contrast > 5]).astype(int).T
        assert np.isin(scan.class_map[y, x], (index, 3 - index, 255)).all()
    unseen = PfmScene(**CLEAN, layouts={"twins": 1.0}, visible_contrast=1e9)
    hidden = simulate_pfm(np.random.default_rng([3, 0]), shape=SHAPE, config=unseen)
    np.testing.assert_array_equal(hidden.class_map == 255, scan.class_map > 0)


def test_the_noise_is_as_strong_as_it_says():
    scan = clean_scans("domains", n=1, noise=(0.1, 0.1))[0]
    unit = np.median(scan.amplitude_pm) / np.median(np.abs(scan.response))
    plateau = np.abs(scan.response) > 0.8 * np.median(np.abs(scan.response))
    residual = (scan.amplitude_pm / unit - np.abs(scan.response))[plateau]
    # Rice statistics and the share of the response below the noise leave a few per cent.
    assert residual.std() == pytest.approx(scan.noise, rel=0.08)


def test_channels_are_micrographs():
    (scan,) = clean_scans("domains", n=1)
    channels = scan.micrographs()
    assert set(channels) == {Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY}
    assert all(image.shape == SHAPE for image in channels.values())
    assert channels[Signal.PFM_PHASE].pixel_size_nm == (20.0, 20.0)
    assert channels[Signal.PFM_PHASE].metadata["unit"] == "deg"
    assert np.ptp(scan.phase_deg) <= 360


@pytest.mark.parametrize("name", ["amplitude", "phase", "topography"])
def test_channels_can_be_missing(name):
    (scan,) = clean_scans("domains", n=1, missing={name: 1.0})
    assert len(scan.micrographs()) == 2


def test_amplitude_and_phase_are_never_both_missing():
    config = PfmScene(missing={"amplitude": 0.9, "phase": 1.0})
    for seed in range(4):
        scan = simulate_pfm(np.random.default_rng(seed), shape=(40, 48), config=config)
        assert scan.amplitude_pm is not None
    with pytest.raises(ConfigError, match="an amplitude or a phase"):
        PfmScene.from_settings({"missing": {"amplitude": 1, "phase": 1}})


def test_a_scan_that_was_stopped_has_no_walls_below():
    (scan,) = clean_scans("domains", n=1, partial_fraction=1.0)
    measured = np.isfinite(scan.amplitude_pm)
    n_rows = int(measured[:, 0].sum())
    assert measured[:n_rows].all()
    assert not measured[n_rows:].any()
    assert max(wall.position_px[:, 0].max() for wall in scan.walls) <= n_rows - 1
    assert not scan.class_map[n_rows:].any()


def test_a_growing_field_moves_walls_forward():
    config = PfmScene(**CLEAN, layouts={"domains": 1.0})
    frames = list(
        simulate_pfm_frames(np.random.default_rng(5), n_frames=4, shape=SHAPE, config=config)
    )
    up = [float((frame.polarity > 0).mean()) for frame in frames]
    assert all(later >= before for before, later in pairwise(up))
    assert up[-1] > up[0] + 0.02


def test_no_layout_is_no_scene():
    with pytest.raises(ConfigError, match="must be drawn"):
        PfmScene.from_settings({"layouts": {"domains": 0}})
    with pytest.raises(ConfigError, match="blcks"):
        PfmScene.from_settings({"layouts": {"blcks": 1}})

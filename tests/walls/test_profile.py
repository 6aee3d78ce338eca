import numpy as np
import pytest

from scanseg.walls import fit_profiles

POSITION = np.arange(-10.0, 11.0)


def interpolated(profiles, rng, noise, n):
    """Noise as bilinear interpolation of an image leaves it: a third less, and correlated."""
    part = rng.uniform(0, 1, n)[:, None]
    raw = rng.normal(0, noise, (2, n, len(POSITION) + 1))
    raw = raw[0] + 1j * raw[1]
    return profiles + raw[:, :-1] * (1 - part) + raw[:, 1:] * part


def simulated(n, noise, *, background=0.0, seed=0, half_width=3.0):
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-1, 1, n)
    clean = np.tanh((POSITION - centre[:, None]) / half_width) + background
    return centre, interpolated(clean * np.exp(0.7j), rng, noise, n)


def fitted(profile, shape="step"):
    return fit_profiles(profile, POSITION, np.ones(profile.shape), half_width_px=2.0, shape=shape)


@pytest.mark.parametrize("background", [0.0, 0.35 + 0.2j])
def test_a_wall_is_found_to_a_tenth_of_a_pixel_whatever_the_background(background):
    centre, profile = simulated(500, 0.05, background=background)
    error = fitted(profile).centre_px - centre
    # White noise allows 0.05 sqrt(3 w / 4) = 0.075 px where everything else is known. The unknown
    # mean of both sides looks like a shift, by (2 w)² / (20 · 4 w / 3) = 0.45 of the information.
    limit = 0.075 / np.sqrt(1 - 0.45)
    assert error.std() == pytest.approx(limit, rel=0.12)
    assert abs(error.mean()) < 4 * limit / np.sqrt(500)


def test_error_bars_are_those_of_the_scatter():
    centre, profile = simulated(800, 0.1, seed=1)
    fit = fitted(profile)
    pull = (fit.centre_px - centre) / fit.centre_err_px
    assert pull.std() == pytest.approx(1.0, rel=0.12)
    width_pull = (fit.half_width_px - 3.0) / fit.half_width_err_px
    assert width_pull.std() == pytest.approx(1.0, rel=0.2)


def test_without_noise_everything_is_exact():
    centre, profile = simulated(50, 1e-6)
    fit = fitted(profile)
    np.testing.assert_allclose(fit.centre_px, centre, atol=1e-4)
    np.testing.assert_allclose(fit.half_width_px, 3.0, atol=1e-4)
    assert fit.dip.max() < 0.2  # the nearest sample is half a pixel off at most: tanh(0.5 / 3)


def test_the_unit_of_the_amplitude_does_not_matter():
    _, profile = simulated(50, 0.05)
    one, metres = fitted(profile), fitted(profile * 1e-11)
    np.testing.assert_allclose(metres.centre_px, one.centre_px, atol=1e-9)
    np.testing.assert_allclose(metres.centre_err_px, one.centre_err_px, rtol=1e-6)


def test_an_amplitude_alone_has_a_line():
    rng = np.random.default_rng(3)
    centre = rng.uniform(-1, 1, 300)
    amplitude = np.abs(np.tanh((POSITION - centre[:, None]) / 3.0))
    fit = fitted(amplitude + rng.normal(0, 0.05, amplitude.shape), shape="line")
    error = fit.centre_px - centre
    assert abs(np.nanmean(error)) < 0.05
    assert np.nanstd(error) < 0.3
    assert np.isfinite(error).mean() > 0.97


def test_a_line_on_a_step_does_not_move_the_wall():
    centre = np.linspace(-1, 1, 60)
    u = (POSITION - centre[:, None]) / 3.0
    profile = 1.0 + 0.3 * np.tanh(u) - 0.4 / np.cosh(u) ** 2
    np.testing.assert_allclose(fitted(profile + 0j, shape="both").centre_px, centre, atol=0.01)
    assert np.nanmin(np.abs(fitted(profile + 0j).centre_px - centre)) > 0.5


def test_noise_alone_gives_no_position():
    rng = np.random.default_rng(5)
    profile = rng.normal(size=(200, len(POSITION))) + 0j
    assert np.isnan(fitted(profile).centre_px).mean() > 0.5

"""The shortest repeat of lattices that are known."""

import numpy as np
import pytest

from scanseg.bundle import Normalisation
from scanseg.preprocess import measure_range
from scanseg.preprocess.spacing import estimate_lattice_spacing
from scanseg.simulate.imaging import render_columns

# Peaks are taken to whole pixels: half a pixel along each axis.
ROUNDING_PX = 0.71


def image_of(vectors, sites=((0.0, 0.0),), *, shape=(300, 410), counts=60.0, sigma_px=None, seed=0):
    """Poisson counts of a lattice whose vectors (y, x) are the rows of ``vectors``."""
    rng = np.random.default_rng(seed)
    vectors = np.asarray(vectors, float)
    steps = np.mgrid[-80:80, -80:80].reshape(2, -1).T
    position = (steps[:, None] + np.asarray(sites)[None]).reshape(-1, 2) @ vectors + [150.3, 200.7]
    near = ((position > -20) & (position < np.array(shape) + 20)).all(axis=1)
    sigma_px = sigma_px or 0.2 * np.hypot(*vectors.T).min()
    n = int(near.sum())
    columns = render_columns(shape, position[near], np.ones(n), sigma_px, np.zeros(shape[0]))
    return rng.poisson(counts * (0.2 + columns)).astype(np.float32)


def turned(length_px, angle_deg, *, between_deg=90.0, ratio=1.0):
    first, second = np.deg2rad([angle_deg, angle_deg + between_deg])
    return length_px * np.array(
        [[np.sin(first), np.cos(first)], [ratio * np.sin(second), ratio * np.cos(second)]]
    )


def estimate(image):
    return estimate_lattice_spacing(image, measure_range(image, Normalisation()))


@pytest.mark.parametrize("length_px", [6.0, 9.3, 14.1, 24.0, 37.0])
@pytest.mark.parametrize("between_deg", [90.0, 60.0])
@pytest.mark.parametrize("angle_deg", [13.0, 40.0])
def test_spacings_of_simple_lattices(length_px, between_deg, angle_deg):
    found = estimate(image_of(turned(length_px, angle_deg, between_deg=between_deg)))
    assert found.spacing_px == pytest.approx(length_px, abs=max(ROUNDING_PX, 0.03 * length_px))
    assert found.contrast > 100


def test_the_shorter_of_two_repeats():
    found = estimate(image_of(turned(12.0, 20.0, ratio=1.6)))
    assert found.spacing_px == pytest.approx(12, abs=ROUNDING_PX)


def test_honeycombs_give_a_repeat_or_a_neighbour():
    lattice_px = 22.0
    image = image_of(
        turned(lattice_px, 10.0, between_deg=60.0), ((0, 0), (1 / 3, 1 / 3)), sigma_px=3.0
    )
    found = estimate(image).spacing_px
    near = [abs(found - distance) for distance in (lattice_px, lattice_px / np.sqrt(3))]
    assert min(near) < ROUNDING_PX


def test_few_counts_are_enough():
    found = estimate(image_of(turned(12.0, 25.0), counts=1.0))
    assert found.spacing_px == pytest.approx(12, abs=ROUNDING_PX)
    assert found.contrast > 20


def test_slow_background_and_jittering_rows_do_not_matter():
    rng = np.random.default_rng(5)
    image = image_of(turned(14.0, 25.0))
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    image = image + 400 * np.sin(y / 90) + 300 * np.cos(x / 110)
    image += rng.normal(0, 20, image.shape[0])[:, None]
    found = estimate(image.astype(np.float32))
    assert found.spacing_px == pytest.approx(14, abs=ROUNDING_PX)


def test_large_images_are_sampled_in_pieces():
    image = image_of(turned(11.0, 25.0), shape=(1100, 900))
    assert estimate(image).spacing_px == pytest.approx(11, abs=ROUNDING_PX)


@pytest.mark.parametrize("seed", range(5))
def test_noise_repeats_nowhere(seed):
    noise = np.random.default_rng(seed).poisson(30, (300, 400)).astype(np.float32)
    found = estimate(noise)
    # The highest of some ten thousand chances is four to five of their scatters.
    assert found is None or found.contrast < 6


def test_images_too_small_to_repeat():
    small = np.random.default_rng(0).poisson(30, (12, 400)).astype(np.float32)
    assert estimate(small) is None

"""The sampling of lattices of known spacing, as found with an engine that knows one spacing.

The engine is a matched filter: it sees columns whose width is that of columns 12 pixels apart.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from scanseg.bundle import Model, ModelClass, ModelContract, Normalisation, Sampling
from scanseg.inference.sampling import choose_sampling
from scanseg.micrograph import Micrograph, Signal
from scanseg.preprocess import measure_range
from scanseg.simulate.imaging import render_columns

TARGET_PX = 12.0
WIDTH = 0.2  # of a column, in units of the spacing
MODEL = Model(
    Path("matched-filter"),
    ModelContract(
        name="matched-filter",
        version="1",
        task="atoms",
        modality="STEM",
        classes=(
            ModelClass(name="background", colour="#000000"),
            ModelClass(name="atom", colour="#ff8800"),
        ),
        sampling=Sampling(spacing_px=TARGET_PX),
        size_multiple_px=16,
        halo_px=32,
        recipe="",
        seed=0,
        data="",
        scanseg_version="0",
    ),
)


class MatchedFilter:
    """Correlation with a column of the width that belongs to 12 px, in a window of 13 px."""

    description = "a matched filter"

    def __init__(self):
        y, x = np.mgrid[-6:7, -6:7]
        spot = np.exp(-(y**2 + x**2) / (2 * (WIDTH * TARGET_PX) ** 2))
        self.template = (spot - spot.mean()) / np.sqrt(((spot - spot.mean()) ** 2).sum())

    def logits(self, tiles):
        return np.stack([self._logits(tile[0].astype(float)) for tile in tiles])

    def _logits(self, tile):
        n = self.template.size
        mean = ndimage.uniform_filter(tile, 13)
        power = n * (ndimage.uniform_filter(tile**2, 13) - mean**2)
        alike = ndimage.correlate(tile, self.template) / np.sqrt(np.maximum(power, 1e-6 * n))
        return np.stack([np.zeros_like(alike), 25 * (alike - 0.6)]).astype(np.float32)


def lattice(spacing_px, *, shape=(230, 290), angle_deg=20.0, between_deg=90.0, counts=200.0):
    """Poisson counts of columns ``spacing_px`` apart along (y, x), one number or two."""
    along = np.broadcast_to(np.asarray(spacing_px, float), 2)
    first, second = np.deg2rad([angle_deg, angle_deg + between_deg])
    vectors = np.array([[np.sin(first), np.cos(first)], [np.sin(second), np.cos(second)]]) * along
    position = np.mgrid[-90:90, -90:90].reshape(2, -1).T @ vectors + np.array(shape) / 2
    near = ((position > -20) & (position < np.array(shape) + 20)).all(axis=1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    if along[0] == along[1]:
        n = int(near.sum())
        columns = render_columns(
            shape, position[near], np.ones(n), WIDTH * along[0], np.zeros(shape[0])
        )
    else:
        columns = np.zeros(shape)
        for cy, cx in position[near]:
            off = ((y - cy) / along[0]) ** 2 + ((x - cx) / along[1]) ** 2
            columns += np.exp(-off / (2 * WIDTH**2))
    return np.random.default_rng(3).poisson(counts * (0.2 + columns)).astype(np.float32)


def sampled(data, pixel_size_nm=None):
    image = Micrograph(data, pixel_size_nm=pixel_size_nm)
    intensity = measure_range(image.data, MODEL.contract.normalisation)
    return choose_sampling(image, MODEL, MatchedFilter(), intensity)


@pytest.mark.parametrize("spacing_px", [6.0, 8.7, 12.0, 19.0, 29.0])
@pytest.mark.parametrize("between_deg", [90.0, 60.0])
def test_the_spacing_is_measured_and_the_grid_fits(spacing_px, between_deg):
    found = sampled(lattice(spacing_px, between_deg=between_deg))
    assert found.spacing.method == "lattice"
    # Tops of smoothed maps of some hundred columns; the nearest of four or six scattered distances
    # is a little shorter than their mean.
    assert found.spacing.spacing_px == pytest.approx(spacing_px, rel=0.05)
    # Columns on the grid are as far apart as the network expects, within what it was trained on.
    assert found.grid.image_shape == (230, 290)
    for scale in found.grid.scale:
        assert 0.72 <= scale * spacing_px / TARGET_PX <= 1.38


def test_large_images_are_judged_by_parts():
    found = sampled(lattice(15.0, shape=(900, 800)))
    assert found.spacing.spacing_px == pytest.approx(15, rel=0.05)


def test_pixels_that_are_not_square_are_made_square():
    # The same 0.2 nm are 10 pixels along y and 20 along x.
    found = sampled(lattice((10.0, 20.0), angle_deg=0.0), pixel_size_nm=(0.02, 0.01))
    along_y, along_x = found.grid.scale
    assert along_y / along_x == pytest.approx(2, rel=0.02)  # grids have whole pixels
    assert found.spacing.spacing_px == pytest.approx(np.sqrt(200), rel=0.05)
    assert found.warnings == ()


def test_a_spacing_no_crystal_has_is_doubted():
    (warning,) = sampled(lattice(12.0), pixel_size_nm=(1.0, 1.0)).warnings
    assert "crystals have 0.07 to 0.7 nm" in warning
    assert "pixel size is wrong" in warning


def test_noise_has_no_columns():
    data = np.random.default_rng(1).poisson(50, (230, 290)).astype(np.float32)
    found = sampled(data)
    assert found.spacing.method in ("none", "isolated")
    if found.spacing.method == "none":
        assert "No atom column" in found.warnings[0]


@pytest.mark.parametrize(
    ("signal", "upside_down", "dark"),
    [
        (Signal.UNKNOWN, False, False),
        (Signal.UNKNOWN, True, True),  # the image itself shows it
        (Signal.ABF, True, True),
        (Signal.HAADF, True, False),  # the file says that columns are bright
    ],
)
def test_columns_are_dark_where_the_signal_or_the_image_says_so(signal, upside_down, dark):
    counts = lattice(14.0)
    data = counts.max() - counts if upside_down else counts
    image = Micrograph(data, signal=signal)
    found = choose_sampling(image, MODEL, MatchedFilter(), measure_range(data, Normalisation()))
    assert found.intensity.dark_columns is dark
    assert any("darker" in text for text in found.warnings) is (dark and signal is Signal.UNKNOWN)
    if upside_down == dark:
        assert found.spacing.spacing_px == pytest.approx(14.0, rel=0.05)

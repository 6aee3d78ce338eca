"""Whole images: the truth that comes with them is where, and as bright as, it says."""

import numpy as np
import pytest

from scanseg.errors import ConfigError
from scanseg.micrograph import Signal
from scanseg.simulate import StemScene, simulate
from scanseg.simulate.columns import nearest_distance
from scanseg.simulate.imaging import render_columns

SHAPE = (90, 132)
PLAIN = {
    "layouts": {"crystal": 1},
    "random_lattice_fraction": 0.0,
    "disorder": 0.0,
    "signal": "dark-field",
}


def plain(seed=0, *, shape=SHAPE, **options):
    config = StemScene(**{**PLAIN, **options})
    return simulate(np.random.default_rng(seed), shape=shape, config=config)


def test_a_seed_is_an_image():
    first, again, other = (simulate(np.random.default_rng(n), shape=SHAPE) for n in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.position_px, again.position_px)
    np.testing.assert_array_equal(first.visible, again.visible)
    assert first.image.shape == SHAPE
    assert first.image.dtype == np.float32
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("seed", range(6))
def test_the_truth_explains_the_image(seed):
    """Columns rendered where the truth has them leave nothing but counting noise."""
    found = plain(seed, counts_per_column=(2e4, 2e4), background_of_peak=(0.05, 0.05))
    model = render_columns(
        SHAPE, found.position_px, found.peak, found.sigma_px, np.zeros(SHAPE[0])
    ).astype(float)
    reach = int(np.ceil(5 * found.sigma_px))  # columns outside are not in the truth
    inner = (slice(reach, -reach), slice(reach, -reach))
    model = model[inner]
    background = np.median(found.image[inner] - model)
    chi_squared = (found.image[inner] - model - background) ** 2 / (model + background)
    # Some thousand pixels: 3 %, and a median for a background. Columns 0.1 px off give 1.5.
    assert chi_squared.mean() == pytest.approx(1, abs=0.12)


def test_counts_are_dose_times_cross_section():
    dose, background = 1e5, 1e-6
    found = plain(
        1, materials=("graphene",), dose_e_per_a2=(dose, dose),
        background_of_peak=(background, background),
    )  # fmt: skip
    assert found.dose_e_per_a2 == pytest.approx(dose)
    # Two atoms a cell of 0.0524 nm2; the exponent of Z is drawn between 1.45 and 1.75.
    low, high = (5.2e-5 * 6**exponent for exponent in (1.45, 1.75))
    strength_a2 = found.peak * 2 * np.pi * found.sigma_px**2 / dose
    assert np.ptp(strength_a2) < 1e-9
    assert low <= strength_a2[0] <= high
    area_a2 = (found.pixel_size_nm * 10) ** 2
    expected = dose * area_a2 * strength_a2[0] * 2 / (2.46**2 * np.sqrt(3) / 2)
    # Which columns lie at the border moves the mean by some per cent.
    assert found.image.mean() == pytest.approx(expected, rel=0.03)
    twice = plain(
        1, materials=("graphene",), dose_e_per_a2=(2 * dose, 2 * dose),
        background_of_peak=(background, background),
    )  # fmt: skip
    assert twice.image.mean() / found.image.mean() == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(
    ("name", "nearest_nm"),
    [("graphene", 0.142), ("Si[011]", 0.1358), ("Au[111]", 0.1666), ("SrTiO3[001]", 0.1953)],
)
def test_calibration_and_spacing(name, nearest_nm):
    found = plain(2, materials=(name,), counts_per_column=(2e4, 2e4))
    nearest_px = np.median(nearest_distance(found.position_px))
    assert nearest_px * found.pixel_size_nm == pytest.approx(nearest_nm, rel=0.005)
    assert found.micrograph().pixel_size_nm == (found.pixel_size_nm, found.pixel_size_nm)
    assert found.micrograph().signal is Signal.HAADF
    assert name in found.description
    if name == "graphene":
        assert found.visible.all()
        assert found.spacing_px == pytest.approx(nearest_px, rel=1e-6)


def test_columns_in_view_only():
    for seed in range(5):
        found = simulate(np.random.default_rng(seed), shape=SHAPE)
        assert (found.position_px >= -0.5).all()
        assert (found.position_px < np.array(SHAPE) - 0.5).all()
        lengths = {len(part) for part in (found.species, found.peak, found.visible)}
        assert lengths <= {len(found.position_px)}


def test_nothing_is_in_an_empty_image():
    found = plain(layouts={"empty": 1})
    assert found.position_px.shape == (0, 2)
    assert np.isnan(found.spacing_px)
    assert np.isnan(found.dose_e_per_a2)
    assert np.isfinite(found.image).all()


def test_bright_field_is_dark_where_atoms_are():
    options = {"counts_per_column": (2e4, 2e4), "materials": ("Au[001]",)}
    for signal, sign, kind in (("dark-field", 1, Signal.HAADF), ("bright-field", -1, Signal.ABF)):
        found = plain(3, signal=signal, **options)
        y, x = np.clip(np.round(found.position_px).astype(int), 0, np.array(SHAPE) - 1).T
        assert sign * (found.image[y, x].mean() - found.image.mean()) > 0
        assert (sign * found.peak > 0).all()
        assert found.signal is kind


def test_what_noise_hides_is_not_asked_for():
    options = {"materials": ("Au[001]",), "background_of_peak": (0.5, 0.5)}
    assert plain(4, counts_per_column=(1e4, 1e4), **options).visible.all()
    assert not plain(4, counts_per_column=(0.5, 0.5), **options).visible.any()
    # Oxygen beside strontium in a thick crystal.
    found = plain(4, counts_per_column=(1e4, 1e4), materials=("PbTiO3[001]",))
    assert found.visible[found.species == "Pb"].all()
    assert not found.visible[found.species == "O"].any()


def test_isolated_atoms_are_apart():
    found = plain(7, layouts={"isolated": 1}, materials=("Pt[001]",), shape=(200, 240))
    assert len(found.position_px) > 1
    nearest_nm = nearest_distance(found.position_px).min() * found.pixel_size_nm
    assert nearest_nm > 0.98 * 0.392 / 2


@pytest.mark.parametrize("layout", ["crystal", "grains", "edge", "particle", "isolated", "empty"])
@pytest.mark.parametrize("signal", ["dark-field", "bright-field"])
def test_every_layout_with_all_its_faults(layout, signal):
    config = StemScene(layouts={layout: 1}, signal=signal)
    for seed in range(4):
        found = simulate(np.random.default_rng(seed), shape=(64, 80), config=config)
        assert found.image.shape == (64, 80)
        assert np.isfinite(found.image).all()
        assert np.isfinite(found.position_px).all()


def test_magnified():
    scene = StemScene(spacing_px=(7, 18)).magnified(1.5)
    assert scene.spacing_px == (10.5, 27)
    config = StemScene(**PLAIN, materials=("Au[001]",), spacing_px=(10, 10))
    near, far = (
        simulate(np.random.default_rng(1), shape=SHAPE, config=each)
        for each in (config.magnified(2), config)
    )
    assert near.spacing_px / far.spacing_px == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"materials": ["SrTO3[001]"]}, "near are SrTiO3"),
        ({"spacing_px": [18, 7]}, "lower number comes first"),
        ({"sigma_of_spacing": [0, 0.2]}, "greater than 0"),
        ({"layouts": {"crystal": 0}}, "one of them must be drawn"),
        ({"layouts": {"crystall": 1}}, "layouts"),
        ({"spacng_px": [7, 18]}, "did you mean 'spacing_px'"),
    ],
)
def test_scenes_that_cannot_be_drawn(settings, words):
    with pytest.raises(ConfigError, match=words):
        StemScene.from_settings(settings)


def test_columns_are_light_beside_those_that_can_be_seen():
    options = {
        "materials": ("PbTiO3[001]",), "signal": "bright-field", "spacing_px": (14, 14),
        "counts_per_column": (2e4, 2e4),
    }  # fmt: skip
    sharp = plain(3, sigma_of_spacing=(0.14, 0.14), **options)
    assert sharp.visible[sharp.species == "O"].mean() > 0.5
    assert set(sharp.sublattice[sharp.species == "Ti"]) == {"heavy"}
    assert set(sharp.sublattice[sharp.species == "O"]) == {"light"}
    # Where oxygen is not resolved, Ti-O is the weaker of two.
    blurred = plain(3, sigma_of_spacing=(0.38, 0.38), **options)
    assert not blurred.visible[blurred.species == "O"].any()
    assert set(blurred.sublattice[blurred.species == "Pb"]) == {"heavy"}
    assert set(blurred.sublattice[blurred.species == "Ti"]) == {"light"}

"""Strain from positions, and from phases of the image, against the strain that was put in."""

import numpy as np
import pytest

from scanseg.lattice import geometric_phase, index_atoms, measure_strain
from scanseg.lattice.strain import polar_strain
from scanseg.simulate.imaging import render_columns

NAMES = ("eyy", "exx", "exy", "rotation_deg")


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def affine(matrix):
    """Displacement by a deformation that maps (y, x) columns, about the middle of the image."""
    matrix = np.asarray(matrix, float)
    return lambda p: (p - 150) @ (matrix - np.eye(2)).T


def test_polar_decomposition_separates_rotation_and_stretch():
    stretch = np.array([[1.02, 0.004], [0.004, 0.97]])
    turn = np.deg2rad(11)  # anticlockwise on the screen: +x goes to -y
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    eyy, exx, exy, angle = polar_strain(rotation @ stretch)
    assert [eyy, exx, exy] == pytest.approx([0.02, -0.03, 0.004])
    assert angle == pytest.approx(turn)
    assert (rotation @ [0, 1])[0] < 0


def test_uniform_strain_has_the_right_error_bars(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["MX2"]
    plain = draw_crystal(rng, vectors, sites, amplitude=amplitude, noise=0.0)
    reference = index_atoms(plain.atoms.assign(y_err_px=0.01, x_err_px=0.01)).lattice()
    matrix = [[1.015, 0.006], [-0.002, 0.99]]
    drawn = draw_crystal(
        rng, vectors, sites, amplitude=amplitude, noise=0.35, displacement=affine(matrix),
        shape=(520, 470),
    )  # fmt: skip
    indexed = index_atoms(drawn.atoms)
    strain = measure_strain(indexed, reference=reference)
    truth = dict(zip(NAMES, polar_strain(np.array(matrix)), strict=True))
    truth["rotation_deg"] = np.rad2deg(truth["rotation_deg"])
    errors = ("eyy_err", "exx_err", "exy_err", "rotation_err_deg")
    for name, error in zip(NAMES, errors, strict=True):
        pull = (strain[name] - truth[name]) / strain[error]
        # About 1200 fits of 17 columns are worth 100 independent ones: 7 %.
        assert rms(pull) == pytest.approx(1, abs=0.15), name
        # Their mean is far better known than one of them.
        assert abs(pull.mean()) < 0.3, name


def test_error_bars_without_stated_errors_and_with_anisotropic_scatter(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["square"]
    drawn = draw_crystal(rng, vectors, sites, noise=np.array([0.2, 0.8]), shape=(520, 470))
    strain = measure_strain(index_atoms(drawn.atoms.drop(columns=["y_err_px", "x_err_px"])))
    for name in ("eyy", "exx", "exy"):
        assert rms(strain[name] / strain[f"{name}_err"]) == pytest.approx(1, abs=0.15), name
    assert strain["exx_err"].median() == pytest.approx(4 * strain["eyy_err"].median(), rel=0.1)


def test_edges_have_larger_error_bars(rng, crystals, draw_crystal):
    drawn = draw_crystal(rng, *crystals["square"][:2])
    strain = measure_strain(index_atoms(drawn.atoms))
    inside = strain["n_columns"] == strain["n_columns"].max()
    corner = strain["n_columns"] < 6
    assert strain["exx_err"][corner].median() > 1.3 * strain["exx_err"][inside].median()


def wave(p):
    """A strain exx that goes up and down over 200 px, 1.5 % high."""
    period = 200.0
    x = p[:, 1]
    return np.stack(
        [np.zeros(len(p)), 0.015 * period / (2 * np.pi) * np.sin(2 * np.pi * x / period)], 1
    )


def wave_strain(x_px):
    return 0.015 * np.cos(2 * np.pi * np.asarray(x_px) / 200.0)


def test_polarisation_is_no_strain(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["perovskite A, B"]

    def shift(p, site):  # B goes up on the left and down on the right
        up = np.where(p[:, 1] < 145, -1.5, 1.5) * (site == 1)
        return np.stack([up, np.zeros(len(p))], 1)

    drawn = draw_crystal(
        rng, vectors, sites, amplitude=amplitude, by_site=shift, noise=0.1, angle_deg=0
    )
    strain = measure_strain(index_atoms(drawn.atoms))
    # Within the wall fits see both domains.
    away = (strain["x_px"] - 145).abs() > 35
    assert rms(strain.loc[away, "eyy"] / strain.loc[away, "eyy_err"]) < 1.3
    assert rms(strain.loc[away, "exy"]) < 0.004


def test_a_grain_against_another_one(rng, crystals, draw_crystal, turn):
    vectors, sites, _ = crystals["square"]
    film = draw_crystal(rng, 1.02 * np.asarray(vectors), sites, angle_deg=5, noise=0.2)
    substrate = draw_crystal(rng, vectors, sites, angle_deg=0, noise=0.2)
    strain = measure_strain(
        index_atoms(film.atoms), reference=index_atoms(substrate.atoms).lattice()
    )
    # A mean over 480 columns with errors near 0.6 %.
    assert strain["exx"].mean() == pytest.approx(0.02, abs=1e-3)
    assert strain["exy"].mean() == pytest.approx(0, abs=1e-3)
    assert strain["rotation_deg"].mean() == pytest.approx(5, abs=0.1)


def image_of(drawn, shape, sigma=3.0, peak=300.0):
    table = drawn.atoms
    position = table[["y_px", "x_px"]].to_numpy()
    light = peak * table["amplitude"].to_numpy() / 100
    return render_columns(shape, position, light, sigma, np.zeros(shape[0]))


@pytest.mark.parametrize("size", [None, (0.02, 0.026)])
def test_positions_and_phases_agree_with_the_truth(rng, crystals, draw_crystal, size):
    vectors, sites, _ = crystals["square"]
    shape = (330, 431)
    vectors = np.asarray(vectors) / (1 if size is None else np.array([1.0, 1.3]))
    drawn = draw_crystal(
        rng, vectors, sites, displacement=wave, noise=0.02, spread=0.0, shape=shape, angle_deg=0,
        pixel_size_nm=size,
    )  # fmt: skip
    image = rng.poisson(image_of(drawn, shape) + 20).astype(np.float32)
    indexed = index_atoms(drawn.atoms, shape=shape)
    strain = measure_strain(indexed)
    inside = (strain["x_px"] - 215).abs() < 150
    inside &= (strain["y_px"] - 165).abs() < 120
    mean = strain.loc[inside, "exx"].mean() - wave_strain(strain.loc[inside, "x_px"]).mean()
    # A window of 22 px flattens a wave of 200 px by 6 % of 1.5 %; noise adds 0.1 %.
    off = strain.loc[inside, "exx"] - wave_strain(strain.loc[inside, "x_px"]) - mean
    assert rms(off) < 0.0020
    phase = geometric_phase(image, indexed.lattice())
    there = phase.at(strain.loc[inside, "y_px"], strain.loc[inside, "x_px"])
    # A Gaussian of 14 px flattens by 9 %; positions in the image carry 0.02 px as well.
    assert rms(there["exx"] - strain.loc[inside, "exx"]) < 0.0025
    assert np.corrcoef(there["exx"], wave_strain(strain.loc[inside, "x_px"]))[0, 1] > 0.98
    for name in ("eyy", "exy"):
        assert rms(there[name]) < 0.003
    assert rms(there["rotation_deg"]) < 0.2


def test_phases_see_rotation_and_shear_with_the_same_sign(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["triangular"]
    shape = (330, 291)
    plain = draw_crystal(rng, vectors, sites, noise=0.05, shape=shape)
    reference = index_atoms(plain.atoms).lattice()
    matrix = np.array([[1.01, 0.012], [-0.02, 0.985]])
    drawn = draw_crystal(
        rng, vectors, sites, noise=0.05, spread=0.0, shape=shape, displacement=affine(matrix)
    )
    truth = dict(zip(NAMES, polar_strain(matrix), strict=True))
    truth["rotation_deg"] = np.rad2deg(truth["rotation_deg"])
    phase = geometric_phase(image_of(drawn, shape), reference)
    strain = measure_strain(index_atoms(drawn.atoms), reference=reference)
    for name in NAMES:
        scale = 57 if name == "rotation_deg" else 1
        found = np.nanmedian(getattr(phase, name)[60:-60, 60:-60])
        # The reference itself is known to 2e-4.
        assert found == pytest.approx(truth[name], abs=1e-3 * scale), name
        assert strain[name].median() == pytest.approx(truth[name], abs=1e-3 * scale), name


def test_phases_are_empty_where_nothing_is(rng, crystals, draw_crystal):
    shape = (330, 291)
    drawn = draw_crystal(
        rng, *crystals["square"][:2], shape=shape, region=lambda p: p[:, 1] < 200, noise=0.05
    )
    phase = geometric_phase(image_of(drawn, shape), index_atoms(drawn.atoms).lattice())
    assert np.isnan(phase.exx[:, 260:]).all()
    assert np.isfinite(phase.exx[60:-60, 60:160]).all()

"""From simulated images through finding and refining to lattices."""

from pathlib import Path

import numpy as np
import pytest

import scanseg
from scanseg.lattice import find_missing_sites, index_atoms, measure_polarisation, measure_strain
from scanseg.simulate import StemScene, simulate
from scanseg.simulate.imaging import render_columns

MODEL = Path(__file__).resolve().parents[2] / "models" / "stem-atoms"
needs_model = pytest.mark.skipif(not MODEL.exists(), reason="the model is not in this checkout")


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@needs_model
def test_a_perovskite_with_a_ferroelectric_wall(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["perovskite A, B"]

    def polar(p, site):
        sign = np.where(p[:, 1] < 180, 1.0, -1.0) * (site == 1)
        return np.stack([0.6 * sign, 0.0 * sign], 1)

    shape = (310, 355)
    drawn = draw_crystal(
        rng, vectors, sites, amplitude=amplitude, by_site=polar, noise=0.0, spread=0.02,
        shape=shape, angle_deg=4,
    )  # fmt: skip
    place = drawn.atoms[["y_px", "x_px"]].to_numpy()
    light = 4.0 * drawn.atoms["amplitude"].to_numpy()  # 400 counts at the top of A
    image = rng.poisson(render_columns(shape, place, light, 2.9, np.zeros(shape[0])) + 40)
    size = 0.014
    model = scanseg.load_model("stem-atoms")
    result = scanseg.predict(scanseg.Micrograph(image, pixel_size_nm=(size, size)), model)
    indexed = index_atoms(scanseg.find_atoms(result), shape=shape)
    lattice = indexed.lattice()
    assert lattice.sublattices == ("A", "B")
    # The mean of B sits between the domains; A alone gives the length, known to 0.005 px.
    assert lattice.lengths_px == pytest.approx([14 * np.sqrt(2)] * 2, abs=0.03)
    moved = measure_polarisation(indexed)
    inner = moved[(moved["x_px"] - 180).abs() > 12]
    truth = np.where(inner["x_px"] < 180, 0.6, -0.6)
    turned = inner["dy_px"] - truth
    # Error bars of refined positions are right within a tenth; 350 numbers fix an rms to 4 %.
    assert rms(turned / inner["dy_err_px"]) == pytest.approx(1, abs=0.2)
    assert rms(inner["dx_px"] / inner["dx_err_px"]) == pytest.approx(1, abs=0.2)
    assert inner["dy_pm"].abs().median() == pytest.approx(600 * size, rel=0.1)
    assert rms(measure_strain(indexed)["exx"]) < 0.01


@needs_model
@pytest.mark.parametrize(
    ("material", "a_nm", "angle_deg", "n_sites"),
    [("MoS2", 0.316, 120, 2), ("Au[001]", 0.204, 90, 1), ("Si[011]", 0.3325, 109.47, 2)],
)
def test_simulated_crystals_have_their_lattice_constants(material, a_nm, angle_deg, n_sites):
    scene = StemScene(
        materials=(material,), random_lattice_fraction=0.0, layouts={"crystal": 1},
        signal="dark-field", spacing_px=(15, 15),
        sigma_of_spacing=(0.2, 0.2), counts_per_column=(1500, 1500), background_of_peak=(0.1, 0.1),
        disorder=0.0,
    )  # fmt: skip
    drawn = simulate(np.random.default_rng(3), shape=(300, 260), config=scene)
    result = scanseg.predict(drawn.micrograph(), scanseg.load_model("stem-atoms"))
    indexed = index_atoms(scanseg.find_atoms(result), shape=drawn.image.shape)
    lattice = indexed.lattice()
    assert len(lattice.sublattices) == n_sites
    found_nm, error_nm = (
        lattice.lengths_px * lattice.nm_per_px,
        lattice.lengths_err_px * lattice.nm_per_px,
    )
    assert (np.abs(found_nm - a_nm) < 4 * error_nm + 1e-4).all()  # constants are rounded to 0.1 pm
    assert (error_nm < 5e-4).all()
    assert min(abs(lattice.angle_deg - angle_deg), abs(180 - lattice.angle_deg - angle_deg)) < 0.2
    assert len(find_missing_sites(indexed)) == 0

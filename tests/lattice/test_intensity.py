"""Kinds of columns by brightness, against what was drawn."""

import numpy as np
import pytest

from scanseg.lattice import group_by_intensity, index_atoms
from scanseg.lattice.intensity import fit_mixture


def drawn_with(rng, draw_crystal, crystal, factor, share, *, spread=0.08, which=None):
    vectors, sites, amplitude = crystal
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, spread=spread)
    chosen = rng.uniform(size=len(drawn.atoms)) < share
    if which is not None:
        chosen &= drawn.index[:, 2] == which
    light = np.where(chosen, factor, 1.0) * drawn.atoms["amplitude"]
    return drawn.atoms.assign(amplitude=light), chosen


def test_rare_dopants_in_graphene(rng, crystals, draw_crystal):
    atoms, chosen = drawn_with(rng, draw_crystal, crystals["honeycomb"], 3.5, 0.015)
    assert 2 <= chosen.sum() <= 12
    result = group_by_intensity(index_atoms(atoms))
    found = result.atoms["substitution"] == "brighter"
    assert (found.to_numpy() == chosen[result.atoms.index]).all()
    assert result.atoms.loc[found, "host_probability"].max() < 1e-3
    assert set(result.groups["sublattice"]) == {"A+B"}
    assert result.groups.loc[result.groups["host"], "share"].iloc[0] > 0.96


def test_one_dopant_is_enough(rng, crystals, draw_crystal):
    atoms, _ = drawn_with(rng, draw_crystal, crystals["honeycomb"], 1.0, 0.0)
    atoms.loc[150, "amplitude"] *= 2.2
    result = group_by_intensity(index_atoms(atoms))
    assert result.atoms.index[result.atoms["substitution"] == "brighter"].tolist() == [150]


def test_darker_metal_in_mx2_and_nothing_on_the_other_sublattice(rng, crystals, draw_crystal):
    atoms, chosen = drawn_with(rng, draw_crystal, crystals["MX2"], 0.55, 0.06, which=0)
    result = group_by_intensity(index_atoms(atoms))
    found = result.atoms["substitution"] == "darker"
    truth = chosen[result.atoms.index]
    # 0.55 and 1 with 8 % scatter lie 6 widths apart.
    assert (found.to_numpy() == truth).mean() > 0.99
    assert set(result.atoms.loc[found, "sublattice"]) == {"A"}
    assert (result.groups["sublattice"] == "B").sum() == 1


def test_an_alloy_has_three_groups_with_calibrated_probabilities():
    rng = np.random.default_rng(4)
    kind = rng.choice(3, 3000, p=[0.25, 0.5, 0.25])
    values = np.array([0.7, 1.0, 1.35])[kind] + rng.normal(0, 0.1, 3000)
    mixture = fit_mixture(values)
    assert mixture.mean == pytest.approx([0.7, 1.0, 1.35], abs=0.02)
    assert mixture.weight == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    group = mixture.probability.argmax(1)
    stated = mixture.probability.max(1).mean()
    # 3000 columns, of which 4 % are wrong, fix that number to a tenth of it.
    assert (group == kind).mean() == pytest.approx(stated, abs=0.01)


def test_strays_do_not_hide_a_group():
    # A narrow host, thirty bright columns, and a tail of contaminated ones between and beyond.
    rng = np.random.default_rng(2)
    host, bright, tail = rng.normal(1, 0.15, 2000), rng.normal(2.4, 0.2, 40), rng.uniform(1, 5, 60)
    mixture = fit_mixture(np.concatenate([host, bright, tail]))
    assert len(mixture.mean) == 2
    assert mixture.mean == pytest.approx([1, 2.4], abs=0.12)
    assert mixture.width[0] == pytest.approx(0.15, abs=0.015)


@pytest.mark.parametrize("count", [1, 5, 40, 600])
def test_one_kind_is_one_group(count):
    groups = [
        len(fit_mixture(np.random.default_rng(seed).normal(1, 0.1, count)).mean)
        for seed in range(20)
    ]
    # The criterion asks for odds of 20 to 1.
    assert np.mean(np.array(groups) > 1) <= 0.1


def test_thickness_makes_no_groups(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["perovskite A, B"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, shape=(520, 470))
    wedge = np.exp(drawn.atoms["x_px"] / 200)
    result = group_by_intensity(
        index_atoms(drawn.atoms.assign(amplitude=-wedge * drawn.atoms["amplitude"]))
    )
    assert len(result.groups) == 2
    # What lies 3.5 widths out may be a stray as well: one in 2,000.
    assert (result.atoms["substitution"] == "host").mean() > 0.997

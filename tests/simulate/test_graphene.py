"""Sheets of graphene with what is wrong with them: every atom and every gap is accounted for."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scanseg.simulate import StemScene, simulate
from scanseg.simulate.columns import VACANCY, nearest_distance
from scanseg.simulate.crystals import projected_cell
from scanseg.simulate.graphene import BOND_NM, damaged_sheet, draw_dirt
from scanseg.simulate.scenes import build_scene

SHAPE = (150, 190)
SCENE = {
    "materials": ("graphene",),
    "random_lattice_fraction": 0.0,
    "defects": "graphene",
    "layouts": {"crystal": 1},
    "signal": "dark-field",
}


@pytest.fixture(scope="module")
def sheet():
    cell = projected_cell("graphene")
    strength = cell.strength(exponent=1.64, thickness_nm=1.0)
    return cell.tile((5.0, 6.0), strength, rotation_rad=0.3, shift_nm=np.zeros(2))


def test_every_kind_of_site_is_drawn(sheet):
    silicon, gaps = [], []
    for seed in range(40):
        found = damaged_sheet(sheet, np.random.default_rng(seed))
        assert set(found.species) <= {"C", "Si", VACANCY}
        silicon.append((found.species == "Si").sum())
        gaps.append((found.species == VACANCY).sum())
        assert (found.strength[found.species == VACANCY] == 0).all()
        ratio = found.strength[found.species == "Si"] / sheet.strength[0]
        assert ((ratio > 2.7) & (ratio < 5.6)).all()
    assert min(silicon) == min(gaps) == 0
    assert max(silicon) > 4
    assert max(gaps) > 4


def test_silicon_keeps_its_distance(sheet):
    for seed in range(40):
        found = damaged_sheet(sheet, np.random.default_rng(seed))
        atoms = found.select(found.species != VACANCY)
        silicon = atoms.species == "Si"
        # 0.19 and 0.15 nm, less four standard deviations of two displacements of 0.04 bonds.
        if silicon.sum() > 1:
            assert nearest_distance(atoms.position_nm[silicon]).min() > 0.19 - 0.033
        if silicon.any():
            distance, _ = cKDTree(atoms.position_nm[~silicon]).query(atoms.position_nm[silicon])
            assert distance.min() > 0.15 - 0.033


def test_a_vacancy_lies_where_atoms_are_missing(sheet):
    whole = cKDTree(sheet.position_nm)
    for seed in range(40):
        found = damaged_sheet(sheet, np.random.default_rng(seed))
        gaps = found.position_nm[found.species == VACANCY]
        atoms = found.position_nm[found.species != VACANCY]
        if not len(gaps):
            continue
        # In the middle of one site, or of two, but for displacements and beside turned bonds.
        assert whole.query(gaps)[0].max() < BOND_NM / 2 + 0.05
        assert cKDTree(atoms).query(gaps)[0].min() > 0.08
        if len(gaps) > 1:
            assert nearest_distance(gaps).min() > 0.4


def test_vacancies_are_no_columns():
    config = StemScene(**SCENE, counts_per_column=(3000, 5000), dirt=0.0)
    n_gaps = 0
    for seed in range(12):
        found = simulate(np.random.default_rng(seed), shape=SHAPE, config=config)
        assert VACANCY not in found.species
        assert len(found.vacancy_px) == len(found.vacancy_visible)
        seen = found.vacancy_px[found.vacancy_visible]
        n_gaps += len(seen)
        if len(seen):
            # Three atoms at least round each, and none in it.
            near = cKDTree(found.position_px).query_ball_point(
                seen, 1.45 * 0.142 / found.pixel_size_nm
            )
            assert min(map(len, near)) >= 3
            assert cKDTree(found.position_px).query(seen)[0].min() * found.pixel_size_nm > 0.08
    assert n_gaps > 10


def test_vacancies_are_asked_for_where_carbon_is_seen():
    for counts, some in (((3000, 5000), True), ((2, 3), False)):
        config = StemScene(**SCENE, counts_per_column=counts, dirt=0.0)
        seen = [
            simulate(np.random.default_rng(seed), shape=SHAPE, config=config).vacancy_visible
            for seed in range(8)
        ]
        assert np.concatenate(seen).any() == some


def test_silicon_outshines_carbon_that_is_not_seen():
    config = StemScene(**SCENE, counts_per_column=(10, 10), background_of_peak=(0.5, 0.5), dirt=0.0)
    carbon, silicon = [], []
    for seed in range(12):
        found = simulate(np.random.default_rng(seed), shape=SHAPE, config=config)
        carbon.append(found.visible[found.species == "C"])
        silicon.append(found.visible[found.species == "Si"])
    assert np.concatenate(silicon).mean() > np.concatenate(carbon).mean() + 0.3


def test_dirt_is_bright_and_hides_what_lies_under_it():
    rng = np.random.default_rng(3)
    brightest = []
    for _ in range(20):
        brightness, speckle = draw_dirt((90, 130), rng, spacing_px=8.0)
        assert brightness.shape == speckle.shape == (90, 130)
        assert (brightness >= 0).all()
        assert (speckle <= 0.45 * brightness + 1e-6).all()
        brightest.append(brightness.max())
    assert max(brightest) > 5.0  # carbon is 1, silicon at most 5.5
    config = StemScene(**SCENE, dirt=1.0)
    n_covered = 0
    for seed in range(20):
        scene = build_scene(np.random.default_rng(seed), SHAPE, config)
        assert scene.dirt is not None
        covered = scene.dirt[0] > 2.5
        n_covered += covered.sum()
        position = scene.columns.position_nm[scene.columns.species == "C"] / scene.pixel_size_nm
        pixel = np.clip(np.round(position - 0.5).astype(int), 0, np.array(SHAPE) - 1)
        assert not covered[tuple(pixel.T)].any()
    assert n_covered > 57_000  # a tenth

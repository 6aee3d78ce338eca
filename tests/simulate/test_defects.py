"""Defects of a sheet of graphene whose bonds are 0.142 nm."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scanseg.simulate.columns import Columns, nearest_distance
from scanseg.simulate.crystals import projected_cell
from scanseg.simulate.defects import (
    displace,
    dope,
    dope_graphene,
    join_grains,
    mix,
    remove_vacancies,
    rotate_bonds,
)

BOND_NM = 0.246 / np.sqrt(3)


@pytest.fixture(scope="module")
def sheet():
    cell = projected_cell("graphene")
    strength = cell.strength(exponent=1.5, thickness_nm=1.0)
    return cell.tile((4.0, 5.0), strength, rotation_rad=0.3, shift_nm=np.zeros(2))


def doped_inside(sheet):
    """Sheets with one silicon atom that has all of its neighbours."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        doped = dope_graphene(sheet, rng, n_dopants=1, silicon_strength=2.0)
        (place,) = doped.position_nm[doped.species == "Si"]
        if ((place > 0.5) & (place < [3.5, 4.5])).all():
            yield doped, place


def test_silicon_takes_the_place_of_one_carbon_or_of_two(sheet):
    seen = set()
    for doped, place in doped_inside(sheet):
        distance, _ = cKDTree(doped.position_nm).query(place, k=6)
        n_lost = len(sheet) - len(doped)
        seen.add(n_lost)
        if n_lost == 0:  # threefold: three neighbours moved out, the next ones where they were
            np.testing.assert_allclose(distance[1:4], 0.165, atol=1e-9)
            assert distance[4] > 0.2
        else:  # fourfold: in the middle of two missing carbons, beside four
            assert n_lost == 1
            np.testing.assert_allclose(distance[1:5], BOND_NM * np.sqrt(1.75), atol=1e-9)
            assert distance[5] > 0.21
        assert doped.strength[doped.species == "Si"] == 2.0
    assert seen == {0, 1}


def test_turned_bonds_keep_all_atoms(sheet):
    rng = np.random.default_rng(4)
    turned = rotate_bonds(sheet, rng, n_bonds=1)
    assert len(turned) == len(sheet)
    np.testing.assert_array_equal(turned.strength, sheet.strength)
    step = np.hypot(*(turned.position_nm - sheet.position_nm).T)
    pair = np.argsort(step)[-2:]
    first, second = turned.position_nm[pair]
    before = np.subtract(*sheet.position_nm[pair])
    assert np.hypot(*(first - second)) == pytest.approx(0.92 * BOND_NM)
    assert np.dot(first - second, before) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(first + second, sheet.position_nm[pair].sum(axis=0))
    assert np.sort(step)[-3] <= 0.02
    assert nearest_distance(turned.position_nm).min() > 0.1


def test_vacancies_are_missing_and_their_like_weaker(sheet):
    rng = np.random.default_rng(5)
    many = Columns(*(np.repeat(part, 20, axis=0) for part in (
        sheet.position_nm, sheet.strength, sheet.species, sheet.nominal)))  # fmt: skip
    left = remove_vacancies(many, rng, fraction=0.1)
    # Binomial: four standard deviations.
    allowed = 4 * np.sqrt(0.1 * len(many))
    assert len(left) == pytest.approx(0.9 * len(many), abs=allowed)
    weak = (left.strength == 0.5 * sheet.strength[0]).sum()
    assert weak == pytest.approx(0.05 * len(many), abs=allowed)
    assert len(remove_vacancies(sheet, rng, fraction=0.0)) == len(sheet)
    assert len(remove_vacancies(sheet, rng, fraction=1.0)) == 0


def test_dopants_are_renamed_and_stronger(sheet):
    doped = dope(sheet, np.random.default_rng(1), fraction=0.3, factor=3.0, symbol="X")
    chosen = doped.species == "X"
    assert 0.15 < chosen.mean() < 0.45
    np.testing.assert_allclose(doped.strength[chosen], 3 * sheet.strength[chosen])
    np.testing.assert_array_equal(doped.strength[~chosen], sheet.strength[~chosen])
    np.testing.assert_array_equal(doped.position_nm, sheet.position_nm)


def test_an_alloy_is_mixed_on_one_sublattice():
    cell = projected_cell("MoS2")
    strength = cell.strength(exponent=1.6, thickness_nm=1.0)
    whole = cell.tile((4.0, 5.0), strength, rotation_rad=0.3, shift_nm=np.zeros(2))
    seen = set()
    for seed in range(60):
        mixed = mix(whole, np.random.default_rng(seed), symbol="X")
        changed = mixed.species == "X"
        if not changed.any():
            continue
        (site,) = set(whole.species[changed])
        factor = mixed.strength[changed] / whole.strength[changed]
        assert np.ptp(factor) < 1e-9
        seen.add((site, bool(factor[0] > 1)))
        share = changed.sum() / (whole.species == site).sum()
        # Binomial over some 180 sites: four standard deviations.
        assert share < (0.25 if factor[0] > 1 else 0.5) + 0.15
        np.testing.assert_array_equal(mixed.strength[~changed], whole.strength[~changed])
    assert len(seen) == 4


def test_displacements():
    rng = np.random.default_rng(6)
    position = np.zeros((4000, 2))
    species = np.where(np.arange(4000) < 2000, "Sr", "Ti")
    columns = Columns(position, np.ones(4000), species, np.ones(4000))
    moved = displace(columns, rng, rms_nm=0.01)
    # 8000 numbers fix the s.d. to 0.8 %.
    assert moved.position_nm.std() == pytest.approx(0.01, rel=0.04)
    polar = displace(columns, rng, rms_nm=0.0, polar_nm=0.03).position_nm
    lengths = np.hypot(*polar.T)
    # One species moved as a whole, the other stayed.
    assert np.ptp(polar[:2000], axis=0).max() == np.ptp(polar[2000:], axis=0).max() == 0
    assert sorted([lengths[0], lengths[-1]]) == pytest.approx([0.0, 0.03])


def test_grains_do_not_overlap(sheet):
    left = sheet.position_nm[:, 1] < 2.5
    other = sheet.moved(sheet.position_nm + np.array([0.03, 0.05]))
    joined = join_grains(
        sheet,
        other,
        in_second=~left,
        in_second_too=other.position_nm[:, 1] >= 2.45,
        closest_nm=0.12,
    )
    assert nearest_distance(joined.position_nm).min() >= 0.12
    # The first grain is whole.
    np.testing.assert_array_equal(joined.position_nm[: left.sum()], sheet.position_nm[left])
    assert len(joined) > left.sum() + 100


def test_small_sheets_are_left_alone():
    position = np.random.default_rng(0).uniform(size=(12, 2))
    few = Columns(position, np.ones(12), np.full(12, "C"), np.ones(12))
    rng = np.random.default_rng(1)
    assert dope_graphene(few, rng, n_dopants=3, silicon_strength=2.0) is few
    np.testing.assert_array_equal(rotate_bonds(few, rng, n_bonds=2).position_nm, few.position_nm)
    assert len(displace(Columns.none(), rng, rms_nm=0.1, polar_nm=0.1)) == 0

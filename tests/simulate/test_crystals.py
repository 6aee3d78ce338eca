"""Crystals against numbers from textbooks, and against ASE's own three-dimensional cells."""

import numpy as np
import pytest

from scanseg.simulate import crystals
from scanseg.simulate.columns import nearest_distance
from scanseg.simulate.crystals import (
    crystal_names,
    projected_cell,
    random_cell,
    sublattice_border,
    sublattice_of,
)


def tiled(cell, *, size_nm=(4.0, 3.0), rotation_rad=0.0):
    strength = cell.strength(exponent=1.5, thickness_nm=10.0)
    return cell.tile(size_nm, strength, rotation_rad=rotation_rad, shift_nm=np.array([0.05, 0.02]))


@pytest.mark.parametrize(
    ("name", "nearest_nm"),
    [
        ("graphene", 0.246 / np.sqrt(3)),  # 0.142
        ("MoS2", 0.316 / np.sqrt(3)),
        ("SrTiO3[001]", 0.3905 / 2),  # a cation and the oxygen beside it
        ("Si[001]", 0.543 / np.sqrt(8)),  # 0.192
        ("Si[011]", 0.543 / 4),  # 0.136, the dumbbell
        ("GaAs[011]", 0.565 / 4),
        ("Au[001]", 0.408 / 2),
        ("Au[111]", 0.408 / np.sqrt(6)),  # 0.1666
        ("W[001]", 0.316 / np.sqrt(2)),
        ("MgO[001]", 0.421 / 2),
        ("Mg[001]", 0.321 / np.sqrt(3)),
    ],
)
@pytest.mark.parametrize("rotation_rad", [0.0, 0.4])
def test_nearest_columns_are_as_far_apart_as_in_the_crystal(name, nearest_nm, rotation_rad):
    columns = tiled(projected_cell(name), rotation_rad=rotation_rad)
    inside = ((columns.position_nm > 0.3) & (columns.position_nm < [3.7, 2.7])).all(axis=1)
    # Sites are rounded to a thousandth of the cell when columns are told apart.
    np.testing.assert_allclose(nearest_distance(columns.position_nm)[inside], nearest_nm, atol=6e-4)


def test_dumbbells_come_in_pairs_of_two_kinds():
    cell = projected_cell("GaAs[011]")
    assert sorted(tuple(column) for column in cell.atoms) == [("As",), ("Ga",)]


def test_columns_of_a_perovskite():
    cell = projected_cell("SrTiO3[001]")
    contents = sorted(sorted(column.items()) for column in cell.atoms)
    assert contents == [[("O", 1.0)], [("O", 1.0)], [("O", 1.0), ("Ti", 1.0)], [("Sr", 1.0)]]
    assert sorted(cell.species()) == ["O", "O", "Sr", "Ti"]
    assert cell.period_nm == pytest.approx(0.3905)
    assert cell.area_per_column_nm2 == pytest.approx(0.3905**2 / 4)


@pytest.mark.parametrize("name", [name for name in crystal_names() if "[" in name])
def test_a_projection_holds_all_atoms_of_the_crystal(name):
    """Atoms in a repeat over its volume: the density of the cell that ASE builds."""
    cell = projected_cell(name)
    crystal = crystals._BULK[name.partition("[")[0]][0]()
    density_nm3 = len(crystal) / crystal.get_volume() * 1000
    volume_nm3 = abs(np.linalg.det(cell.vectors_nm)) * cell.period_nm
    n_atoms = sum(sum(column.values()) for column in cell.atoms)
    assert n_atoms / volume_nm3 == pytest.approx(density_nm3, rel=1e-6)
    # No column is split in two by rounding.
    assert nearest_distance(tiled(cell).position_nm).min() > 0.05


def test_strength_is_the_sum_of_cross_sections():
    graphene = projected_cell("graphene")
    assert graphene.strength(exponent=1.5, thickness_nm=30) == pytest.approx(5.2e-5 * 6**1.5)
    gold = projected_cell("Au[001]")
    thin, thick = (gold.strength(exponent=1.7, thickness_nm=t)[0] for t in (1e-3, 1e3))
    # Thin: as many atoms as fit; thick: those of 20 nm.
    assert thin == pytest.approx(5.2e-5 * 79**1.7 * 1e-3 / 0.408, rel=1e-3)
    assert thick == pytest.approx(5.2e-5 * 79**1.7 * 20 / 0.408, rel=1e-6)


def test_a_tiling_fills_the_field_of_view():
    cell = projected_cell("Si[011]")
    size_nm = (5.0, 3.0)
    for rotation_rad in (0.0, 0.7, 3.0):
        y, x = tiled(cell, size_nm=size_nm, rotation_rad=rotation_rad).position_nm.T
        inside = ((y > 0) & (y < size_nm[0]) & (x > 0) & (x < size_nm[1])).sum()
        expected = size_nm[0] * size_nm[1] / cell.area_per_column_nm2
        # The border, 16 nm, cuts a strip of columns in an undecided way.
        assert inside == pytest.approx(expected, abs=16 * 0.2 / cell.area_per_column_nm2 / 2)
        for low, high, size in ((y.min(), y.max(), size_nm[0]), (x.min(), x.max(), size_nm[1])):
            assert low < 0.15
            assert high > size - 0.15


def test_random_lattices_keep_their_sites_apart():
    rng = np.random.default_rng(2)
    for _ in range(40):
        cell = random_cell(rng)
        nearest = nearest_distance(tiled(cell).position_nm)
        assert 0.42 * 0.25 < nearest.min() <= 0.25 + 1e-9
        assert len(cell.atoms) == len(cell.position_nm)


def test_unknown_crystals_are_no_crystal():
    for name in ("Unobtainium[001]", "Au[123]"):
        with pytest.raises(KeyError):
            projected_cell(name)


@pytest.mark.parametrize(
    ("name", "exponent", "heavy"),
    [
        ("SrTiO3[001]", 1.6, {"Sr"}),
        ("SrTiO3[001]", 0.7, {"Sr", "Ti"}),  # bright field: as dark as each other
        ("PbTiO3[001]", 1.6, {"Pb"}),
        ("PbTiO3[001]", 0.7, {"Pb", "Ti"}),
        ("LaAlO3[001]", 0.7, {"La", "Al"}),
        ("BaTiO3[001]", 0.7, {"Ba", "Ti"}),
        ("CsPbBr3[001]", 1.6, {"Pb"}),  # Pb-Br is one column
        ("MoS2", 1.6, {"Mo"}),
        ("MoSe2", 1.6, {"Se"}),  # two Se scatter more than a Mo
        ("WSSe", 1.6, {"W"}),
        ("InP[011]", 1.6, {"In"}),
        ("MgO[011]", 1.6, {"Mg"}),
        ("CdTe[011]", 1.6, {"Cd", "Te"}),  # 12 % apart
        ("GaAs[011]", 1.6, {"Ga", "As"}),
        ("Au[001]", 1.6, {"Au"}),
    ],
)
def test_heavy_and_light_columns(name, exponent, heavy):
    cell = projected_cell(name)
    strength = cell.strength(exponent=exponent, thickness_nm=10.0)
    border = sublattice_border(strength)
    assert set(cell.species()[strength > border]) == heavy
    # No kind that is seen lies where a class cannot be told.
    shown = strength[strength > 0.07 * strength.max()]
    assert (np.abs(np.log(shown / border)) > np.log(1.1)).all()


def test_a_column_is_divided_by_its_own_strength():
    cell = projected_cell("MoS2")
    strength = cell.strength(exponent=1.6, thickness_nm=1.0)
    border = sublattice_border(strength)
    columns = cell.tile((2.0, 3.0), strength, rotation_rad=0.0, shift_nm=np.zeros(2))
    told = sublattice_of(columns.strength, border)
    np.testing.assert_array_equal(told == "heavy", columns.species == "Mo")
    np.testing.assert_array_equal(told == "light", columns.species == "S")
    # Vanadium in the place of molybdenum is as faint as sulphur.
    doped = columns.scaled(np.where(columns.species == "Mo", (23 / 42) ** 1.6, 1.0))
    assert (sublattice_of(doped.strength, border) == "light").all()
    assert (sublattice_of(np.array([0.95, 1.05]) * border, border) == "").all()

"""Sublattices named after a structure file, against the elements that were drawn."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2
from ase.io import write
from ase.spacegroup import crystal

from scanseg.errors import ScansegError
from scanseg.lattice import index_atoms, label_sites

NM_PER_PX = 0.0195


@pytest.fixture
def perovskite():
    return crystal(
        ["Sr", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221,
        cellpar=[3.905, 3.905, 3.905, 90, 90, 90],
    )  # fmt: skip


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("angle_deg", [17, -72])
def test_a_perovskite_from_a_cif(
    rng, crystals, draw_crystal, perovskite, tmp_path, calibrated, angle_deg
):
    write(tmp_path / "sto.cif", perovskite)
    vectors, sites, amplitude = crystals["perovskite A, B"]
    size = (NM_PER_PX, NM_PER_PX) if calibrated else None
    drawn = draw_crystal(
        rng, vectors, sites, amplitude=amplitude, angle_deg=angle_deg, pixel_size_nm=size
    )
    labels = label_sites(index_atoms(drawn.atoms), tmp_path / "sto.cif")
    named = labels.atoms["label"].astype(str)
    assert (named == np.where(drawn.index[:, 2] == 0, "Sr", "OTi")).mean() > 0.98
    row = labels.table.iloc[0]
    assert row["not_seen"] == "O O"
    # 14 px times the root of 2 at 19.5 pm are 0.3861 nm, and 0.3905 in the file.
    if calibrated:
        assert row["scale"] == pytest.approx(0.3861 / 0.3905, abs=0.003)
    assert labels.table["distance_px"].max() < 0.2


def test_mos2_with_its_two_sulphur_atoms_in_a_column(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["MX2"]
    size = 0.3184 / (np.sqrt(3) * 14)
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, pixel_size_nm=(size, size))
    labels = label_sites(index_atoms(drawn.atoms), mx2("MoS2", vacuum=5))
    named = labels.atoms["label"].astype(str)
    assert (named == np.where(drawn.index[:, 2] == 0, "Mo", "S")).mean() > 0.98
    assert (labels.table["not_seen"] == "").all()


def test_another_zone_axis_has_another_lattice(rng, crystals, draw_crystal, perovskite):
    vectors, sites, amplitude = crystals["perovskite A, B"]
    size = (NM_PER_PX, NM_PER_PX)
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, pixel_size_nm=size)
    with pytest.raises(ScansegError, match="110"):
        label_sites(index_atoms(drawn.atoms), perovskite, zone=(1, 1, 0))


def test_a_scale_that_cannot_be(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["square"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, pixel_size_nm=(0.02, 0.02))
    far = Atoms("Au", cell=[6.1, 6.1, 6.1], pbc=True)
    with pytest.raises(ScansegError):
        label_sites(index_atoms(drawn.atoms), far)


def test_silicon_whose_file_has_a_centred_cell(rng, draw_crystal):
    """Along 011 a cell of 0.384 by 0.543 nm with a column in its middle, two atoms apart by a/4."""
    silicon = crystal(["Si"], [(0, 0, 0)], spacegroup=227, cellpar=[5.431] * 3 + [90] * 3)
    scale = 60.0  # px per nm
    vectors = scale * 0.5431 * np.array([[0, np.sqrt(0.5)], [-0.5, -np.sqrt(0.125)]])
    drawn = draw_crystal(
        rng, vectors, [[0, 0], [0.25, 0.5]], noise=0.1, pixel_size_nm=(1 / scale, 1 / scale)
    )
    indexed = index_atoms(drawn.atoms)
    labels = label_sites(indexed, silicon, zone=(0, 1, 1))
    assert set(labels.table["label"]) == {"Si"}
    assert labels.table["scale"].iloc[0] == pytest.approx(1, abs=0.003)

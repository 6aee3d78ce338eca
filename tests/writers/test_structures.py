"""Atoms to files of other programs, and back."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pandas as pd
import pytest

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph
from scanseg.writers import ParquetAtoms, as_structure, write_atomap, write_structure

SHAPE = (40, 70)
PIXEL_NM = (0.01, 0.02)


@pytest.fixture
def atoms():
    rng = np.random.default_rng(2)
    y, x = rng.uniform(0, 39, 12), rng.uniform(0, 69, 12)
    return pd.DataFrame(
        {
            "image": "day1/a.tif", "frame": 3, "atom": np.arange(12), "y_px": y, "x_px": x,
            "y_nm": y * 0.01, "x_nm": x * 0.02, "class": ["C"] * 9 + ["Si"] * 2 + ["column"],
            "probability": rng.uniform(size=12), "y_err_px": 0.1, "x_err_px": 0.2,
            "sigma_px": 2.5, "at_edge": rng.uniform(size=12) < 0.3, "fit_ok": True,
        }
    )  # fmt: skip


def back(structure):
    """Pixels of a structure's positions, (y, x)."""
    x, y, _ = structure.positions.T
    return np.stack([SHAPE[0] - 0.5 - y / 0.1, x / 0.2 - 0.5], axis=1)


@pytest.mark.parametrize("format", ["xyz", "extxyz", "cif"])
def test_structures_come_back(atoms, format):
    from ase.io import read

    structure = as_structure(
        atoms, shape=SHAPE, pixel_size_nm=PIXEL_NM, elements={"column": "Mo"},
        notes={"image": "day1/a.tif", "frame": 3},
    )  # fmt: skip
    file = io.StringIO()
    write_structure(file, structure, format=format)
    if format != "cif":
        write_structure(file, structure, format=format)
    text = file.getvalue()
    source = io.BytesIO(text.encode()) if format == "cif" else io.StringIO(text)
    found = read(source, index=":", format=format)
    assert len(found) == (1 if format == "cif" else 2)
    assert found[-1].get_chemical_symbols() == ["C"] * 9 + ["Si"] * 2 + ["Mo"]
    # CIF writes fractions of the cell to five digits, the others 1e-8 angstrom.
    tolerance = 1e-3 if format == "cif" else 1e-6
    np.testing.assert_allclose(back(found[-1]), atoms[["y_px", "x_px"]], atol=tolerance)
    if format == "extxyz":
        np.testing.assert_allclose(found[0].arrays["y_px"], atoms["y_px"], atol=1e-7)
        np.testing.assert_array_equal(found[0].arrays["at_edge"], atoms["at_edge"])
        assert found[0].info["frame"] == 3
        assert found[0].cell.lengths()[:2].tolist() == pytest.approx([14.0, 4.0])


def test_y_goes_up_as_the_image_is_seen(atoms):
    structure = as_structure(atoms, shape=SHAPE, pixel_size_nm=PIXEL_NM)
    topmost = atoms["y_px"].idxmin()
    assert structure.positions[:, 1].argmax() == topmost
    assert structure.get_chemical_symbols()[-1] == "X"


def test_without_calibration_a_pixel_is_an_angstrom_and_says_so(atoms):
    structure = as_structure(atoms, shape=SHAPE, pixel_size_nm=None)
    assert structure.info["unit"] == "px"
    np.testing.assert_allclose(structure.positions[:, 0], atoms["x_px"] + 0.5)


def test_an_element_that_there_is_not(atoms):
    with pytest.raises(ConfigError, match="Qq"):
        as_structure(atoms, shape=SHAPE, pixel_size_nm=None, elements={"column": "Qq"})


def test_no_atoms_are_a_structure_too(atoms):
    file = io.StringIO()
    structure = as_structure(atoms.iloc[:0], shape=SHAPE, pixel_size_nm=PIXEL_NM)
    write_structure(file, structure, format="extxyz")
    assert file.getvalue().startswith("0\n")


def test_parquet_comes_back(atoms, tmp_path):
    names = tuple(atoms.columns)
    with ParquetAtoms(tmp_path / "atoms.parquet", names) as table:
        table.add(atoms.iloc[:5])
        table.add(atoms.iloc[:0])
        table.add(atoms.iloc[5:].drop(columns=["sigma_px"]))
    found = pd.read_parquet(tmp_path / "atoms.parquet")
    assert list(found.columns) == list(names)
    pd.testing.assert_frame_equal(
        found.drop(columns=["sigma_px", "image", "class"]),
        atoms.drop(columns=["sigma_px", "image", "class"]),
    )
    assert found["class"].astype(str).tolist() == atoms["class"].tolist()
    assert found["image"].astype(str).tolist() == atoms["image"].tolist()
    assert found["sigma_px"].isna().tolist() == [False] * 5 + [True] * 7


def test_atomap_finds_what_it_reads(atoms, tmp_path):
    image = Micrograph(np.random.default_rng(1).normal(size=SHAPE), pixel_size_nm=PIXEL_NM)
    write_atomap(tmp_path / "a.hdf5", atoms, image)
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert file.attrs["atom_lattice_type"] == "Atom_Lattice"
        np.testing.assert_array_equal(file["image_data"][:], image.data)
        groups = [name for name in file if "sublattice" in name]
        assert [file[name].attrs["name"] for name in groups] == ["C", "Si", "column"]
        for name in groups:
            group = file[name]
            own = atoms[atoms["class"] == group.attrs["name"]]
            np.testing.assert_array_equal(group["atom_positions"][:], own[["x_px", "y_px"]])
            assert group.attrs["pixel_size"] == PIXEL_NM[1]
            assert {"modified_image_data", "original_image_data", "sigma_x", "sigma_y",
                    "rotation"} <= set(group)  # fmt: skip

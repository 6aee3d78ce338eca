"""What the report takes from a table of atoms, however many pieces it is read in."""

import numpy as np
import pandas as pd
import pytest

from scanseg.report import ATOM_TABLES, append_table
from scanseg.report.atoms import digest
from scanseg.report.atoms.digest import digest_atoms

N_ATOMS = 500


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(6)
    numbers = {
        name: rng.uniform(0.1, 0.9, N_ATOMS).astype(np.float32)
        for name in ("probability", "sigma_px", "y_err_px", "x_err_px")
    }
    atoms = pd.DataFrame(
        {
            "y_px": rng.uniform(0, 90, N_ATOMS),
            "x_px": rng.uniform(0, 70, N_ATOMS),
            "class": np.where(np.arange(N_ATOMS) % 5, "column", "dopant"),
            "fit_ok": np.arange(N_ATOMS) % 25 > 0,
            **numbers,
        }
    )
    atoms.loc[7, "probability"] = 0.01
    atoms.loc[~atoms["fit_ok"], ["y_err_px", "x_err_px"]] = np.nan
    with (tmp_path / "atoms.csv").open("wb") as file:
        table = ATOM_TABLES["atoms.csv"]
        append_table(file, atoms, format=table, image="a, b.tif", frame=0, header=True)
    return tmp_path, atoms


def test_numbers_are_those_of_the_table(folder):
    path, atoms = folder
    found = digest_atoms(path, N_ATOMS, N_ATOMS)
    assert (found.n_atoms, found.n_not_fitted) == (N_ATOMS, 20)
    assert found.classes == {"column": 400, "dopant": 100}
    # Tables have four decimals, so single numbers are off by 5e-5 at most.
    assert found.mean_probability == pytest.approx(atoms["probability"].mean(), abs=1e-5)
    fitted = atoms[atoms["fit_ok"]]
    np.testing.assert_allclose(found.sample["sigma_px"], fitted["sigma_px"], atol=6e-5)
    assert found.sample_class.tolist() == fitted["class"].tolist()
    # Those that were not fitted come before all others.
    worst = atoms[~atoms["fit_ok"]].sort_values("probability").iloc[0]
    assert found.doubtful_px == pytest.approx((worst["y_px"], worst["x_px"]), abs=1e-4)


@pytest.mark.parametrize("block_bytes", [1, 300, 5000])
def test_pieces_make_no_difference(folder, monkeypatch, block_bytes):
    path, _ = folder
    at_once = digest_atoms(path, N_ATOMS, 100)
    monkeypatch.setattr(digest, "BLOCK_BYTES", block_bytes)
    in_pieces = digest_atoms(path, N_ATOMS, 100)
    assert in_pieces.classes == at_once.classes
    assert in_pieces.doubtful_px == at_once.doubtful_px
    assert in_pieces.mean_probability == pytest.approx(at_once.mean_probability, rel=1e-12)
    assert in_pieces.n_not_fitted == at_once.n_not_fitted


def test_a_table_without_atoms_is_empty(tmp_path):
    (tmp_path / "atoms.csv").write_text("image,frame,y_px,x_px,class\n", encoding="utf-8")
    assert digest_atoms(tmp_path, 0, 100).n_atoms == 0


def test_agreement_of_classes_by_network_and_by_brightness(folder):
    path, atoms = folder
    assert digest_atoms(path, N_ATOMS, N_ATOMS).told == {}
    by_brightness = atoms["class"].copy()
    by_brightness[:3] = "dopant"  # rows 1 and 2 are columns by the network
    by_brightness[20:30] = None
    with (path / "atoms.csv").open("wb") as file:
        append_table(
            file,
            atoms.assign(intensity_class=by_brightness, intensity_probability=0.9),
            format=ATOM_TABLES["atoms.csv"],
            image="a.tif",
            frame=0,
            header=True,
        )
    found = digest_atoms(path, N_ATOMS, N_ATOMS)
    assert found.classes == {"column": 400, "dopant": 100}
    assert found.told == {"column": 392, "dopant": 98}
    assert found.agreeing == {"column": 390, "dopant": 98}

"""``scanseg demo``, and ``predict`` with a real model: the whole way of an image."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def real(scanseg, monkeypatch, spots_model):
    """The command line with the hand-made model as the one that ships."""
    from scanseg.cli import folder_run
    from scanseg.runs import choice

    monkeypatch.setattr(folder_run, "open_processor", choice.open_processor)
    monkeypatch.setitem(choice.DEFAULT_MODELS, "STEM", str(spots_model))
    return scanseg


def _simulate(scanseg, folder):
    """One clean crystal of which every column is bright: the hand-made network finds them all."""
    code, _, stderr = scanseg(
        "simulate", "-o", folder, "--n", 1, "--size", "160x224", "--seed", 4,
        "--set", "materials=[graphene]", "--set", "layouts={crystal: 1}",
        "--set", "signal=dark-field", "--set", "random_lattice_fraction=0",
        "--set", "disorder=0", "--set", "counts_per_column=[5000, 5000]",
        "--set", "background_of_peak=[0.02, 0.02]", "--set", "spacing_px=[14, 14]",
        "--set", "sigma_of_spacing=[0.2, 0.2]",
    )  # fmt: skip
    assert code == 0, stderr


def test_demo_compares_with_the_truth(real, tmp_path, monkeypatch):
    _simulate(real, tmp_path / "samples")
    monkeypatch.setattr("scanseg.cli.demo.files", lambda package: tmp_path / "samples")
    code, stdout, stderr = real("demo", "-o", tmp_path / "out")
    assert code == 0, stderr
    row = next(line for line in stdout.splitlines() if line.startswith("stem_000")).split()
    precision, recall, rms_px = float(row[3]), float(row[4]), float(row[6])
    assert recall > 0.95
    assert precision > 0.95
    # 5000 counts of width 2 px and more: the bound is 0.03 px, the border and overlap cost some.
    assert rms_px < 0.15
    assert (tmp_path / "out" / "stem_000.tif" / "overlay.png").exists()


def test_predict_with_a_bundle_writes_what_the_model_says(real, tmp_path, spots_model):
    _simulate(real, tmp_path / "in")
    code, _, stderr = real("predict", tmp_path / "in", "-o", tmp_path / "out", "-m", spots_model)
    assert code == 0, stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["model"]["name"] == "spots"
    assert record["model"]["engine"]
    row = pd.read_csv(tmp_path / "out" / "images.csv").iloc[0]
    truth = pd.read_csv(tmp_path / "in" / "stem_000_atoms.csv")
    # Graphene: a column has its nearest neighbours at 0.142 nm; 3 % is what a pixel grid allows.
    assert row["spacing_nm"] == pytest.approx(0.142, rel=0.05)
    atoms = pd.read_csv(tmp_path / "out" / "atoms.csv")
    assert row["n_atoms"] == len(atoms)
    # The truth ends at the image; a column beyond it may be found by its flank.
    inside = atoms["y_px"].between(-0.5, 159.5) & atoms["x_px"].between(-0.5, 223.5)
    assert inside.sum() == pytest.approx(truth["visible"].sum(), rel=0.02)
    np.testing.assert_allclose(
        atoms["x_nm"], atoms["x_px"] * row["pixel_size_x_nm"], rtol=1e-4, atol=1e-5
    )


def test_demo_compares_walls_where_a_model_for_them_ships(
    real, tmp_path, tools, monkeypatch, walls_model
):
    from scanseg.runs import choice

    monkeypatch.setattr("scanseg.bundle.model_names", lambda: (str(walls_model),))
    monkeypatch.setitem(choice.DEFAULT_MODELS, "PFM", str(walls_model))
    samples = tmp_path / "samples"
    tools.write_scan(samples / "scan.tif")
    height = tools.scan().shape[0]
    truth = [
        {"frame": 0, "branch": branch, "point": y, "y_px": y, "x_px": x, "class": "ferroelectric"}
        for branch, x in enumerate(tools.SCAN_WALLS_PX)
        for y in range(height)
    ]
    pd.DataFrame(truth).to_csv(samples / "scan_wall_points.csv", index=False)
    monkeypatch.setattr("scanseg.cli.demo.files", lambda package: samples)
    code, stdout, stderr = real("demo", "-o", tmp_path / "out")
    assert code == 0, stderr
    row = next(line for line in stdout.splitlines() if line.startswith("scan ")).split()
    assert float(row[1]) > 0.95
    assert "junctions" not in stdout


def test_missing_samples_are_5(real, tmp_path, monkeypatch):
    monkeypatch.setattr("scanseg.cli.demo.files", lambda package: tmp_path)
    code, _, stderr = real("demo", "-o", tmp_path / "out")
    assert code == 5
    assert "sample images are missing" in stderr

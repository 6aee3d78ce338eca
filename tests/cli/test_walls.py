"""``scanseg predict`` and what follows, over scans, with a network for walls."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scanseg.micrograph import Micrograph, Signal


@pytest.fixture
def real(scanseg, monkeypatch, spots_model, walls_model):
    """The command line with hand-made models as those that ship."""
    from scanseg.runs import choice

    monkeypatch.setattr("scanseg.cli.folder_run.open_processor", choice.open_processor)
    monkeypatch.setattr("scanseg.bundle.model_names", lambda: (str(walls_model),))
    monkeypatch.setitem(choice.DEFAULT_MODELS, "STEM", str(spots_model))
    monkeypatch.setitem(choice.DEFAULT_MODELS, "PFM", str(walls_model))
    return scanseg


@pytest.fixture
def images(tmp_path, tools):
    """A scan, and an image of spots."""
    tools.write_scan(tmp_path / "in" / "scan.tif")
    tools.write_tiff(tmp_path / "in" / "spots.tif", tools.spots((96, 120)))
    return tmp_path / "in"


def test_walls_and_atoms_from_files_to_tables(real, images, tmp_path, tools):
    out = tmp_path / "out"
    code, stdout, stderr = real("predict", images, "-o", out, "--save", "probability,uncertainty")
    assert code == 0, stderr
    assert "2 walls in 1 image" in stdout
    assert "spots 1 for STEM, steps 3 for PFM" in stderr
    points = pd.read_csv(out / "wall_points.csv")
    found = points.groupby("branch")["x_px"].median().sort_values()
    # The network is right to a pixel; what it saw is then fitted on the measured signal.
    np.testing.assert_allclose(found, tools.SCAN_WALLS_PX, atol=0.1)
    rows = pd.read_csv(out / "images.csv").set_index("image")
    assert rows["model"].to_dict() == {"scan.tif": "steps", "spots.tif": "spots"}
    assert rows.loc["scan.tif", "n_walls"] == 2
    assert (out / "scan.tif" / "probability.tif").exists()
    code, stdout, _ = real("predict", images, "-o", out, "--save", "probability,uncertainty")
    assert "(2 unchanged)" in stdout
    code, stdout, _ = real("rerun", out, "-o", tmp_path / "again")
    assert (code, stdout.splitlines()[-1]) == (0, "2 of 2 images have the same results")


def test_a_dry_run_names_both_models(real, images, tmp_path):
    code, stdout, stderr = real("predict", images, "-o", tmp_path / "out", "--dry-run")
    assert code == 0
    assert "spots 1 for STEM, steps 3 for PFM" in stderr
    assert stdout.splitlines() == ["new      scan.tif", "new      spots.tif"]


@pytest.mark.parametrize(
    ("signal", "says"),
    [(Signal.HAADF, "this is HAADF"), (Signal.TOPOGRAPHY, "topography alone shows no walls")],
)
def test_a_named_model_for_walls_refuses_what_is_no_scan(
    real, tmp_path, tools, walls_model, signal, says
):
    image = Micrograph(tools.spots().astype(np.float32), signal=signal)
    tools.write_scan(tmp_path / "in" / "other.tif", image)
    out = tmp_path / "out"
    code, _, _ = real("predict", tmp_path / "in", "-o", out, "-m", walls_model)
    assert code == 3
    assert says in pd.read_csv(out / "failures.csv")["reason"].iloc[0]
    assert json.loads((out / "run.json").read_text())["model"]["name"] == "steps"


def test_settings_of_walls_reach_them(real, images, tmp_path):
    out = tmp_path / "out"
    option = "walls.shortest_px=60"  # longer than the scan is high
    code, stdout, _ = real("predict", images / "scan.tif", "-o", out, "--set", option)
    assert code == 0
    assert stdout.startswith("0 walls in 1 image")

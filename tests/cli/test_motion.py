"""``scanseg motion`` over what ``predict`` has written."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage

import scanseg as package
from scanseg.micrograph import Micrograph, Signal
from scanseg.motion import WallFrame, track_walls
from scanseg.runs import choice
from scanseg.writers import write

SHAPE = (64, 96)
PIXEL_NM = (5.0, 8.0)
STILL_PX, MOVING_PX = 25.3, 60.6
FILES = {
    "wall_motion.csv", "wall_events.csv", "frames.csv", "pinned_segments.csv", "switched_in.tif",
    "motion.json",
}  # fmt: skip


def write_frame(path, step_px, *, shape=SHAPE, pixel_nm=PIXEL_NM, drift_px=0):
    """A scan whose second wall went to the right while the first stayed, over the same surface."""
    rng = np.random.default_rng(5)
    surface = ndimage.gaussian_filter(rng.normal(size=(shape[0], shape[1] + 40)), 3)
    surface = 3 * (surface / surface.std())[:, 20 - drift_px : 20 - drift_px + shape[1]]
    x = np.arange(shape[1]) - drift_px + np.zeros(shape)
    response = np.tanh((x - STILL_PX) / 2) * np.tanh((x - MOVING_PX - step_px) / 2) + 0j
    rng = np.random.default_rng(round(10 * step_px))
    response += 0.02 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))

    def channel(data, signal, **others):
        return Micrograph(data, signal=signal, pixel_size_nm=pixel_nm, **others)

    others = {
        Signal.PFM_PHASE: channel(np.rad2deg(np.angle(response)), Signal.PFM_PHASE),
        Signal.TOPOGRAPHY: channel(surface + rng.normal(0, 0.05, shape), Signal.TOPOGRAPHY),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write(channel(np.abs(response), Signal.PFM_AMPLITUDE, companions=others), path)


@pytest.fixture
def real(scanseg, monkeypatch, walls_model):
    """The command line with a hand-made model for scans."""
    monkeypatch.setattr("scanseg.cli.folder_run.open_processor", choice.open_processor)
    monkeypatch.setitem(choice.DEFAULT_MODELS, "PFM", str(walls_model))
    return scanseg


@pytest.fixture
def run(real, tmp_path, walls_model):
    """A run over three scans; their names are not in the order of the alphabet."""
    for name, step_px, drift_px in (("s1", 0.0, 0), ("s2", 3.0, 2), ("s10", 7.0, 2)):
        write_frame(tmp_path / "in" / f"{name}.tif", step_px, drift_px=drift_px)
    out = tmp_path / "run"
    code, _, stderr = real("predict", tmp_path / "in", "-o", out, "-m", walls_model)
    assert code == 0, stderr
    return out


def test_steps_of_a_wall_are_measured(real, run, tmp_path):
    out = tmp_path / "motion"
    arguments = ("motion", run, "-o", out, "--interval-s", "2", "--fields", "-1,0,1.5")
    code, stdout, stderr = real(*arguments)
    assert code == 0, stderr
    assert stdout.startswith("3 scans, drift up to 2.0")
    assert {path.name for path in out.iterdir()} == FILES | {"motion_0.png", "motion_1.png"}
    frames = pd.read_csv(out / "frames.csv")
    assert frames["image"].tolist() == ["s1.tif", "s2.tif", "s10.tif"]
    assert frames["time_s"].tolist() == [0, 2, 4]
    assert frames["field"].tolist() == [-1, 0, 1.5]
    # Mounds of 3 px and 2 % of noise tell the drift to hundredths of a pixel.
    np.testing.assert_allclose(frames["drift_x_px"][:2], (2, 0), atol=0.05)
    points = pd.read_csv(out / "wall_motion.csv")
    for frame, drift_px, step_px in ((0, 0, 3.0), (1, 2, 4.0)):
        part = points[points["frame"] == frame]
        moving = part[part["x_px"] > MOVING_PX + drift_px - 5]
        assert set(moving["state"]) == {"moved", "outside"}
        known = moving[moving["state"] == "moved"]
        assert len(known) > 0.9 * SHAPE[0]
        # Noise of 2 % leaves 0.01 px, and the drift 0.05.
        np.testing.assert_allclose(known["displacement_px"].abs(), step_px, atol=0.1)
        assert moving["displacement_nm"].abs().median() == pytest.approx(
            step_px * PIXEL_NM[1], abs=1
        )
        assert moving["velocity_nm_per_s"].abs().median() == pytest.approx(
            step_px * PIXEL_NM[1] / 2, abs=0.5
        )
        still = part[part["x_px"] < STILL_PX + drift_px + 5]
        assert (still["state"] == "stayed").mean() > 0.9
        assert still["pinned"].mean() > 0.9
    switched = tifffile.imread(out / "switched_in.tif")
    assert switched.shape == SHAPE
    assert (switched == 1).sum() / SHAPE[0] == pytest.approx(3, abs=0.3)  # columns
    record = json.loads((out / "motion.json").read_text())
    assert [each["image"] for each in record["scans"]] == ["s1.tif", "s2.tif", "s10.tif"]
    assert record["run"] == str(run)


def test_named_scans_are_taken_in_their_order(real, run, tmp_path):
    out = tmp_path / "motion"
    assert real("motion", run, "-o", out)[0] == 0
    code, _, stderr = real(
        "motion", run, "-o", out, "--images", "s10.tif", "--images", "s[12].tif",
        "--set", "reach_px=9",
    )  # fmt: skip
    assert code == 0, stderr
    frames = pd.read_csv(out / "frames.csv")
    assert frames["image"].tolist() == ["s10.tif", "s1.tif", "s2.tif"]
    assert json.loads((out / "motion.json").read_text())["settings"]["reach_px"] == 9
    code, _, _ = real("motion", run, "-o", out, "--images", "s1.tif", "--images", "s2.tif")
    assert code == 0
    assert {path.name for path in out.iterdir()} == FILES | {"motion_0.png"}  # one pair, no more


def test_numbers_are_those_of_python(real, run, tmp_path, walls_model):
    real("motion", run, "-o", tmp_path / "motion")
    model = package.load_model(str(walls_model))
    frames = []
    for name in ("s1", "s2", "s10"):
        result = package.predict(package.read(tmp_path / "in" / f"{name}.tif"), model)
        frames.append(WallFrame(package.trace_walls(result).lines, result.image.channels()))
    there, here = track_walls(frames).points, pd.read_csv(tmp_path / "motion" / "wall_motion.csv")
    assert here["state"].tolist() == there["state"].tolist()
    # Tables hold positions and error bars to 0.001 px.
    for name in ("y_px", "x_px", "displacement_px", "displacement_err_px"):
        np.testing.assert_allclose(here[name], there[name], atol=0.005)


def test_a_simulated_series(real, tmp_path, walls_model):
    sim, out = tmp_path / "sim", tmp_path / "motion"
    code, _, _ = real(
        "simulate", "-o", sim, "--modality", "pfm", "--n", 1, "--frames", 3, "--size", "72x104",
        "--seed", 4,
    )  # fmt: skip
    assert code == 0
    real("predict", sim, "-o", tmp_path / "run", "-m", walls_model)
    code, stdout, stderr = real("motion", tmp_path / "run", "-o", out)
    assert code == 0, stderr
    assert stdout.startswith("3 scans, drift up to ")
    frames = pd.read_csv(out / "frames.csv")
    assert len(frames) == 3
    assert (out / "motion_1.png").exists()


def test_what_cannot_be_followed_is_said(real, run, tmp_path):
    out = tmp_path / "motion"

    def refused(*arguments, folder=run):
        code, _, stderr = real("motion", folder, "-o", out, *arguments)
        assert code == 2
        assert not out.exists()
        return stderr

    assert "only s1.tif" in refused("--images", "s1.tif")
    assert "It has s1.tif, s2.tif, s10.tif" in refused("--images", "s3.tif")
    assert "2 fields are given for 3 scans" in refused("--fields", "1,2")
    assert "no list of fields" in refused("--fields", "1,b")
    assert "above 0" in refused("--interval-s", "0")
    assert "did you mean 'reach_px'" in refused("--set", "reach=3")
    assert "no results of scanseg" in refused(folder=tmp_path / "in")
    (tmp_path / "in" / "s2.tif").write_bytes(b"something else")
    assert "other contents" in refused()
    (tmp_path / "in" / "s2.tif").unlink()
    assert "not there any more" in refused()


@pytest.mark.parametrize(
    ("other", "says"),
    [({"shape": (64, 90)}, "64 x 96 pixels"), ({"pixel_nm": (5.0, 5.0)}, "5 x 8 nm")],
)
def test_scans_that_do_not_fit_each_other(real, tmp_path, walls_model, other, says):
    write_frame(tmp_path / "in" / "a.tif", 0.0)
    write_frame(tmp_path / "in" / "b.tif", 3.0, **other)
    real("predict", tmp_path / "in", "-o", tmp_path / "run", "-m", walls_model)
    code, _, stderr = real("motion", tmp_path / "run", "-o", tmp_path / "motion")
    assert code == 2
    assert says in stderr


def test_files_of_others_stay(real, run, tmp_path):
    out = tmp_path / "motion"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    code, _, stderr = real("motion", run, "-o", out)
    assert code == 2
    assert "notes.txt" in stderr
    assert real("motion", run, "-o", run)[0] == 2


def test_results_are_no_images(real, run, tmp_path):
    out = tmp_path / "in" / "motion"
    assert real("motion", run, "-o", out)[0] == 0
    code, stdout, _ = real("predict", tmp_path / "in", "-o", tmp_path / "new", "--dry-run")
    assert code == 0
    assert f"skipped  {out}: results of an earlier run" in stdout

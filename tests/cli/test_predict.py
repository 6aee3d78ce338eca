"""``scanseg predict``: exit codes, streams, options."""

from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def images(tmp_path, tools):
    for name in ("a.tif", "b.tif"):
        tools.write_tiff(tmp_path / "in" / name, tools.spots())
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_all_good_is_0_and_results_are_on_stdout(scanseg, images, out):
    code, stdout, stderr = scanseg("predict", images, "-o", out)
    assert code == 0
    assert stdout.startswith("48 atoms in 2 images")
    assert str(out / "atoms.csv") in stdout
    assert "[2/2] b.tif: 24 atoms" in stderr
    assert "spots 1" in stderr  # the plan names the model
    assert "command: scanseg predict" in (out / "run.log").read_text()


def test_done_before_is_0_and_said(scanseg, images, out):
    scanseg("predict", images, "-o", out)
    code, stdout, stderr = scanseg("predict", images, "-o", out)
    assert code == 0
    assert "2 unchanged" in stdout
    assert "2 known from an earlier run" in stderr


def test_internal_error_is_1_in_one_line(scanseg, images, out, monkeypatch):
    def stumble(*arguments, **options):
        raise RuntimeError("we did not think of this")

    monkeypatch.setattr("scanseg.cli.folder_run.execute", stumble)
    code, _, stderr = scanseg("predict", images, "-o", out)
    assert code == 1
    assert "we did not think of this" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert "Traceback" in (out / "run.log").read_text()
    code, _, stderr = scanseg("predict", images, "-o", out, "-vv")
    assert "Traceback" in stderr


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--set", "output.overlay_pxx=3"], "did you mean 'overlay_px'"),
        (["--set", "output.overlay_px=many"], "output.overlay_px"),
        (["--set", "output"], "group.name=value"),
        (["--save", "everything"], "probability"),
        (["--pixel-size-nm", "12pm"], "nanometres"),
        (["--pixel-size-nm", "-1"], "input.pixel_size_nm"),
        (["--config", "no_such.yaml"], "no_such.yaml"),
        (["--no-such-option"], "no-such-option"),
        (["--retry", "all"], "failed"),
    ],
)
def test_usage_is_2_with_what_to_do(scanseg, images, out, options, hint):
    code, _, stderr = scanseg("predict", images, "-o", out, *options)
    assert code == 2
    assert hint in stderr
    assert "Traceback" not in stderr
    assert not out.exists()


def test_a_path_that_does_not_exist_is_2(scanseg, tmp_path, out):
    code, _, stderr = scanseg("predict", tmp_path / "nowhere", "-o", out)
    assert code == 2
    assert "nowhere does not exist" in stderr
    assert not out.exists()


def test_results_among_the_images_are_2(scanseg, images):
    code, _, stderr = scanseg("predict", images, "-o", images)
    assert code == 2
    assert "inputs stay" in stderr
    code, _, stderr = scanseg("predict", images / "a.tif", "-o", images)
    assert code == 2
    assert "a.tif, b.tif" in stderr
    assert sorted(path.name for path in images.iterdir()) == ["a.tif", "b.tif"]


def test_some_failures_are_3(scanseg, images, out):
    (images / "c.tif").write_bytes(b"")
    code, stdout, stderr = scanseg("predict", images, "-o", out)
    assert code == 3
    assert "1 failed" in stdout
    assert "c.tif: failed" in stderr
    assert pd.read_csv(out / "failures.csv")["path"].tolist() == [str(images / "c.tif")]
    # The failure stays one until its cause is gone.
    assert scanseg("predict", images, "-o", out)[0] == 3
    (images / "c.tif").unlink()
    assert scanseg("predict", images, "-o", out)[0] == 0
    assert pd.read_csv(out / "failures.csv").empty


def test_nothing_to_do_is_4(scanseg, tmp_path, out):
    (tmp_path / "notes.txt").write_text("x")
    code, _, stderr = scanseg("predict", tmp_path, "-o", out)
    assert code == 4
    assert "no image was found" in stderr
    assert not out.exists()


def test_a_folder_of_files_that_are_no_images_is_4(scanseg, tmp_path, out):
    (tmp_path / "sim_params").write_text("kV 300")
    code, _, stderr = scanseg("predict", tmp_path, "-o", out)
    assert code == 4
    assert "sim_params: skipped" in stderr
    skipped = json.loads((out / "run.json").read_text())["skipped"]
    assert [each["path"] for each in skipped] == [str(tmp_path / "sim_params")]


def test_a_missing_device_is_5(scanseg, images, out):
    from scanseg.errors import MachineError

    def missing(image=None):
        raise MachineError("No GPU is here.", hint="Use --device cpu.")

    scanseg.finder.prepare = missing
    code, _, stderr = scanseg("predict", images, "-o", out, "--device", "cuda")
    assert code == 5
    assert stderr.splitlines()[-1] == "Error: No GPU is here. Use --device cpu."


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="as root")
def test_an_output_folder_that_cannot_be_written_is_5(scanseg, images, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    code, _, stderr = scanseg("predict", images, "-o", tmp_path / "closed" / "out")
    assert code == 5
    assert "permissions" in stderr


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_stopping_is_130_and_says_how_to_go_on(scanseg, images, out, kind):
    for name in "cdef":  # two images are in hand when the signal comes; these are not
        shutil.copy(images / "a.tif", images / f"{name}.tif")

    def stop(image):
        if "a.tif" in image.source:
            signal.raise_signal(kind)

    scanseg.finder.before = stop
    code, _, stderr = scanseg("predict", images, "-o", out, "--fresh")
    assert code == 130
    assert "after the image in hand" in stderr
    assert f"To go on: scanseg predict {images} -o {out}\n" in stderr
    scanseg.finder.before = lambda image: None
    code, stdout, _ = scanseg("predict", images, "-o", out)
    assert code == 0
    assert " unchanged" in stdout


def test_a_dry_run_shows_the_plan_and_writes_nothing(scanseg, images, out):
    (images / "notes.txt").write_text("x")
    code, stdout, stderr = scanseg("predict", images, "-o", out, "--dry-run")
    assert code == 0
    assert not out.exists()
    assert stdout.splitlines() == [
        "new      a.tif",
        "new      b.tif",
        f"skipped  {images / 'notes.txt'}: .txt files hold no images",
    ]
    for expected in ("images   2", "model    spots 1", "device   auto", "tiles    1536 px"):
        assert expected in stderr
    assert not scanseg.finder.seen
    (images / "c.tif").write_bytes(b"")
    scanseg("predict", images, "-o", out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    shutil.copy(images / "a.tif", images / "d.tif")
    _, stdout, _ = scanseg("predict", images, "-o", out, "--dry-run")
    states = [line.split()[0] for line in stdout.splitlines()[:4]]
    assert states == ["known", "known", "failed", "new"]
    _, stdout, _ = scanseg("predict", images, "-o", out, "--dry-run", "--retry", "failed")
    assert "retried  c.tif" in stdout
    _, stdout, _ = scanseg("predict", images, "-o", out, "--dry-run", "--fresh")
    assert "new      a.tif" in stdout
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_a_dry_run_for_programs_and_without_images(scanseg, images, tmp_path, out):
    code, stdout, _ = scanseg("predict", images, "-o", out, "--dry-run", "--events", "jsonl")
    assert code == 0
    (plan,) = [json.loads(line) for line in stdout.splitlines()]
    assert [each["image"] for each in plan["images"]] == ["a.tif", "b.tif"]
    (tmp_path / "empty").mkdir()
    assert scanseg("predict", tmp_path / "empty", "-o", out, "--dry-run")[0] == 4
    # A folder that the run would refuse is refused.
    assert scanseg("predict", images, "-o", images, "--dry-run")[0] == 2
    assert scanseg("predict", images / "a.tif", "-o", images, "--dry-run")[0] == 2


@pytest.mark.parametrize("option", [["--fail-fast"], ["--max-failures", "0"]])
def test_too_many_failures_end_a_run_with_3(scanseg, images, out, option):
    for index in range(9):
        (images / f"a{index}.tif").write_bytes(b"")
    code, stdout, _ = scanseg("predict", images, "-o", out, *option)
    assert code == 3
    assert "more images failed than" in stdout
    assert len(pd.read_csv(out / "failures.csv")) < 9
    assert scanseg("predict", images, "-o", out, "--retry", "failed")[0] == 3
    assert len(pd.read_csv(out / "failures.csv")) == 9


def test_parts_are_joined_by_report(scanseg, images, tmp_path, out):
    whole = tmp_path / "whole"
    for name in "cdef":
        shutil.copy(images / "a.tif", images / f"{name}.tif")
    scanseg("predict", images, "-o", whole)
    code, stdout, _ = scanseg("predict", images, "-o", out, "--shard", "1/2")
    assert code == 0
    assert f"scanseg report {out}" in stdout
    assert not (out / "atoms.csv").exists()
    code, _, stderr = scanseg("report", out)
    assert code == 0
    assert "2-of-2" in stderr
    assert json.loads((out / "run.json").read_text())["finished"] is None
    assert scanseg("predict", images, "-o", out, "--shard", "2/2")[0] == 0
    code, stdout, stderr = scanseg("report", out)
    assert (code, stderr, stdout.strip()) == (0, "", str(out / "report.html"))
    assert (out / "atoms.csv").read_bytes() == (whole / "atoms.csv").read_bytes()
    record = json.loads((out / "run.json").read_text())
    assert record["finished"]
    assert len(record["inputs"]) == 6
    assert set(record["shards"]) == {"1-of-2", "2-of-2"}
    # The whole run finds all of them done.
    assert " 6 images (6 unchanged)" in scanseg("predict", images, "-o", out)[1]


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b"])
def test_a_part_that_cannot_be_is_2(scanseg, images, out, part):
    code, _, stderr = scanseg("predict", images, "-o", out, "--shard", part)
    assert code == 2
    assert "--shard 2/8" in stderr
    assert scanseg("predict", images, "-o", out, "--shard", "1/2", "--fresh")[0] == 2


def test_a_report_of_a_folder_without_results_is_2(scanseg, images):
    code, _, stderr = scanseg("report", images)
    assert code == 2
    assert "no results" in stderr
    assert sorted(path.name for path in images.iterdir()) == ["a.tif", "b.tif"]


def test_events_are_lines_of_json_on_stdout(scanseg, images, out):
    (images / "c.tif").write_bytes(b"")
    code, stdout, _ = scanseg("predict", images, "-o", out, "--events", "jsonl")
    events = [json.loads(line) for line in stdout.splitlines()]
    assert events[0] == {"event": "start", "n_images": 3}
    assert [event["image"] for event in events if event["event"] == "image"] == [
        "a.tif",
        "b.tif",
        "c.tif",
    ]
    assert (events[-1]["event"], events[-1]["exit_code"], events[-1]["n_failed"]) == ("end", 3, 1)
    assert code == 3


def test_quiet_says_only_the_result(scanseg, images, out):
    code, stdout, stderr = scanseg("predict", images, "-o", out, "-q")
    assert (code, stderr) == (0, "")
    assert len(stdout.splitlines()) == 1


def test_options_and_files_reach_the_settings(scanseg, images, out, tmp_path):
    config = tmp_path / "settings.yaml"
    config.write_text("output: {overlay_px: 512}\ninput: {pixel_size_nm: 0.5}\n")
    code, _, _ = scanseg(
        "predict", images, "-o", out, "--config", config, "--set", "output.overlay_frames=1",
        "--pixel-size-nm", "0.01,0.02", "--save", "probability,uncertainty",
    )  # fmt: skip
    assert code == 0
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["output"] == {
        "save": ["probability", "uncertainty"],
        "overlay_px": 512,
        "overlay_frames": 1,
    }
    assert settings["input"]["pixel_size_nm"] == [0.01, 0.02]  # the option wins over the file
    assert (out / "a.tif" / "probability.tif").exists()
    atoms = pd.read_csv(out / "atoms.csv")
    np.testing.assert_allclose(atoms["x_nm"], atoms["x_px"] * 0.02, atol=1e-6)


def test_a_channel_called_by_a_number_is_text(scanseg, images, out):
    code, _, stderr = scanseg("predict", images, "-o", out, "--channel", "0")
    assert code == 0, stderr


@pytest.fixture
def both(scanseg, images, tools, monkeypatch):
    """The command line with a model for each modality, and a scan among the images."""
    monkeypatch.setattr(
        "scanseg.cli.folder_run.open_processor", lambda model, settings, **_: tools.both_kinds()
    )
    tools.write_scan(images / "c_scan.tif")
    return scanseg


def test_the_kind_of_a_file_chooses_its_model_and_that_is_said(both, images, out):
    code, stdout, stderr = both("predict", images, "-o", out)
    assert code == 0
    assert stdout.startswith("48 atoms in 2 images, 2 walls in 1 image, ")
    assert f"{out / 'atoms.csv'}, {out / 'walls.csv'}" in stdout
    assert "model    spots 1 for STEM, walls 2 for PFM, as the signal of each file says" in stderr
    assert "c_scan.tif: 2 walls, " in stderr
    assert "c_scan.tif: PFM_AMPLITUDE, so model walls: 2 walls" in (out / "run.log").read_text()
    assert pd.read_csv(out / "images.csv")["model"].tolist() == ["spots", "spots", "walls"]
    _, stdout, stderr = both("predict", images, "-o", out)
    assert "1 image (3 unchanged)" in stdout
    assert "c_scan.tif: 2 walls, unchanged" in stderr


def test_programs_are_told_the_kind_of_result(both, images, out):
    _, stdout, _ = both("predict", images, "-o", out, "--events", "jsonl")
    events = [json.loads(line) for line in stdout.splitlines()]
    kinds = [event["task"] for event in events if event["event"] == "image"]
    assert kinds == ["atoms", "atoms", "walls"]
    assert events[-1]["found"]["walls"] == {"n_images": 1, "n_objects": 2}
    assert events[-1]["n_objects"] == 50


def test_a_run_over_scans_names_the_table_of_walls(both, images, out):
    code, stdout, _ = both("predict", images / "c_scan.tif", "-o", out)
    assert code == 0
    assert stdout.startswith("2 walls in 1 image, ")
    assert not (out / "atoms.csv").exists()

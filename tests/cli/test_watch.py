"""``scanseg watch``: exit codes and streams."""

from __future__ import annotations

import json
import signal

import pandas as pd
import pytest

QUICK = ("--settle", "0.02", "--every", "0.01", "--idle", "0.1")


@pytest.fixture
def images(tmp_path, tools):
    tools.write_tiff(tmp_path / "in" / "a.tif", tools.spots())
    return tmp_path / "in"


def test_it_ends_when_nothing_comes_any_more(scanseg, images, tmp_path):
    out = tmp_path / "out"
    code, stdout, stderr = scanseg("watch", images, out, *QUICK)
    assert code == 0
    assert stdout.startswith("24 atoms in 1 image")
    assert "[1] a.tif: 24 atoms" in stderr
    assert "spots 1" in stderr
    assert len(pd.read_csv(out / "atoms.csv")) == 24
    # The same folder, the same lock, the same manifest.
    code, stdout, _ = scanseg("predict", images, "-o", out)
    assert code == 0
    assert "1 unchanged" in stdout


def test_the_memory_is_that_of_predict(scanseg, images, tmp_path):
    out = tmp_path / "out"
    code, _, _ = scanseg("watch", images, out, *QUICK, "--memory", "0.9GB")
    assert code == 0
    settings = json.loads((out / "run.json").read_text())["settings"]
    # Half of 0.9 GB less what the program takes, at 100 bytes a pixel, in steps of 64 px.
    assert settings["inference"]["tile_px"] == 960
    code, stdout, _ = scanseg("predict", images, "-o", out, "--memory", "0.9GB")
    assert "1 unchanged" in stdout
    assert scanseg("watch", images, out, *QUICK, "--memory", "much")[0] == 2


def test_events_for_programs(scanseg, images, tmp_path):
    code, stdout, _ = scanseg("watch", images, tmp_path / "out", *QUICK, "--events", "jsonl")
    events = [json.loads(line) for line in stdout.splitlines()]
    assert [each["event"] for each in events] == ["start", "frame", "image", "end"]
    assert events[-1]["exit_code"] == code == 0
    assert events[-1]["n_done"] == 1


def test_failures_are_3_and_nothing_is_4(scanseg, images, tmp_path):
    (images / "b.tif").write_bytes(b"")
    code, stdout, _ = scanseg("watch", images, tmp_path / "out", *QUICK)
    assert code == 3
    assert "1 failed" in stdout
    (tmp_path / "empty").mkdir()
    assert scanseg("watch", tmp_path / "empty", tmp_path / "out2", *QUICK)[0] == 4


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_stopping_is_130_and_says_how_to_go_on(scanseg, images, tmp_path, kind):
    out = tmp_path / "out"
    scanseg.finder.before = lambda image: signal.raise_signal(kind)
    code, _, stderr = scanseg("watch", images, out, *QUICK[:4])
    assert code == 130
    assert f"To go on: scanseg watch {images} {out}" in stderr
    assert (out / "report.html").exists()


def test_what_is_no_folder_is_2(scanseg, images, tmp_path):
    code, _, stderr = scanseg("watch", images / "a.tif", tmp_path / "out")
    assert code == 2
    assert "no folder" in stderr
    code, _, stderr = scanseg("watch", images, images)
    assert code == 2
    assert "inputs stay" in stderr
    assert not (tmp_path / "out").exists()

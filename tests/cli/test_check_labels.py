"""``scanseg check --labels``: one table of every problem, and exit codes as elsewhere."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def data(tmp_path, tools):
    folder = tmp_path / "data"
    tools.write_tiff(folder / "a.tif", tools.spots())
    (folder / "a_atoms.csv").write_text("y_px,x_px\n5,6\n20,30\n")
    return folder


def test_good_labels_are_0(scanseg, data, spots_model):
    code, stdout, _ = scanseg("check", "--labels", data, "--from", spots_model)
    assert code == 0
    assert "2 column" in stdout
    assert stdout.splitlines()[-1] == "1 labelled images can be trained on."


def test_errors_are_3_and_all_are_in_the_table(scanseg, data, tools):
    tools.write_tiff(data / "b.tif", tools.spots())
    (data / "b_atoms.csv").write_text("y,x\n5,6\n")
    (data / "lost_atoms.csv").write_text("y_px,x_px\n5,6\n")
    code, stdout, _ = scanseg("check", "--labels", data)
    assert code == 3
    assert [line.split()[0] for line in stdout.splitlines() if "error " in line] == ["error"] * 2
    assert "no image called lost" in stdout
    assert "2 with errors" in stdout
    code, stdout, _ = scanseg("check", "--labels", "--json", data)
    assert code == 3
    content = json.loads(stdout)
    assert content["images"] == ["a.tif"]
    assert {each["name"] for each in content["problems"] if each["level"] == "error"} == {
        "b.tif",
        "lost_atoms.csv",
    }


def test_no_labels_are_4_and_several_folders_2(scanseg, tmp_path, data):
    (tmp_path / "empty").mkdir()
    assert scanseg("check", "--labels", tmp_path / "empty")[0] == 4
    assert scanseg("check", "--labels", data, tmp_path / "empty")[0] == 2
    assert scanseg("check", "--labels", tmp_path / "nowhere")[0] == 2


def test_labels_with_errors_are_not_trained_on(scanseg, data, tmp_path, spots_model):
    (data / "lost_atoms.csv").write_text("y_px,x_px\n5,6\n")
    code, stdout, stderr = scanseg("train", data, "--from", spots_model, "-o", tmp_path / "out")
    assert code == 2
    assert "no image called lost" in stdout
    assert "1 errors in the labels" in stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--from stem-atoms"),
        (("--from", "MODEL", "--speed", "warp"), "speed"),
        (("--from", "MODEL", "--reviewed"), "no run"),
        (("--from", "MODEL", "--resume"), "cannot be resumed"),
        (("--from", "MODEL", "--set", "stepps=3"), "did you mean 'steps'"),
    ],
)
def test_what_cannot_be_trained_is_2(scanseg, data, tmp_path, spots_model, options, words):
    given = [spots_model if each == "MODEL" else each for each in options]
    code, _, stderr = scanseg("train", data, "-o", tmp_path / "out", *given)
    assert code == 2
    assert words in stderr


def test_fix_mends_a_copy_and_says_what(scanseg, data, tmp_path, spots_model):
    (data / "a_atoms.csv").write_text("y_px,x_px\n5,6\n20,30\n20,30\n,4\n")
    assert scanseg("check", "--labels", data, "--from", spots_model)[0] == 3
    copy = tmp_path / "copy"
    code, stdout, _ = scanseg("check", "--labels", data, "--from", spots_model, "--fix", copy)
    assert code == 0
    assert "mended   a.tif  1 rows without a position were left out" in stdout
    assert (copy / "a_atoms.csv").read_text() == "y_px,x_px\n5.0,6\n20.0,30\n"
    assert (data / "a_atoms.csv").read_text().endswith(",4\n")
    assert scanseg("check", "--labels", data, "--fix", copy)[0] == 2
    assert scanseg("check", data, "--fix", tmp_path / "other")[0] == 2

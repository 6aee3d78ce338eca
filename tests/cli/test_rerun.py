"""``scanseg rerun``: the same again, or what differs."""

from __future__ import annotations

import json
import sys

import pytest

from scanseg.cli import main


@pytest.fixture
def call(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["scanseg", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        shown = capsys.readouterr()
        return int(exit.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def first(tmp_path, tools, spots_model, call):
    """A finished run over two images and a broken file."""
    for index, name in enumerate(("a.tif", "sub/b.tif")):
        tools.write_tiff(tmp_path / "in" / name, tools.spots((96, 120), offset=index))
    (tmp_path / "in" / "broken.tif").write_bytes(b"II*\0")
    out = tmp_path / "first"
    options = ("-m", spots_model, "--set", "output.overlay_px=512", "--device", "cpu")
    assert call("predict", tmp_path / "in", "-o", out, *options)[0] == 3
    assert "a.tif" in (out / "atoms.csv").read_text()
    return out


def test_an_unchanged_run_gives_the_same_again(first, tmp_path, call):
    code, stdout, _ = call("rerun", first / "run.json")
    assert (code, stdout) == (0, "3 of 3 inputs are as they were\n")
    second = tmp_path / "second"
    code, stdout, stderr = call("rerun", first, "-o", second)
    assert (code, stdout.splitlines()[-1]) == (0, "3 of 3 images have the same results"), stderr
    for name in ("atoms.csv", "sub/b.tif/class_map.tif", "a.tif/overlay.png"):
        assert (second / name).read_bytes() == (first / name).read_bytes()
    settings = [json.loads((folder / "run.json").read_text())["settings"] for folder in
                (first, second)]  # fmt: skip
    assert settings[0] == settings[1]


def test_what_has_changed_is_said(first, tmp_path, tools, call):
    tools.write_tiff(tmp_path / "in" / "a.tif", tools.spots((96, 120), offset=3))
    (tmp_path / "in" / "broken.tif").unlink()
    record = json.loads((first / "run.json").read_text())
    record["versions"]["numpy"] = "0.1"
    record["model"]["checksum"] = "other"
    (first / "run.json").write_text(json.dumps(record))
    code, stdout, _ = call("rerun", first)
    assert code == 3
    assert f"changed: {tmp_path / 'in' / 'a.tif'} has other contents" in stdout
    assert "broken.tif is not there any more" in stdout
    assert "version of numpy: 0.1 then" in stdout
    assert "its checksum is another" in stdout
    assert "1 of 3 inputs" in stdout


def test_other_results_are_said(first, tmp_path, call):
    manifest = first / "manifest.jsonl"
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    for entry in entries:
        if entry["name"] == "a.tif":
            entry["outputs"]["atoms.csv"] = "0"
            entry["n_objects"] = 1
    manifest.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    code, stdout, _ = call("rerun", first, "-o", tmp_path / "second")
    assert code == 3
    assert "differs: a.tif: atoms.csv differ; 1 atoms then" in stdout
    assert "2 of 3 images have the same results" in stdout


def test_what_is_no_record_is_2(first, tmp_path, call):
    assert call("rerun", tmp_path / "nowhere" / "run.json")[0] == 2
    (tmp_path / "other.json").write_text("[]")
    assert call("rerun", tmp_path / "other.json")[0] == 2
    code, _, stderr = call("rerun", first, "-o", first)
    assert code == 2
    assert "new folder" in stderr

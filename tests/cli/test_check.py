"""``scanseg check``: what is in files, where calibrations come from, what would fail."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from scanseg.micrograph import Micrograph, Signal


@pytest.fixture
def images(tmp_path, tools):
    folder = tmp_path / "in"
    tools.write_tiff(folder / "a.tif", tools.spots())
    with h5py.File(folder / "two.h5", "w") as file:
        file["BF"] = tools.spots((32, 48))
        file["HAADF"] = tools.spots((32, 48)).astype(np.int32)
    return folder


def look(scanseg, *arguments):
    code, stdout, _ = scanseg("check", "--json", *arguments)
    return code, {file["path"].rpartition("/")[2]: file for file in json.loads(stdout)["files"]}


def test_json_tells_channels_and_where_the_pixel_size_comes_from(scanseg, images, tools):
    code, files = look(scanseg, images)
    assert code == 0
    (channel,) = files["a.tif"]["channels"]
    assert channel["pixel_size_nm"] == pytest.approx(tools.PIXEL_SIZE_NM)
    assert channel["calibration"] == "ome"
    assert (channel["height_px"], channel["width_px"], channel["dtype"]) == (40, 60, "uint16")
    assert (channel["lowest"], channel["highest"]) == (10, 100)
    bright, dark = files["two.h5"]["channels"]
    assert (bright["name"], bright["taken"]) == ("BF", False)
    # the type as it is stored, although the image is held in float32
    assert (dark["name"], dark["taken"], dark["dtype"]) == ("HAADF", True, "int32")
    assert (dark["pixel_size_nm"], dark["calibration"]) == (None, "none")


def test_text_names_the_channel_that_is_taken(scanseg, images):
    code, stdout, _ = scanseg("check", images)
    assert code == 0
    assert "a.tif: TIFF, taken for STEM" in stdout
    assert "0.02 x 0.03 nm a pixel (ome)" in stdout
    (taken,) = [line for line in stdout.splitlines() if "HAADF," in line and "note" not in line]
    assert taken.strip().startswith("* 1 HAADF, 32 x 48, int32")
    assert "no pixel size" in taken


def test_of_a_scan_all_channels_are_taken_but_those_that_hold_nothing(scanseg, images, tools):
    scan = tools.scan()
    tools.write_scan(images / "scan.tif", scan)
    _, files = look(scanseg, images / "scan.tif")
    assert files["scan.tif"]["modality"] == "PFM"
    assert [each["taken"] for each in files["scan.tif"]["channels"]] == [True, True]
    assert files["scan.tif"]["warnings"] == []
    phase = Micrograph(np.full(scan.shape, 90.0), signal=Signal.PFM_PHASE)
    tools.write_scan(images / "flat.tif", replace(scan, companions={phase.signal: phase}))
    code, stdout, _ = scanseg("check", images / "flat.tif")
    assert code == 0
    assert "PFM_PHASE has the same value everywhere, so it is left out." in stdout


def test_options_and_notes_override_the_file(scanseg, images):
    (images / "two.h5.scanseg.yaml").write_text("pixel_size_nm: 0.5\n")
    _, files = look(scanseg, images)
    assert {each["calibration"] for each in files["two.h5"]["channels"]} == {"sidecar"}
    _, files = look(scanseg, images / "two.h5", "--pixel-size-nm", "0.1,0.2", "--channel", "BF")
    taken = next(each for each in files["two.h5"]["channels"] if each["taken"])
    assert (taken["name"], taken["pixel_size_nm"]) == ("BF", [0.1, 0.2])
    assert taken["calibration"] == "given"


def test_a_file_that_cannot_be_used_is_3_and_said(scanseg, images):
    (images / "cut.tif").write_bytes((images / "a.tif").read_bytes()[:900])
    np.save(images / "flat.npy", np.zeros((30, 40), np.float32))
    (images / "notes.raw9").write_bytes(b"no image at all")
    code, files = look(scanseg, images)
    assert code == 3
    assert files["cut.tif"]["status"] == "failed"
    assert files["cut.tif"]["failure"]["hint"]
    assert files["flat.npy"]["failure"]["stage"] == "check"
    assert files["notes.raw9"]["status"] == "skipped"
    code, stdout, _ = scanseg("check", images)
    assert code == 3
    assert "FAILED (Truncated)" in stdout
    assert "notes.raw9" not in stdout


def test_nothing_to_check_is_4_and_a_wrong_path_2(scanseg, tmp_path):
    assert scanseg("check", tmp_path)[0] == 4
    assert scanseg("check", tmp_path / "nowhere")[0] == 2
    assert scanseg("check", tmp_path, "--pixel-size-nm", "small")[0] == 2


def test_nothing_is_written(scanseg, images):
    before = sorted(images.parent.rglob("*"))
    scanseg("check", images)
    assert sorted(images.parent.rglob("*")) == before

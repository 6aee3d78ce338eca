"""Runs over scans of a force microscope, and over folders that hold both kinds of images."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from scanseg.errors import ScansegError
from scanseg.micrograph import Micrograph, Signal
from scanseg.runs.choice import ByModality
from scanseg.runs.folder import RunFolder
from scanseg.runs.process import ModelProcessor
from scanseg.runs.publish import publish
from scanseg.runs.settings import RunSettings
from scanseg.runs.shards import Shard
from scanseg.runs.summary import write_summary


@pytest.fixture
def mixed(bench, tools):
    """A folder with two scans and an image of spots."""
    tools.write_tiff(bench.images / "b" / "spots.tif", tools.spots())
    tools.write_scan(bench.images / "a_scan.tif")
    tools.write_scan(bench.images / "c_scan.tif", tools.scan(shift_px=3.0))
    return bench


def test_the_map_of_domains_is_kept_where_it_is_asked_for(mixed, tools):
    settings = RunSettings.from_settings({"output": {"save": ["domains"]}})
    mixed.run(tools.both_kinds(), settings=settings)
    domains = tifffile.imread(mixed.output / "a_scan.tif" / "domains.tif")
    table = pd.read_csv(mixed.output / "a_scan.tif" / "domains.csv")
    np.testing.assert_array_equal(np.bincount(domains.ravel())[1:], table["area_px"])
    assert not (mixed.output / "b" / "spots.tif" / "domains.tif").exists()


def test_files_and_numbers_of_a_scan(bench, tools):
    tools.write_scan(bench.images / "scan.tif")
    result = bench.run(tools.both_kinds())
    assert (result.n_done, result.n_failed, dict(result.found)) == (1, 0, {"walls": (1, 2)})
    assert {path.name for path in bench.output.iterdir()} == {
        "walls.csv", "wall_points.csv", "domains.csv", "scan.tif", "images.csv", "failures.csv",
        "manifest.jsonl", "report.html", "run.json",
    }  # fmt: skip
    folder = bench.output / "scan.tif"
    assert {path.name for path in folder.iterdir()} == {
        "walls.csv", "wall_points.csv", "domains.csv", "walls.geojson", "class_map.tif",
        "overlay.png",
    }  # fmt: skip
    walls, points = bench.table("walls.csv"), bench.table("wall_points.csv")
    assert walls.columns[:5].tolist() == ["image", "frame", "branch", "class", "length_px"]
    assert points.columns.tolist() == [
        "image", "frame", "branch", "point", "y_px", "x_px", "y_nm", "x_nm", "class",
        "probability", "position_err_px",
    ]  # fmt: skip
    assert bench.table("domains.csv").columns[:4].tolist() == [
        "image",
        "frame",
        "domain",
        "area_nm2",
    ]
    found = points.groupby("branch")["x_px"].median().sort_values()
    # Noise of 2 % over 48 rows leaves 0.01 px; half a pixel would be the skeleton's own.
    np.testing.assert_allclose(found, tools.SCAN_WALLS_PX, atol=0.1)
    row = bench.table("images.csv").iloc[0]
    assert row[["signal", "n_walls", "n_domains"]].tolist() == ["PFM_AMPLITUDE", 2, 3]
    # Two lines from the first row to the last: the ends may be cut by a pixel.
    assert row["wall_length_px"] == pytest.approx(2 * 47, abs=3)
    assert row["wall_length_nm"] == pytest.approx(5.0 * row["wall_length_px"], rel=1e-2)
    assert row["ferroelectric_length_nm"] == row["wall_length_nm"]
    assert row["ferroelastic_length_px"] == 0
    area_um2 = 48 * 5e-3 * 72 * 8e-3
    density = row["wall_length_nm"] * 1e-3 / area_um2
    assert row["wall_density_um_per_um2"] == pytest.approx(density, rel=1e-4)
    assert set(tifffile.imread(folder / "class_map.tif").ravel()) == {0, 1}
    lines = json.loads((folder / "walls.geojson").read_text())["features"]
    assert {(each["properties"]["frame"], each["geometry"]["type"]) for each in lines} == {
        (0, "LineString")
    }


def test_a_scan_without_a_calibration_is_measured_in_pixels(bench, tools):
    tools.write_scan(bench.images / "scan.tif", tools.scan().with_pixel_size(None))
    bench.run(tools.both_kinds())
    row = bench.table("images.csv").iloc[0]
    assert row["wall_length_px"] > 90
    assert row[["wall_length_nm", "wall_density_um_per_um2"]].isna().all()
    page = (bench.output / "report.html").read_text(encoding="utf-8")
    assert "length of walls, px" in page


def test_a_scan_without_walls_has_empty_tables(bench, tools):
    flat = tools.scan()
    phase = Micrograph(np.random.default_rng(2).normal(0, 3, flat.shape), signal=Signal.PFM_PHASE)
    plain = Micrograph(flat.data, signal=flat.signal, companions={Signal.PFM_PHASE: phase})
    tools.write_scan(bench.images / "scan.tif", plain)
    result = bench.run(tools.both_kinds())
    assert (result.n_done, result.n_objects) == (1, 0)
    for name in ("walls.csv", "wall_points.csv"):
        table = bench.table(name)
        assert (len(table), "branch" in table) == (0, True)


def test_a_folder_may_hold_both_kinds(mixed, tools):
    result = mixed.run(tools.both_kinds())
    assert dict(result.found) == {"atoms": (1, 24), "walls": (2, 4)}
    rows = mixed.table("images.csv")
    assert rows["model"].tolist() == ["walls", "spots", "walls"]
    assert rows["n_atoms"].dropna().tolist() == [24]
    assert rows["n_walls"].dropna().tolist() == [2, 2]
    header = (mixed.output / "images.csv").read_text().splitlines()[0]
    assert "signal,model,spacing_px,spacing_nm,n_atoms,n_walls,n_domains," in header
    assert header.endswith("ferroelastic_length_nm,warnings,seconds")
    assert len(mixed.table("atoms.csv")) == 24
    assert mixed.table("walls.csv")["image"].unique().tolist() == ["a_scan.tif", "c_scan.tif"]
    record = json.loads((mixed.output / "run.json").read_text())
    assert record["model"]["name"] == "spots, walls"
    assert record["model"]["choices"]["PFM"]["version"] == "2"
    assert set(record["colours"]) == {"column", "ferroelectric", "ferroelastic"}
    page = (mixed.output / "report.html").read_text(encoding="utf-8")
    for text in ("spots 1 for STEM, walls 2 for PFM", "Distributions of walls", "24 atoms"):
        assert text in page


def test_a_second_run_over_both_kinds_changes_nothing(mixed, tools):
    mixed.run(tools.both_kinds())
    before = {path: path.read_bytes() for path in mixed.output.rglob("*") if path.is_file()}
    result = mixed.run(tools.both_kinds())
    assert (result.n_kept, result.n_objects) == (3, 28)
    assert before == {path: path.read_bytes() for path in mixed.output.rglob("*") if path.is_file()}


def test_any_other_model_to_choose_from_computes_all_anew(mixed, tools):
    mixed.run(tools.both_kinds())
    others = {"STEM": tools.SpotFinder(), "PFM": tools.WallFinder(checksum="walls-2")}
    assert mixed.run(ByModality(others)).n_done == 3


def test_what_another_kind_has_left_is_removed(mixed, tools):
    mixed.run(tools.both_kinds())
    for name in ("a_scan.tif", "c_scan.tif"):
        tools.write_tiff(mixed.images / name, tools.spots())
    assert mixed.run(tools.both_kinds()).found.keys() == {"atoms"}
    assert not [path for path in mixed.output.rglob("*") if re.match("wall|domain", path.name)]
    mixed.run(tools.both_kinds(), fresh=True)
    assert "n_walls" not in mixed.table("images.csv")


def test_a_scan_is_refused_where_no_model_for_it_ships(mixed, tools):
    result = mixed.run(ByModality({"STEM": tools.SpotFinder()}))
    assert (result.n_done, result.n_failed) == (1, 2)
    reasons = set(mixed.table("failures.csv")["reason"])
    assert reasons == {
        "it is a scan of a force microscope (PFM_AMPLITUDE), and the models that ship are for STEM."
    }


@pytest.mark.parametrize("signal", [Signal.PFM_AMPLITUDE, Signal.PFM_PHASE])
def test_a_named_model_for_stem_refuses_a_scan(signal):
    contract = SimpleNamespace(name="bundle", modality="STEM")
    model = SimpleNamespace(contract=contract, name="bundle", sha256="")
    processor = ModelProcessor(model, RunSettings(), named=True)
    with pytest.raises(ScansegError, match="bundle is for STEM") as caught:
        processor(Micrograph(np.zeros((20, 30)), signal=signal))
    assert "Leave out --model" in caught.value.hint


def test_a_topography_alone_gets_no_model(tools):
    with pytest.raises(ScansegError, match="a topography"):
        tools.both_kinds()(Micrograph(np.zeros((20, 30)), signal=Signal.TOPOGRAPHY))


def test_parts_of_a_mixed_run_give_its_files(mixed, tools):
    mixed.run(tools.both_kinds())
    expected = _comparable(mixed.files())
    mixed.output = mixed.output.with_name("parts") / "out"
    for index in (1, 2):
        mixed.run(tools.both_kinds(), shard=Shard(index, 2))
    with RunFolder(mixed.output) as folder:
        write_summary(folder)
        publish(folder)
    assert _comparable(mixed.files()) == expected


KILLED = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("conftest_of_runs", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
from pathlib import Path
bench = module.Bench(Path(sys.argv[2]), Path(sys.argv[3]))
bench.run(module.both_kinds(lambda image: time.sleep(0.05)))
"""


def test_a_killed_mixed_run_resumes_to_the_same_files(mixed, tools, request):
    for index in range(4):
        tools.write_scan(mixed.images / f"d{index}.tif", tools.scan(shift_px=index / 3))
    mixed.run(tools.both_kinds())
    expected = _comparable(mixed.files())
    mixed.output = mixed.output.with_name("killed") / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, request.path.with_name("conftest.py"), mixed.images,
         mixed.output],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    manifest = mixed.output / "manifest.jsonl"
    while process.poll() is None and (
        not manifest.exists() or b"d0.tif" not in manifest.read_bytes()
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = mixed.run(tools.both_kinds())
    assert result.n_kept >= 3
    assert result.n_kept + result.n_done == 7
    assert _comparable(mixed.files()) == expected


def _comparable(files):
    """Without times, and without the number of bytes of a page that holds them."""
    rows = files["images.csv"].decode().splitlines()
    report = re.sub(rb'<section id="run".*?</section>', b"", files["report.html"], flags=re.DOTALL)
    return {**files, "images.csv": [row.rsplit(",", 1)[0] for row in rows], "report.html": report}


def test_digits_of_tables_are_those_that_matter(bench, tools):
    tools.write_scan(bench.images / "scan.tif")
    bench.run(tools.both_kinds())
    points = pd.read_csv(bench.output / "wall_points.csv", dtype=str)
    assert points["x_px"].str.fullmatch(r"\d+\.\d{1,3}").all()
    assert points["x_nm"].str.fullmatch(r"\d+\.\d{1,2}").all()

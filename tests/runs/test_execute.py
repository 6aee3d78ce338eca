"""A run from files to files, with a model that needs no network."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tifffile

from scanseg.errors import ConfigError, MachineError
from scanseg.runs.folder import RunFolder
from scanseg.runs.settings import RunSettings


def test_files_and_columns_are_those_of_the_manual(bench, tools):
    tools.write_tiff(bench.images / "sub" / "scan.tif", tools.spots())
    result = bench.run()
    assert (result.n_done, result.n_failed, result.n_objects) == (1, 0, 24)
    assert sorted(path.name for path in bench.output.iterdir()) == [
        "atoms.csv",
        "failures.csv",
        "images.csv",
        "manifest.jsonl",
        "report.html",
        "run.json",
        "sub",
    ]
    folder = bench.output / "sub" / "scan.tif"
    assert sorted(path.name for path in folder.iterdir()) == [
        "atoms.csv",
        "class_map.tif",
        "overlay.png",
    ]
    header = (bench.output / "atoms.csv").read_text().splitlines()[0]
    assert header == (
        "image,frame,atom,y_px,x_px,y_nm,x_nm,class,probability,y_err_px,x_err_px,"
        "amplitude,sigma_px,background,at_edge,fit_ok"
    )
    atoms = bench.table("atoms.csv")
    assert set(atoms["image"]) == {"sub/scan.tif"}
    assert atoms[["y_px", "x_px"]].iloc[0].tolist() == [4.5, 4.5]
    row = bench.table("images.csv").iloc[0]
    assert row[["height_px", "width_px", "n_atoms"]].tolist() == [40, 60, 24]
    assert row["spacing_px"] == 10
    # Anisotropic pixels: the geometric mean of 0.02 and 0.03 nm, to the 6 digits of the table.
    assert row["spacing_nm"] == pytest.approx(10 * np.sqrt(0.02 * 0.03), rel=1e-4)
    assert row["warnings"] == "a remark"


def test_calibration_passes_from_the_image_to_the_class_map(bench, tools):
    from scanseg.readers import read

    tools.write_tiff(bench.images / "with.tif", tools.spots())
    tools.write_tiff(bench.images / "without.tif", tools.spots(), calibrated=False)
    bench.run()
    with_calibration = read(bench.output / "with.tif" / "class_map.tif")
    assert with_calibration.pixel_size_nm == pytest.approx(tools.PIXEL_SIZE_NM)
    assert with_calibration.data.dtype == np.uint8
    assert with_calibration.shape == (40, 60)
    np.testing.assert_array_equal(with_calibration.data, tools.spots() > 50)
    assert read(bench.output / "without.tif" / "class_map.tif").pixel_size_nm is None
    atoms = bench.table("atoms.csv")
    assert atoms.loc[atoms["image"] == "without.tif", "y_nm"].isna().all()
    assert atoms.loc[atoms["image"] == "with.tif", "x_nm"].iloc[0] == pytest.approx(4.5 * 0.03)


def test_inputs_are_not_touched(bench, tools):
    path = tools.write_tiff(bench.images / "scan.tif", tools.spots())
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(bench.images.iterdir()))
    bench.run()
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(bench.images.iterdir())) == before


def test_manifest_holds_checksums_of_inputs_and_outputs(bench, tools):
    path = tools.write_tiff(bench.images / "scan.tif", tools.spots())
    bench.run()
    (line,) = (bench.output / "manifest.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (entry["status"], entry["n_objects"]) == ("done", 24)
    assert set(entry["outputs"]) == {"atoms.csv", "class_map.tif", "overlay.png"}
    for name, checksum in entry["outputs"].items():
        content = (bench.output / "scan.tif" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
    record = json.loads((bench.output / "run.json").read_text())
    assert record["model"]["checksum"] == "model-1"
    assert record["settings"]["output"]["overlay_px"] == 2048


def test_a_second_run_computes_nothing_and_changes_nothing(bench, tools):
    for name in ("a.tif", "b.tif"):
        tools.write_tiff(bench.images / name, tools.spots())
    bench.run()
    before = {path: path.read_bytes() for path in bench.output.rglob("*") if path.is_file()}
    finder = tools.SpotFinder()
    result = bench.run(finder)
    assert not finder.seen
    assert (result.n_done, result.n_kept, result.n_objects) == (0, 2, 48)
    assert before == {path: path.read_bytes() for path in bench.output.rglob("*") if path.is_file()}


def test_what_has_changed_is_computed_again(bench, tools):
    for name in ("a.tif", "b.tif", "c.tif"):
        tools.write_tiff(bench.images / name, tools.spots())
    bench.run()
    tools.write_tiff(bench.images / "a.tif", tools.spots(offset=3))  # other contents
    (bench.output / "b.tif" / "atoms.csv").write_text("spoilt")
    finder = tools.SpotFinder()
    assert bench.run(finder).n_kept == 1
    assert [os.path.basename(path) for path in finder.seen] == ["a.tif", "b.tif"]
    finder = tools.SpotFinder(checksum="model-2")
    assert bench.run(finder).n_done == 3
    settings = RunSettings.from_settings({"output": {"save": ["uncertainty"]}})
    assert bench.run(tools.SpotFinder(checksum="model-2"), settings=settings).n_done == 3
    assert (bench.output / "a.tif" / "uncertainty.tif").exists()
    # Back to the first settings: a map that was not asked for does not stay.
    bench.run(tools.SpotFinder(checksum="model-2"))
    assert not (bench.output / "a.tif" / "uncertainty.tif").exists()


def test_further_maps_are_written_when_asked_for(bench, tools):
    tools.write_tiff(bench.images / "scan.tif", tools.spots())
    settings = RunSettings.from_settings({"output": {"save": ["probability", "uncertainty"]}})
    bench.run(settings=settings)
    folder = bench.output / "scan.tif"
    probability = tifffile.imread(folder / "probability.tif")
    assert probability.shape == (2, 40, 60)
    np.testing.assert_allclose(probability.sum(axis=0), 1)
    assert np.all(tifffile.imread(folder / "uncertainty.tif") == 0.25)


def test_frames_of_a_movie_keep_their_place(bench, tools):
    movie = np.stack([tools.spots(offset=frame) for frame in range(5)])
    movie[2] = 7  # a constant frame: nothing can be found in it
    tools.write_tiff(bench.images / "movie.tif", movie)
    result = bench.run()
    assert (result.n_done, result.n_failed) == (1, 1)
    folder = bench.output / "movie.tif"
    maps = tifffile.imread(folder / "class_map.tif")
    np.testing.assert_array_equal(maps, movie > 50)
    rows = bench.table("images.csv")
    assert rows["frame"].tolist() == [0, 1, 2, 3, 4]
    assert rows["status"].tolist() == ["done", "done", "failed", "done", "done"]
    atoms = bench.table("atoms.csv")
    assert sorted(set(atoms["frame"])) == [0, 1, 3, 4]
    assert "frame 2" in bench.table("failures.csv")["reason"].iloc[0]
    assert {path.name for path in folder.glob("*.png")} == {"overlay.png", "overlay_4.png"}


def test_a_failing_model_fails_one_image(bench, tools):
    def refuse(image):
        if "b.tif" in image.source:
            raise ValueError("this one is odd")

    for name in ("a.tif", "b.tif", "c.tif"):
        tools.write_tiff(bench.images / name, tools.spots())
    result = bench.run(tools.SpotFinder(before=refuse))
    assert (result.n_done, result.n_failed) == (2, 1)
    (failure,) = bench.table("failures.csv").to_dict("records")
    assert failure["stage"] == "predict"
    assert failure["error"] == "ValueError"
    assert "this one is odd" in failure["reason"]
    assert failure["hint"]


@pytest.mark.parametrize(("max_failures", "n_failed"), [(0, 1), (2, 3), (20, 20)])
def test_a_run_gives_up_after_so_many_failures(bench, tools, max_failures, n_failed):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    for index in range(20):
        (bench.images / f"b{index:02d}.tif").write_bytes(b"")
    result = bench.run(max_failures=max_failures)
    # Up to two outcomes wait to be written and two images are in hand when it stops.
    assert n_failed <= result.n_failed <= n_failed + 4
    assert result.gave_up == (max_failures < 20)
    assert result.n_done == 1
    assert (json.loads((bench.output / "run.json").read_text())["finished"] is None) == (
        max_failures < 20
    )
    # Failures of an earlier run are known, and do not count again.
    assert bench.run(max_failures=20).n_failed == 20


def test_too_little_memory_is_told_and_survived(bench, tools):
    def exhausted(image):
        if "a.tif" in image.source:
            raise MemoryError

    for name in ("a.tif", "b.tif"):
        tools.write_tiff(bench.images / name, tools.spots())
    result = bench.run(tools.SpotFinder(before=exhausted))
    assert (result.n_done, result.n_failed) == (1, 1)
    assert "memory" in bench.table("failures.csv")["reason"].iloc[0]
    # What failed is not tried again by itself, and is when asked for.
    assert bench.run(tools.SpotFinder()).n_failed == 1
    result = bench.run(tools.SpotFinder(), retry_failed=True)
    assert (result.n_done, result.n_kept, result.n_failed) == (1, 1, 0)
    assert bench.table("failures.csv").empty


def test_a_full_disk_ends_the_run(bench, tools, monkeypatch):
    for name in ("a.tif", "b.tif", "c.tif"):
        tools.write_tiff(bench.images / name, tools.spots())
    replace = os.replace

    def full(source, target):
        if "b.tif" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(MachineError, match="full"):
        bench.run()
    monkeypatch.undo()
    result = bench.run()
    assert (result.n_kept, result.n_done, result.n_failed) == (1, 2, 0)


def test_ctrl_c_finishes_what_is_in_hand_and_the_next_run_goes_on(bench, tools):
    for name in "abcdef":
        tools.write_tiff(bench.images / f"{name}.tif", tools.spots(offset=ord(name) % 4))
    undisturbed = bench.output
    bench.run()
    expected = bench.files()

    def stop(image):
        if "d.tif" in image.source:
            raise KeyboardInterrupt

    bench.output = undisturbed.with_name("stopped") / "out"
    result = bench.run(tools.SpotFinder(before=stop))
    assert result.interrupted
    assert result.n_done == 3
    assert not list(bench.output.glob(".*"))
    result = bench.run()
    assert (result.n_kept, result.n_done) == (3, 3)
    assert _without_seconds(bench.files()) == _without_seconds(expected)


KILLED = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("conftest_of_runs", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
from pathlib import Path
bench = module.Bench(Path(sys.argv[2]), Path(sys.argv[3]))
bench.run(module.SpotFinder(before=lambda image: time.sleep(0.03)))
"""


def test_a_killed_run_resumes_to_the_same_files(bench, tools, request):
    for index in range(12):
        tools.write_tiff(bench.images / f"{index:02d}.tif", tools.spots(offset=index % 5))
    movie = np.stack([tools.spots(offset=frame) for frame in range(4)])
    tools.write_tiff(bench.images / "99_movie.tif", movie)
    bench.run()
    expected = bench.files()
    helper = request.path.with_name("conftest.py")
    bench.output = bench.output.with_name("killed") / "out"
    n_kills = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(helper), str(bench.images), str(bench.output)],
            stderr=subprocess.DEVNULL,
        )
        manifest = bench.output / "manifest.jsonl"
        n_lines = _n_lines(manifest)
        while process.poll() is None and _n_lines(manifest) < n_lines + 3:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            n_kills += 1
        process.wait()
    with (bench.output / "manifest.jsonl").open("a") as file:
        file.write('{"name": "00.tif", "pa')  # killed in the middle of a line
    assert n_kills == 2
    result = bench.run()
    assert result.n_done + result.n_kept == 13
    assert result.n_kept >= 6
    assert _without_seconds(bench.files()) == _without_seconds(expected)


def _n_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _without_seconds(files):
    images = files["images.csv"].decode()
    rows = [line.rsplit(",", 1)[0] for line in images.splitlines()]
    report = re.sub(rb'<section id="run".*?</section>', b"", files["report.html"], flags=re.DOTALL)
    return {**files, "images.csv": "\n".join(rows).encode(), "report.html": report}


def test_tables_do_not_depend_on_the_order_of_runs(bench, tools):
    tools.write_tiff(bench.images / "b.tif", tools.spots())
    bench.run()
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    bench.run()
    assert bench.table("images.csv")["image"].tolist() == ["a.tif", "b.tif"]
    assert bench.table("atoms.csv")["image"].unique().tolist() == ["a.tif", "b.tif"]


def test_a_foreign_folder_is_refused(bench, tools):
    bench.output.mkdir()
    (bench.output / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="thesis"):
        bench.run()
    assert [path.name for path in bench.output.iterdir()] == ["thesis.tex"]


def test_two_runs_into_one_folder_are_refused(bench):
    with RunFolder(bench.output), pytest.raises(ConfigError, match="Another run"):
        RunFolder(bench.output)


def test_fresh_removes_our_files_and_no_other(bench, tools):
    tools.write_tiff(bench.images / "sub" / "a.tif", tools.spots())
    bench.run()
    (bench.output / "notes.txt").write_text("mine")
    (bench.images / "sub" / "a.tif").unlink()
    tools.write_tiff(bench.images / "b.tif", tools.spots())
    bench.run(fresh=True)
    assert (bench.output / "notes.txt").exists()
    assert not (bench.output / "sub").exists()
    assert bench.table("images.csv")["image"].tolist() == ["b.tif"]


def test_results_inside_the_input_folder_are_not_read(bench, tools):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    bench.output = bench.images / "results"
    bench.run()
    assert bench.run().n_kept == 1
    bench.output = bench.images / "more"
    assert bench.run().n_done == 1
    assert [each.reason for each in bench.last_plan.skipped] == ["results of an earlier run"]


def test_images_without_atoms_give_an_empty_table(bench, tools):
    data = tools.spots()
    data[data > 50] = 11
    tools.write_tiff(bench.images / "empty.tif", data)
    assert bench.run().n_done == 1
    atoms = pd.read_csv(bench.output / "empty.tif" / "atoms.csv")
    assert len(atoms) == 0
    assert "y_px" in atoms


def test_events_tell_every_image(bench, tools):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    (bench.images / "b.tif").write_text("no image at all")
    events = []
    bench.run(observe=events.append)
    images = [event for event in events if event["event"] == "image"]
    assert [(event["image"], event["status"]) for event in images] == [
        ("a.tif", "done"),
        ("b.tif", "failed"),
    ]
    assert images[1]["error"]
    assert json.dumps(events)


def test_a_note_beside_an_image_calibrates_it_and_changes_its_results(bench, tools):
    path = tools.write_tiff(bench.images / "a.tif", tools.spots(), calibrated=False)
    bench.run()
    row = bench.table("images.csv").iloc[0]
    assert (row["calibration"], np.isnan(row["pixel_size_y_nm"])) == ("none", True)
    path.with_name("a.tif.scanseg.yaml").write_text("pixel_size_nm: [0.02, 0.03]\n")
    assert bench.run().n_done == 1  # computed anew, although the image itself is as it was
    row = bench.table("images.csv").iloc[0]
    assert (row["calibration"], row["pixel_size_x_nm"]) == ("sidecar", 0.03)
    atoms = bench.table("atoms.csv")
    np.testing.assert_allclose(atoms["y_nm"], atoms["y_px"] * 0.02)
    assert bench.run().n_kept == 1


def test_a_zarr_folder_is_one_image(bench, tools):
    from scanseg.micrograph import Micrograph
    from scanseg.writers import write

    image = Micrograph(tools.spots(), pixel_size_nm=(0.02, 0.03))
    write(image, bench.images / "session" / "scan.ome.zarr")
    assert bench.run().n_done == 1
    row = bench.table("images.csv").iloc[0]
    assert (row["image"], row["calibration"]) == ("session/scan.ome.zarr", "ome")
    assert bench.run().n_kept == 1

"""``scanseg evaluate``: runs and files against the truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scanseg.walls import TracedWall, wall_points_table
from scanseg.writers import write_array

SHAPE = (60, 90)
PIXEL_NM = (10.0, 8.0)
NAMES = ("background", "ferroelectric", "ferroelastic")


def _wall(row, number, *, start=10, end=80):
    """A wall along a row."""
    position = np.stack([np.full(end - start, float(row)), np.arange(start, end, dtype=float)], 1)
    n = len(position)
    return TracedWall(
        position, np.full(n, np.nan), np.full(n, number), np.ones(n), np.nan, np.nan, np.nan,
        np.nan, 0, 1,
    )  # fmt: skip


def _points(path, walls, *, pixel_size_nm=PIXEL_NM, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = wall_points_table(walls, class_names=NAMES, pixel_size_nm=pixel_size_nm)
    table.assign(**columns).to_csv(path, index=False)
    return path


def _class_map(path, *rows):
    """Walls 3 px wide from (row, class)."""
    class_map = np.zeros(SHAPE, np.uint8)
    for row, number in rows:
        class_map[row - 1 : row + 2, 9:81] = number
    path.parent.mkdir(parents=True, exist_ok=True)
    write_array(class_map, path, pixel_size_nm=PIXEL_NM)
    return path


def _atoms(path, shift=0.0, **columns):
    y, x = np.mgrid[:5, :7].reshape(2, -1) * 12.0 + 6
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"y_px": y, "x_px": x + shift, "class": "C", **columns}).to_csv(path, index=False)


def test_a_run_of_atoms_and_walls(scanseg, tmp_path):
    run, truth = tmp_path / "run", tmp_path / "truth"
    _atoms(run / "a.tif" / "atoms.csv", shift=0.5)
    _points(run / "b.tif" / "wall_points.csv", [_wall(20.5, 1), _wall(40.0, 2)])
    _class_map(run / "b.tif" / "class_map.tif", (5, 1))  # the lines count, not the map
    (run / "run.json").write_text("{}")
    _atoms(truth / "a_atoms.csv")
    _points(truth / "b_wall_points.csv", [_wall(20.0, 1), _wall(40.0, 2)], visible=True)
    code, stdout, stderr = scanseg("evaluate", run, truth, "--json")
    assert (code, stderr) == (0, "")
    said = json.loads(stdout)
    atoms = said["atoms"]["total"]
    assert (atoms["f1"], atoms["class_accuracy"]) == (1, 1)
    assert atoms["rms_px"] == pytest.approx(0.5 / np.sqrt(2))
    electric, elastic, every = said["walls"]["total"]["classes"]
    # Lines half a pixel off are thinned to another pixel at their ends.
    assert min(electric["f1_1px"], elastic["f1_1px"], every["f1_2px"]) > 0.98
    assert abs(electric["offset_mean_px"]) == pytest.approx(0.5)
    assert elastic["offset_mean_px"] == pytest.approx(0)
    assert said["walls"]["images"]["b"]["n_scans"] == 1
    assert said["without_truth"] == said["without_result"] == []


def test_the_table_names_image_and_figures(scanseg, tmp_path):
    _class_map(tmp_path / "found" / "b_class_map.tif", (22, 1))
    _class_map(tmp_path / "truth" / "b_class_map.tif", (20, 1))
    code, stdout, _ = scanseg("evaluate", tmp_path / "found", tmp_path / "truth")
    assert code == 0
    (row,) = [line.split() for line in stdout.splitlines() if line.startswith("f1 2px")]
    assert row == ["f1", "2px", "1.000", "1.000", "1.000"]
    (row,) = [line.split() for line in stdout.splitlines() if line.startswith("recall 1px")]
    assert float(row[2]) < 0.05  # thinning bends the last pixel
    assert "junctions" in stdout


def test_radii_can_be_chosen_in_both_units(scanseg, tmp_path):
    found = _points(tmp_path / "mine.csv", [_wall(22, 1)])
    truth = _class_map(tmp_path / "class_map.tif", (20, 1))
    options = ["--radius-px", 1.5, "--radius-nm", 19, "--radius-nm", 21, "--json"]
    code, stdout, _ = scanseg("evaluate", found, truth, *options)
    assert code == 0
    electric = json.loads(stdout)["walls"]["total"]["classes"][0]
    assert electric["f1_1.5px"] < 0.05
    assert electric["f1_19nm"] < 0.05  # 2 px of 10 nm
    assert electric["f1_21nm"] > 0.97
    code, stdout, _ = scanseg("evaluate", found, truth, "--pixel-size-nm", "5", *options)
    assert json.loads(stdout)["walls"]["total"]["classes"][0]["f1_19nm"] > 0.97


def test_what_has_no_partner_is_listed(scanseg, tmp_path):
    for name in ("a", "b"):
        _atoms(tmp_path / "found" / f"{name}_atoms.csv")
    for name in ("b", "c"):
        _atoms(tmp_path / "truth" / f"{name}_atoms.csv")
    code, stdout, stderr = scanseg("evaluate", tmp_path / "found", tmp_path / "truth")
    assert code == 3  # c was to be found, and nothing is there
    assert "No truth for: a" in stderr
    assert "No result for: c" in stderr
    assert "1.000" in stdout
    (tmp_path / "truth" / "c_atoms.csv").unlink()
    assert scanseg("evaluate", tmp_path / "found", tmp_path / "truth")[0] == 0


def test_nothing_in_common_is_4_and_a_wrong_path_2(scanseg, tmp_path):
    for name in ("a", "b"):
        _atoms(tmp_path / "found" / f"{name}_atoms.csv")
    _class_map(tmp_path / "truth" / "a_class_map.tif", (20, 1))
    code, _, stderr = scanseg("evaluate", tmp_path / "found", tmp_path / "truth")
    assert code == 4
    assert "Nothing to compare" in stderr
    code, _, stderr = scanseg("evaluate", tmp_path / "gone", tmp_path / "truth")
    assert code == 2
    assert "does not exist" in stderr


def test_a_damaged_file_does_not_stop_the_others(scanseg, tmp_path):
    for folder in ("found", "truth"):
        for name in ("a", "b", "c"):
            _class_map(tmp_path / folder / f"{name}_class_map.tif", (20, 1))
    (tmp_path / "found" / "a_class_map.tif").write_bytes(b"II*\0")
    write_array(
        np.zeros((30, 40), np.uint8), tmp_path / "found" / "c_class_map.tif", pixel_size_nm=None
    )
    code, stdout, _ = scanseg("evaluate", tmp_path / "found", tmp_path / "truth", "--json")
    assert code == 3
    said = json.loads(stdout)
    assert set(said["failures"]) == {"a", "c"}
    assert "30 x 40" in said["failures"]["c"]
    assert said["walls"]["total"]["n_scans"] == 1


def test_lines_in_nm_need_a_pixel_size(scanseg, tmp_path):
    feature = {
        "geometry": {"type": "LineString", "coordinates": [[80.0, 200.0], [640.0, 200.0]]},
        "properties": {"class": "ferroelectric"},
    }
    found = tmp_path / "lines.geojson"
    found.write_text(json.dumps({"unit": "nm", "features": [feature]}))
    truth = _class_map(tmp_path / "class_map.tif", (20, 1))
    code, stdout, _ = scanseg("evaluate", found, truth, "--json")
    assert code == 0
    assert json.loads(stdout)["walls"]["total"]["classes"][0]["f1_1px"] > 0.97
    feature["properties"]["class"] = "other"
    found.write_text(json.dumps({"unit": "nm", "features": [feature]}))
    code, stdout, _ = scanseg("evaluate", found, truth, "--json")
    assert code == 3
    assert "ferroelastic" in json.loads(stdout)["failures"]["lines"]


def test_probabilities_give_curves(scanseg, tmp_path):
    from scanseg.writers import MapWriter

    truth = _class_map(tmp_path / "truth.tif", (20, 1))
    planes = np.full((3, *SHAPE), 0.01, np.float32)
    planes[1, 19:22, 9:81] = 0.9
    planes[0] = 1 - planes[1] - planes[2]
    with MapWriter(
        tmp_path / "tiles", shape=SHAPE, dtype=np.float32, channel_names=NAMES
    ) as writer:
        for plane in planes:
            writer.add_plane(lambda start, stop, plane=plane: plane[start:stop])
        writer.write(tmp_path / "probability.tif", pixel_size_nm=PIXEL_NM, title="p")
    call = ("evaluate", tmp_path / "probability.tif", truth, "--thresholds", 19, "--json")
    code, stdout, _ = scanseg(*call)
    assert code == 0
    electric = json.loads(stdout)["walls"]["total"]["classes"][0]
    assert electric["ods"] > 0.97
    assert electric["ece"] == pytest.approx(0.01, abs=0.01)


def test_a_folder_gets_table_document_and_page(scanseg, tmp_path):
    rng = np.random.default_rng(1)
    found, truth, out = (tmp_path / name for name in ("found", "truth", "out"))
    for number, shift in enumerate((0.2, 0.4, 0.6)):
        _atoms(found / f"a{number}_atoms.csv", shift=shift, amplitude=300.0, sigma_px=2.0,
               background=30.0)  # fmt: skip
        _atoms(truth / f"a{number}_atoms.csv")
        _class_map(found / f"b{number}_class_map.tif", (20 + 3 * number, 1))
        _class_map(truth / f"b{number}_class_map.tif", (20, 1))
    image = rng.normal(100, 10, SHAPE).astype(np.float32)
    write_array(image, truth / "a2.tif", pixel_size_nm=PIXEL_NM)
    code, stdout, stderr = scanseg(
        "evaluate", found, truth, "-o", out, "--counts-per-unit", "1", "--thresholds", "0"
    )
    assert (code, stderr) == (0, "")
    assert "95 % intervals over images" in stdout
    assert "rms over the Cramér-Rao bound" in stdout
    table = pd.read_csv(out / "evaluation.csv")
    atoms = table[table["kind"] == "atoms"].set_index("image")
    assert atoms.loc["a2", "rms_px"] == pytest.approx(0.6 / np.sqrt(2), abs=1e-4)
    assert atoms.loc["all", "rms_px_low"] < atoms.loc["all", "rms_px"]
    walls = table[table["kind"] == "walls"].set_index("image")
    assert walls.loc["b2", "ferroelectric_hd95_px"] == pytest.approx(6, abs=0.5)
    pixels = table[table["kind"] == "pixels"].set_index("image")
    assert (pixels.loc["b0", "iou_1"], pixels.loc["b1", "iou_1"]) == (1, 0)
    said = json.loads((out / "evaluation.json").read_text())
    low, high = said["walls"]["intervals"]["ferroelectric_f1_1px"]
    assert 0 <= low < high <= 1
    assert said["worst_first"][0] in {"b1", "b2"}
    page = (out / "evaluation.html").read_text()
    assert "https://" not in page
    assert page.count('<article class="card">') == 6
    assert page.count("data:image/jpeg") == 6


def test_masks_of_atoms_are_compared_by_pixels(scanseg, tmp_path):
    _atoms(tmp_path / "run" / "a.tif" / "atoms.csv")
    _class_map(tmp_path / "run" / "a.tif" / "class_map.tif", (21, 1))
    (tmp_path / "run" / "run.json").write_text("{}")
    _class_map(tmp_path / "truth" / "a_labels.tif", (20, 1))
    code, stdout, _ = scanseg("evaluate", tmp_path / "run", tmp_path / "truth", "--json")
    assert code == 0
    said = json.loads(stdout)
    assert "atoms" not in said
    assert said["pixels"]["total"]["iou_1"] == pytest.approx(0.5)


def test_what_was_asked_for_and_cannot_be_had_is_said(scanseg, tmp_path):
    found, truth = tmp_path / "found", tmp_path / "truth"
    _atoms(found / "a_atoms.csv", shift=0.5)
    _atoms(truth / "a_atoms.csv")
    for folder in (found, truth):
        _points(folder / "b_wall_points.csv", [_wall(20.0, 1)], pixel_size_nm=None)
    code, stdout, stderr = scanseg("evaluate", found, truth, "--counts-per-unit", 1, "--json")
    assert code == 0
    assert "not compared with the Cramér-Rao bound" in stderr
    assert json.loads(stdout)["atoms"]["total"]["rms_over_bound"] is None
    code, stdout, stderr = scanseg("evaluate", found, truth, "--radius-nm", 5, "--json")
    assert code == 3  # columns without a pixel size have no distance in nm at all
    assert "Give the pixel size (--pixel-size-nm)" in json.loads(stdout)["failures"]["a"]
    assert "Walls are not scored within nm" in stderr
    code, _, stderr = scanseg(
        "evaluate", found, truth, "--radius-nm", 5, "--pixel-size-nm", "10,8", "--json"
    )
    assert (code, stderr) == (0, "")

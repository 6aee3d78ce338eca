"""Corrections land where the column is, can be undone, and survive a crash."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
import tifffile

from scanseg.napari_plugin import recovery
from scanseg.napari_plugin.calibration import spatial
from scanseg.napari_plugin.correct import CorrectWidget
from scanseg.napari_plugin.snapping import snap
from scanseg.napari_plugin.viewing import facts_of, show_layers

SIZE_NM = (0.02, 0.03)


@pytest.fixture
def widget(viewer):
    widget = CorrectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Correct")
    yield widget
    with suppress(RuntimeError):  # of a widget that went with its dock
        widget.autosave.forget()  # else closing the dock keeps the corrections for the next test


@pytest.fixture
def atoms(widget, shown):
    atoms = shown("stem.tif")["atoms"]
    widget.layer_choice.choose(atoms)
    return atoms


@pytest.fixture
def walls(widget, shown):
    walls = shown("scan.tif")["walls"]
    widget.layer_choice.choose(walls)
    return walls


def lattice(rng):
    y, x = np.mgrid[:90, :110]
    truth = np.array([(i, j) for i in np.arange(6.3, 90, 12) for j in np.arange(5.7, 110, 12)])
    counts = 20 + sum(200 * np.exp(-((y - i) ** 2 + (x - j) ** 2) / (2 * 2.5**2)) for i, j in truth)
    return truth, rng.poisson(counts).astype(np.float32)


@pytest.mark.parametrize("away", [(0.0, 0.0), (2.5, -2.0)])
def test_snapping_finds_the_column_with_its_error_bar(away):
    truth, image = lattice(np.random.default_rng(11))
    places = [22, 31, 40, 49, 58]
    found = [snap(image, truth[i] + away, np.delete(truth, i, 0), spacing_px=12.0) for i in places]
    error = np.array([position - truth[i] for (position, _), i in zip(found, places, strict=True)])
    stated = np.array([(each["y_err_px"], each["x_err_px"]) for _, each in found])
    # 200 counts at a width of 2.5 px on a background of 20: 0.035 px, as the error bar says.
    np.testing.assert_allclose(stated, 0.037, rtol=0.15)
    # Ten numbers of that spread: their rms is below 1.7 times it in 999 of 1000 cases.
    assert np.sqrt(np.mean((error / stated) ** 2)) < 1.7


def test_snapping_stays_where_there_is_nothing():
    position, measured = snap(
        np.ones((30, 40), np.float32), np.array([12.0, 9.0]), np.empty((0, 2)), spacing_px=10.0
    )
    assert position.tolist() == [12.0, 9.0]
    assert measured["fit_ok"] is False


def test_adding_moving_and_undoing(widget, atoms, wait, units_agree):
    widget.snap_box.setChecked(False)
    n_atoms, first = len(atoms.data), atoms.data[0].copy()
    atoms.add([17.25, 21.5])
    wait(lambda: "added" in widget.status.text())
    row = atoms.features.iloc[-1]
    assert row["status"] == "added"
    assert (row["y_px"], row["x_px"]) == (17.25, 21.5)
    np.testing.assert_allclose((row["y_nm"], row["x_nm"]), (17.25 * 0.02, 21.5 * 0.03))
    assert np.isnan(row["probability"])
    assert row["atom"] == n_atoms

    moved = atoms.data.copy()
    moved[0] += (0.5, 0.25)
    atoms.data = moved
    assert atoms.features.iloc[0]["status"] == "moved"
    assert atoms.features.iloc[0]["y_px"] == pytest.approx(first[0] + 0.5)

    widget.editor.undo()
    np.testing.assert_array_equal(atoms.data[0], first)
    widget.editor.undo()
    assert len(atoms.data) == n_atoms == len(atoms.features)
    widget.editor.redo()
    assert len(atoms.data) == n_atoms + 1
    assert units_agree()


@pytest.mark.parametrize("tool", ["Move", "Select"])
def test_dragging_an_atom_moves_it_and_nothing_else(
    viewer, widget, atoms, wait, drag, units_agree, tool
):
    """With the tool of ours and with that of napari."""
    widget.snap_box.setChecked(False)
    before = atoms.data.copy()
    n_layers = len(viewer.layers)
    widget.tools[tool].click()
    assert units_agree()
    start, end = before[5], before[5] + (2.0, 3.0)
    drag(atoms, start, (start + end) / 2, end)
    np.testing.assert_allclose(atoms.data[5], end)
    assert atoms.features["status"][5] == "moved"
    assert atoms.features["x_px"][5] == pytest.approx(end[1])
    np.testing.assert_array_equal(np.delete(atoms.data, 5, 0), np.delete(before, 5, 0))
    wait(lambda: atoms.visible, seconds=5)
    widget.editor.undo()
    np.testing.assert_array_equal(atoms.data, before)
    widget.tools["Add"].click()
    assert len(viewer.layers) == n_layers  # what the tool needed is gone
    assert atoms.visible


def test_a_moved_atom_snaps_to_the_column_under_it(viewer, widget, drag, wait):
    truth, image = lattice(np.random.default_rng(5))
    viewer.add_image(image, name="lattice", **spatial(SIZE_NM))
    features = pd.DataFrame({"y_px": truth[:, 0], "x_px": truth[:, 1], "y_err_px": np.nan})
    points = viewer.add_points(truth + 0.0, features=features, size=6, **spatial(SIZE_NM))
    widget.layer_choice.choose(points)
    widget.tools["Move"].click()
    drag(points, truth[31], truth[31] + (1.0, 2.0), truth[31] + (1.5, -2.0))
    # Three error bars of 0.037 px.
    np.testing.assert_allclose(points.data[31], truth[31], atol=0.11)
    assert points.features["y_err_px"][31] == pytest.approx(0.037, rel=0.15)
    # Where there is no atom the mouse moves the picture.
    drag(points, (0.0, 0.0), (9.0, 9.0))
    assert widget.editor.n_changes == 1


def test_deleting_and_changing_class(widget, atoms):
    n_atoms = len(atoms.data)
    widget.class_choice.addItem("vacancy")
    widget.class_choice.setCurrentText("vacancy")
    atoms.selected_data = {1, 2}
    widget.editor.set_class()
    assert list(atoms.features["class"].astype(str)[:3]) == ["column", "vacancy", "vacancy"]
    assert not np.allclose(atoms.face_color[0], atoms.face_color[1])
    widget.editor.delete()
    assert len(atoms.data) == n_atoms - 2
    widget.editor.undo()
    widget.editor.undo()
    assert set(atoms.features["class"].astype(str)) == {"column"}
    assert len(atoms.data) == n_atoms


def test_corrections_survive_a_crash(viewer, widget, atoms, wait, shown, tmp_path):
    n_atoms = len(atoms.data)
    atoms.selected_data = {0}
    widget.editor.delete()
    widget.autosave.store()
    key = widget._key()
    wait(lambda: recovery.place_of(key).is_file())
    # The next session reads the run again.
    viewer.layers.clear()
    again = shown("stem.tif")["atoms"]
    assert len(again.data) == n_atoms
    widget.layer_choice.choose(again)
    assert widget.recover_button.isEnabled()
    widget.recover()
    assert len(again.data) == n_atoms - 1 == len(again.features)
    assert again.features["probability"].dtype.kind == "f"
    widget.save(tmp_path / "corrected.csv")
    assert len(pd.read_csv(tmp_path / "corrected.csv")) == n_atoms - 1
    assert not recovery.place_of(key).exists()


def test_closing_the_dock_keeps_corrections_and_lets_the_layer_go(viewer, widget, atoms, wait):
    atoms.selected_data = {0}
    widget.editor.delete()
    key = widget._key()
    recovery.discard(key)
    viewer.window.remove_dock_widget(widget)
    wait(lambda: recovery.place_of(key).is_file())
    n_atoms = len(atoms.data)
    atoms.add([5.0, 6.0])
    assert len(atoms.data) == n_atoms + 1
    assert "status" not in atoms.features  # nobody listens any more
    recovery.discard(key)


def test_a_new_result_is_no_correction(viewer, widget, atoms, shown):
    atoms.selected_data = {0}
    widget.editor.delete()
    shown("stem.tif")  # the same layers, updated in place
    assert widget.editor.n_changes == 0
    assert not widget.autosave.is_due


def test_cutting_and_joining_walls(widget, walls):
    line = np.array(walls.data[0])
    length = walls.features["length_nm"].iloc[0]
    walls.selected_data = {0}
    widget.editor.cut(line[7] + (0.2, 1.0))
    assert len(walls.data) == 3
    assert sorted(len(each) for each in walls.data[1:]) == sorted([8, len(line) - 7])
    parts = walls.features["length_nm"].iloc[-2:]
    # Lengths of a run smooth the noise of points away; those of a line drawn by hand do not.
    assert parts.sum() == pytest.approx(length, rel=0.1)
    walls.selected_data = {1, 2}
    widget.editor.join()
    assert len(walls.data) == 2
    joined = np.array(walls.data[-1])
    np.testing.assert_allclose(joined if np.allclose(joined[0], line[0]) else joined[::-1], line)
    widget.editor.undo()
    widget.editor.undo()
    np.testing.assert_allclose(walls.data[0], line)


def test_erasing_takes_the_middle_of_a_wall_and_leaves_the_others(
    viewer, widget, walls, drag, units_agree
):
    first, other = (np.array(each) for each in walls.data)
    widget.tools["Erase"].click()
    viewer.camera.zoom = 12 / (4 * walls.scale[-1])  # an eraser of 4 px
    middle = np.array(first[len(first) // 2])
    drag(walls, np.subtract(middle, (0, 3)), middle, np.add(middle, (0, 2)))
    assert len(walls.data) == 3
    np.testing.assert_allclose(walls.data[0], other)
    parts = np.vstack([walls.data[1], walls.data[2]])
    assert np.hypot(*(parts - middle).T).min() > 4
    # 8 px of the wall are gone, and a step of a pixel at each end.
    assert len(first) - len(parts) == pytest.approx(8, abs=2)
    assert list(walls.features["status"][1:]) == ["changed", "changed"]
    assert walls.features["length_px"][1] < len(first) / 2
    widget.editor.undo()
    assert len(walls.data) == 2
    assert units_agree()


def test_drawn_walls_are_measured_and_saved(widget, walls, wait, tmp_path):
    widget.class_choice.setCurrentText("ferroelastic")
    walls.add([np.array([[0.0, 0.0], [0.0, 10.0], [5.0, 10.0]])], shape_type="path")
    wait(lambda: "added" in widget.status.text())
    row = walls.features.iloc[-1]
    assert (row["class"], row["status"]) == ("ferroelastic", "added")
    assert row["length_nm"] == pytest.approx(10 * 8.0 + 5 * 5.0)
    widget.save(tmp_path / "scan_walls.geojson")
    saved = json.loads((tmp_path / "scan_walls.geojson").read_text())
    assert saved["features"][-1]["properties"]["class"] == "ferroelastic"


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool])
def test_class_maps_of_any_type_are_painted_undone_saved_and_recovered(
    viewer, widget, wait, tmp_path, units_agree, kind
):
    viewer.add_image(np.zeros((20, 31)), name="ground", **spatial(SIZE_NM))
    labels = viewer.add_labels(np.zeros((20, 31), kind), name=f"map {kind}", **spatial(SIZE_NM))
    widget.layer_choice.choose(labels)
    widget.tools["Paint"].click()
    assert str(labels.mode) == "paint"
    assert labels.selected_label == 1
    labels.brush_size = 5
    labels.paint((10, 12), 1)
    wait(lambda: widget.status.text() == "Painted.")
    painted = int(np.count_nonzero(labels.data))
    assert painted > 9
    widget.editor.undo()
    assert not np.any(labels.data)
    widget.editor.redo()
    widget.autosave.store()
    wait(lambda: recovery.place_of(widget._key()).is_file())
    labels.data = np.zeros_like(labels.data)
    widget.recover()
    assert np.count_nonzero(labels.data) == painted
    widget.save(tmp_path / "map_labels.tif")
    stored = tifffile.imread(tmp_path / "map_labels.tif")
    assert stored.dtype == np.uint8
    assert np.count_nonzero(stored) == painted
    assert units_agree()


def test_class_names_are_painted_by_their_number(viewer, widget, shown):
    layer = shown("scan.tif")["class map"]
    widget.layer_choice.choose(layer)
    assert [widget.class_choice.itemText(i) for i in range(2)] == ["ferroelectric", "ferroelastic"]
    widget.class_choice.setCurrentText("ferroelastic")
    widget.tools["Fill"].click()
    assert layer.selected_label == 2
    assert facts_of(layer)["role"] == "class map"


def test_layer_removed_while_it_is_corrected(viewer, widget, atoms):
    widget.tools["Move"].click()
    viewer.layers.remove(atoms)
    assert widget._layer is not atoms
    assert all(facts_of(each).get("role") != "overlay" for each in viewer.layers)


def test_layers_of_movies_are_corrected_frame_by_frame(viewer, widget, wait):
    axes = spatial(SIZE_NM, n_frames=3)
    from scanseg.napari_plugin.content import atom_layer

    table = pd.DataFrame(
        {"frame": [0, 1, 1], "y_px": [4.0, 5, 6], "x_px": [7.0, 8, 9], "class": "column"}
    )
    layer = atom_layer(table, axes, name="movie", colours={"column": "#ff9f1c"}, facts={})
    (points,) = show_layers(viewer, [layer], slot="movie")
    widget.layer_choice.choose(points)
    points.add([2.0, 3.0, 4.0])
    wait(lambda: "added" in widget.status.text())
    assert points.features["frame"].iloc[-1] == 2
    assert points.features["y_px"].iloc[-1] == 3.0

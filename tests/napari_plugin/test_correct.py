"""Corrections land where the column is, can be undone, and survive a crash."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

from scanseg.napari_plugin import recovery
from scanseg.napari_plugin.correct import CorrectWidget
from scanseg.napari_plugin.reading import RunView
from scanseg.napari_plugin.snapping import snap
from scanseg.napari_plugin.viewing import facts_of, show_layers


@pytest.fixture
def widget(viewer):
    widget = CorrectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Correct")
    yield widget
    widget._dirty = False  # else closing the dock keeps the corrections for the next test
    with suppress(RuntimeError):  # of a widget that went with its dock
        widget._autosave.stop()


@pytest.fixture
def atoms(viewer, widget, run_folder):
    show_layers(viewer, RunView(run_folder).layers("stem.tif"), slot="run")
    return next(each for each in viewer.layers if facts_of(each).get("role") == "atoms")


@pytest.fixture
def walls(viewer, widget, run_folder):
    show_layers(viewer, RunView(run_folder).layers("scan.tif"), slot="run")
    return next(each for each in viewer.layers if facts_of(each).get("role") == "walls")


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


def test_adding_moving_and_undoing(widget, atoms, wait):
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

    widget.undo()
    np.testing.assert_array_equal(atoms.data[0], first)
    widget.undo()
    assert len(atoms.data) == n_atoms == len(atoms.features)
    widget.redo()
    assert len(atoms.data) == n_atoms + 1


def test_deleting_and_changing_class(widget, atoms):
    n_atoms = len(atoms.data)
    widget.class_choice.addItem("vacancy")
    widget.class_choice.setCurrentText("vacancy")
    atoms.selected_data = {1, 2}
    widget.set_class()
    assert list(atoms.features["class"].astype(str)[:3]) == ["column", "vacancy", "vacancy"]
    assert not np.allclose(atoms.face_color[0], atoms.face_color[1])
    widget.delete()
    assert len(atoms.data) == n_atoms - 2
    widget.undo()
    widget.undo()
    assert set(atoms.features["class"].astype(str)) == {"column"}
    assert len(atoms.data) == n_atoms


def test_corrections_survive_a_crash(viewer, widget, atoms, wait, run_folder, tmp_path):
    n_atoms = len(atoms.data)
    atoms.selected_data = {0}
    widget.delete()
    widget.autosave()
    key = widget._key
    wait(lambda: recovery.place_of(key).is_file())
    # The next session reads the run again.
    viewer.layers.clear()
    show_layers(viewer, RunView(run_folder).layers("stem.tif"), slot="run")
    again = next(each for each in viewer.layers if facts_of(each).get("role") == "atoms")
    assert len(again.data) == n_atoms
    wait(lambda: widget._widgets["Recover"].isEnabled())
    widget.recover()
    assert len(again.data) == n_atoms - 1 == len(again.features)
    assert again.features["probability"].dtype.kind == "f"
    widget.save(tmp_path / "corrected.csv")
    assert len(pd.read_csv(tmp_path / "corrected.csv")) == n_atoms - 1
    assert not recovery.place_of(key).exists()


def test_closing_the_dock_keeps_corrections_and_lets_the_layer_go(viewer, widget, atoms, wait):
    atoms.selected_data = {0}
    widget.delete()
    key = widget._key
    recovery.discard(key)
    viewer.window.remove_dock_widget(widget)
    wait(lambda: recovery.place_of(key).is_file())
    n_atoms = len(atoms.data)
    atoms.add([5.0, 6.0])
    assert len(atoms.data) == n_atoms + 1
    assert "status" not in atoms.features  # nobody listens any more
    recovery.discard(key)


def test_cutting_and_joining_walls(widget, walls):
    line = np.array(walls.data[0])
    length = walls.features["length_nm"].iloc[0]
    walls.selected_data = {0}
    widget.cut(line[7] + (0.2, 1.0))
    assert len(walls.data) == 3
    assert sorted(len(each) for each in walls.data[1:]) == sorted([8, len(line) - 7])
    parts = walls.features["length_nm"].iloc[-2:]
    # Lengths of a run smooth the noise of points away; those of a line drawn by hand do not.
    assert parts.sum() == pytest.approx(length, rel=0.1)
    walls.selected_data = {1, 2}
    widget.join()
    assert len(walls.data) == 2
    joined = np.array(walls.data[-1])
    np.testing.assert_allclose(joined if np.allclose(joined[0], line[0]) else joined[::-1], line)
    widget.undo()
    widget.undo()
    np.testing.assert_allclose(walls.data[0], line)

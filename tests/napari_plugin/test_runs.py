"""What a run has found, as layers, and the way through it."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from napari.layers import Layer

from scanseg.cli.view import open_viewer, view
from scanseg.errors import MachineError, ScansegError
from scanseg.napari_plugin.calibration import spatial
from scanseg.napari_plugin.content import atom_layer, wall_layer
from scanseg.napari_plugin.inspection import InspectWidget
from scanseg.napari_plugin.open_run import OpenRunWidget
from scanseg.napari_plugin.reading import RunView, get_reader
from scanseg.napari_plugin.viewing import show_layers


def test_run_is_sorted_by_doubt_and_tells_failures(run_folder):
    run = RunView(run_folder)
    assert sorted(run.names) == ["scan.tif", "stem.tif"]
    assert [run.doubt[name] for name in run.names] == sorted(run.doubt.values(), reverse=True)
    assert [name for name, _ in run.failures] == ["broken.tif"]
    assert get_reader(str(run_folder)) is not None


def test_images_of_a_run_replace_each_other(viewer, run_folder, by_role):
    read = get_reader(str(run_folder))
    for data, given, kind in read(str(run_folder)):
        viewer.add_layer(Layer.create(data, given, kind))
    widget = OpenRunWidget(viewer)  # finds the run in the layers
    viewer.window.add_dock_widget(widget, name="Open run")
    rows = {widget.table.item(row, 1).text(): row for row in range(widget.table.rowCount())}
    widget.show_row(rows["scan.tif"])
    walls = by_role(viewer)["walls"]
    table = pd.read_csv(run_folder / "scan.tif" / "walls.csv")
    points = pd.read_csv(run_folder / "scan.tif" / "wall_points.csv")
    assert len(walls.data) == len(table) == 2
    first = points[points["branch"] == table["branch"][0]]
    np.testing.assert_allclose(walls.data[0], first[["y_px", "x_px"]], rtol=1e-6)
    np.testing.assert_array_equal(walls.features["length_nm"], table["length_nm"])
    assert tuple(walls.scale) == (5.0, 8.0)
    assert {tuple(map(str, layer.units)) for layer in viewer.layers} == {("nanometer",) * 2}

    widget.show_row(rows["stem.tif"])
    roles = by_role(viewer)
    assert "walls" not in roles
    assert len(roles["atoms"].data) == len(pd.read_csv(run_folder / "stem.tif" / "atoms.csv"))
    assert {tuple(layer.scale) for layer in viewer.layers} == {(0.02, 0.03)}
    shown = list(viewer.layers)
    widget.show_row(rows["stem.tif"])
    assert list(viewer.layers) == shown  # the same layers, not new ones


def test_inspecting_goes_from_suspect_to_suspect(viewer, shown):
    atoms = shown("stem.tif")["atoms"]
    atoms.features.loc[7, "probability"] = 0.2
    atoms.features.loc[3, "fit_ok"] = False
    widget = InspectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Inspect")
    keys = {str(key): action for key, action in viewer.keymap.items()}
    for row in (3, 7):  # what could not be fitted comes first
        keys["N"](viewer)
        assert set(atoms.selected_data) == {row}
        centre = np.asarray(viewer.camera.center[-2:])
        np.testing.assert_allclose(centre, atoms.data[row] * atoms.scale)
    keys["P"](viewer)
    assert set(atoms.selected_data) == {3}
    widget._show_selection()
    assert widget.rows.rowCount() == len(atoms.data)
    assert widget.table.currentIndex().row() == 0  # the first suspect, marked among all
    atoms.selected_data = {1, 2, 3}
    widget._show_selection()
    assert widget.rows.rowCount() == 3
    atoms.selected_data = set()
    widget._show_selection()
    assert widget.rows.rowCount() == len(atoms.data)


def test_walls_are_inspected_too(viewer, shown):
    walls = shown("scan.tif")["walls"]
    widget = InspectWidget(viewer)
    widget.step(1)
    assert len(walls.selected_data) == 1
    widget.figures.choice.setCurrentText("length_nm")
    assert widget.figures.choice.currentText() == "length_nm"
    widget.deleteLater()


def test_domains_lie_on_the_scan_with_their_table(shown, run_folder, units_agree):
    domains = shown("scan.tif")["domains"]
    table = pd.read_csv(run_folder / "scan.tif" / "domains.csv")
    counted = np.bincount(np.asarray(domains.data).ravel())
    np.testing.assert_array_equal(counted[1:], table["area_px"])
    np.testing.assert_allclose(domains.features["area_nm2"][1:], table["area_nm2"])
    colours = [domains.colormap.color_dict[number] for number in table["domain"]]
    # Upright walls: up, down, up.
    assert list(table["polarity"].abs()) == [1, 1, 1]
    assert not np.allclose(colours[0], colours[1])
    assert units_agree()


def test_image_without_objects_shows_empty_layers(viewer):
    atoms = pd.DataFrame(columns=["frame", "y_px", "x_px", "class", "probability"])
    walls = pd.DataFrame(columns=["frame", "branch", "class", "length_nm"])
    points = pd.DataFrame(columns=["frame", "branch", "y_px", "x_px", "probability"])
    given = {"name": "empty", "colours": {"atom": "#ff9f1c"}, "facts": {}}
    axes = spatial((0.02, 0.03))
    layers = [atom_layer(atoms, axes, **given), wall_layer(walls, points, axes, **given)]
    for _ in range(2):  # added, then updated
        shown = show_layers(viewer, layers, slot="empty")
        assert [len(layer.data) for layer in shown] == [0, 0]
    widget = InspectWidget(viewer)
    widget.step(1)
    widget.deleteLater()


@pytest.mark.usefixtures("display", "napari_home")
def test_view_opens_a_run_and_refuses_what_is_none(run_folder, tmp_path, shared_viewer):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(ScansegError):
        open_viewer(tmp_path / "notes.txt", show=False)


def test_view_without_a_display_says_so(monkeypatch, run_folder):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(MachineError, match="no display"):
        view(run_folder)

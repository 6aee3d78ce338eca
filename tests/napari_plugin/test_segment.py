"""The numbers of the plugin are those of the command line, whatever happens to the window."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image
from qtpy.QtCore import QCoreApplication, QEvent

import scanseg
from scanseg.cli.view import open_viewer
from scanseg.napari_plugin.calibration import spatial
from scanseg.napari_plugin.engine import Request
from scanseg.napari_plugin.pixels import canvas_size, image_of
from scanseg.napari_plugin.reading import _table, read_image
from scanseg.napari_plugin.segment import FRAME, IN_VIEW, SegmentWidget
from scanseg.napari_plugin.viewing import facts_of, show_layers
from scanseg.writers import write

PIXEL_NM = (0.02, 0.021)


@pytest.fixture(scope="module")
def small_image(samples, tmp_path_factory):
    """A corner of a sample image, not square: two seconds of work."""
    image = scanseg.read(samples / "strontium_titanate_grain_boundary.tif")
    path = tmp_path_factory.mktemp("image") / "corner.tif"
    part = scanseg.Micrograph(image.data[:96, :128], pixel_size_nm=PIXEL_NM, signal=image.signal)
    write(part, path)
    return path


@pytest.fixture
def widget(viewer):
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    return widget


@pytest.fixture
def segmented(widget, wait):
    """Segments and returns what is said at the end."""

    def run():
        said = []
        widget.done.connect(said.append)
        widget.segment()
        wait(lambda: bool(said))
        widget.done.disconnect()
        return said[0]

    return run


def of_role(viewer, role):
    return [each for each in viewer.layers if facts_of(each).get("role") == role]


def tables_of_command_line(path, output, *names):
    command = [sys.executable, "-m", "scanseg.cli", "predict", path, "-o", output]
    subprocess.run(command, check=True, capture_output=True)
    return [_table(output / path.name / name) for name in names]


def test_plugin_and_command_line_give_the_same_table(
    viewer, widget, wait, segmented, small_image, tmp_path, units_agree
):
    show_layers(viewer, read_image(small_image), slot="image")
    said = []
    widget.done.connect(said.append)
    widget.segment()
    folder = widget._job.folder
    wait(lambda: bool(said))
    assert said[0].startswith("Found"), said
    assert not list(folder.parent.glob(f"{folder.name}*"))

    (table,) = tables_of_command_line(small_image, tmp_path / "out", "atoms.csv")
    (atoms,) = of_role(viewer, "atoms")
    assert len(table) > 20
    pd.testing.assert_frame_equal(atoms.features, table, check_dtype=False)
    np.testing.assert_array_equal(atoms.data, table[["y_px", "x_px"]])
    assert units_agree()
    assert tuple(atoms.scale) == pytest.approx(PIXEL_NM)

    # Once more, on pixels of a layer instead of a file, and while its layer is removed.
    image = of_role(viewer, "image")[0]
    widget.region.setCurrentText(FRAME)
    said.clear()
    widget.segment()
    viewer.layers.remove(image)
    wait(lambda: bool(said))
    assert of_role(viewer, "atoms") == [atoms]  # updated in place
    np.testing.assert_allclose(atoms.data, table[["y_px", "x_px"]], atol=1e-3)
    assert set(atoms.features["image"]) == {"corner.tif"}
    assert units_agree()


@pytest.fixture(scope="module")
def small_scan(samples, tmp_path_factory):
    """A corner of a sample scan with all its channels, not square."""
    image = scanseg.read(samples / "pfm_twins.tif")
    rows, columns = slice(10, 106), slice(20, 164)

    def cut(channel):
        return scanseg.Micrograph(
            channel.data[rows, columns], pixel_size_nm=(4.0, 5.0), signal=channel.signal
        )

    channels = {name: cut(channel) for name, channel in image.channels().items()}
    first = channels.pop(image.signal)
    path = tmp_path_factory.mktemp("scan") / "twins.tif"
    write(replace(first, companions=channels), path)
    return path


def test_scans_give_the_tables_of_the_command_line_from_files_and_from_layers(
    viewer, widget, segmented, small_scan, tmp_path, units_agree
):
    """Amplitude, phase and topography are three layers, and all of them are looked at."""
    show_layers(viewer, read_image(small_scan), slot="image")
    layers = of_role(viewer, "image")
    assert {facts_of(each)["signal"] for each in layers} == {
        "PFM_AMPLITUDE", "PFM_PHASE", "TOPOGRAPHY",
    }  # fmt: skip
    names = ("walls.csv", "wall_points.csv", "domains.csv")
    table, points, domains = tables_of_command_line(small_scan, tmp_path / "out", *names)
    widget.maps["domains"].setChecked(True)
    assert segmented().startswith("Found")
    (walls,) = of_role(viewer, "walls")
    assert len(table) > 2
    pd.testing.assert_frame_equal(walls.features[table.columns], table, check_dtype=False)
    # napari keeps shapes in 32 bits: seven digits.
    np.testing.assert_allclose(np.vstack(walls.data), points[["y_px", "x_px"]], atol=2e-5)
    (map_of_domains,) = of_role(viewer, "domains")
    found = map_of_domains.features[1:].reset_index(drop=True)
    given = domains.rename(columns={"domain": "index"})
    pd.testing.assert_frame_equal(found[given.columns], given, check_dtype=False)

    # From pixels of the phase layer alone: its companions are found beside it.
    phase = next(each for each in layers if facts_of(each)["signal"] == "PFM_PHASE")
    widget.layer_choice.choose(phase)
    widget.region.setCurrentText(FRAME)
    assert segmented().startswith("Found")
    (again,) = [each for each in of_role(viewer, "walls") if facts_of(each).get("of") == phase.name]
    np.testing.assert_allclose(again.features["length_nm"], table["length_nm"], rtol=1e-6)
    assert set(again.features["image"]) == {"twins.tif"}
    assert units_agree()


def test_a_colour_picture_without_objects_and_without_a_scale(
    viewer, widget, segmented, units_agree
):
    noise = np.random.default_rng(2).integers(100, 110, (64, 80, 3)).astype(np.uint8)
    viewer.add_image(noise, rgb=True, name="colour")
    assert segmented().startswith("Found")
    (atoms,) = of_role(viewer, "atoms")
    assert len(atoms.data) < 5
    assert units_agree()
    assert str(atoms.units[0]) == "pixel"
    if len(atoms.data):
        assert atoms.features["y_nm"].isna().all()


def test_what_is_in_view_is_found_in_its_place(viewer, widget, segmented, small_image, units_agree):
    show_layers(viewer, read_image(small_image), slot="image")
    widget.region.setCurrentText(IN_VIEW)
    viewer.camera.zoom = canvas_size(viewer)[0] / (60 * PIXEL_NM[0])
    viewer.camera.center = (60 * PIXEL_NM[0], 80 * PIXEL_NM[1])
    assert segmented().startswith("Found")
    (atoms,) = of_role(viewer, "atoms")
    assert len(atoms.data) > 5
    assert atoms.data[:, 0].min() > 28
    np.testing.assert_allclose(atoms.features["y_nm"], atoms.data[:, 0] * PIXEL_NM[0], atol=1e-4)
    class_map = next(each for each in of_role(viewer, "class map"))
    assert class_map.translate[0] == pytest.approx(30 * PIXEL_NM[0], abs=2 * PIXEL_NM[0])
    assert units_agree()


def test_cancel_works_at_once_and_leaves_nothing(viewer, widget, wait, small_image):
    show_layers(viewer, read_image(small_image), slot="image")
    widget.segment()
    job = widget._job
    wait(lambda: job.is_running)
    widget.cancel()
    assert not job.is_running
    assert not job.folder.exists()
    assert not widget.is_running
    assert len(viewer.layers) == 1
    # And the next one fails for a reason that is told.
    viewer.layers.clear()
    viewer.add_image(np.full((40, 50), 7, np.uint16), name="constant")
    said = []
    widget.done.connect(said.append)
    widget.segment()
    wait(lambda: bool(said))
    assert said[0].startswith(("Failed", "Found")), said
    assert widget.run_button.isEnabled()


def test_closing_the_dock_ends_the_process(viewer, wait, small_image):
    show_layers(viewer, read_image(small_image), slot="image")
    widget = SegmentWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Segment")
    widget.segment()
    job = widget._job
    wait(lambda: job.is_running)
    viewer.window.remove_dock_widget(dock)  # as its cross does
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    wait(lambda: not job.is_running, seconds=5)
    assert not job.folder.exists()


def test_closing_the_window_ends_the_process(display, napari_home, wait, small_image):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of napari and what it loads
        other = open_viewer(small_image, show=False)
        widget = other.window.dock_widgets["Segment (scanseg)"]
        widget.segment()
        job = widget._job
        wait(lambda: job.is_running)
        other.close()
        wait(lambda: not job.is_running, seconds=5)
    assert not job.folder.exists()


def test_finding_atoms_needs_no_torch(small_image, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('torch', 'albumentations'):\n    sys.modules[name] = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (table,) = tables_of_command_line(small_image, tmp_path / "out", "atoms.csv")
    assert len(table) > 20
    modules = "segment, correct, inspection, retrain, open_run"
    plugin = f"from scanseg.napari_plugin import {modules}"
    subprocess.run([sys.executable, "-c", plugin], check=True, capture_output=True)


def test_without_an_image_it_says_what_to_do(viewer, widget):
    widget.segment()
    assert "Open Sample" in widget.status.text()


def test_command_and_recipe_say_what_was_clicked(viewer, widget, small_image, tmp_path):
    from qtpy.QtWidgets import QApplication

    show_layers(viewer, read_image(small_image), slot="image")
    widget.maps["uncertainty"].setChecked(True)
    widget.copy_command()
    command = QApplication.clipboard().text()
    assert command == f"scanseg predict {small_image} -o OUT --save uncertainty"
    widget.save_recipe(tmp_path / "recipe.yaml")

    from scanseg.runs.settings import load_settings

    assert load_settings(tmp_path / "recipe.yaml", ()).output.save == ("uncertainty",)


def test_settings_go_into_command_and_recipe(tmp_path):
    request = Request(tmp_path / "a b.tif", model="m", settings=("machine.device=cpu",))
    assert request.command().endswith("a b.tif' -o OUT --model m --set machine.device=cpu")
    assert "machine:\n  device: cpu\n" in request.recipe()


def test_colour_picture_becomes_grey_and_a_stack_stays_one():
    rng = np.random.default_rng(3)
    colour = Image(rng.integers(0, 255, (20, 30, 3), np.uint8), rgb=True)
    grey = image_of([colour], frame=0, rows=slice(2, 12), columns=slice(None))
    np.testing.assert_allclose(grey.data, colour.data[2:12].mean(axis=-1), rtol=1e-6)
    assert grey.pixel_size_nm is None
    stack = Image(rng.normal(size=(3, 20, 30)), **spatial(PIXEL_NM, n_frames=3))
    movie = image_of([stack], frame=None, rows=slice(None), columns=slice(4, 9))
    assert movie.n_frames == 3
    assert movie.pixel_size_nm == PIXEL_NM
    np.testing.assert_allclose(movie.frame(2).data, stack.data[2, :, 4:9], rtol=1e-6)

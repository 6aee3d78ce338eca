"""The numbers of the plugin are those of the command line, whatever happens to the window."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image
from qtpy.QtCore import QCoreApplication, QEvent

import scanseg
import scanseg.napari_plugin.segment as segment
from scanseg.napari_plugin.calibration import spatial
from scanseg.napari_plugin.engine import Request
from scanseg.napari_plugin.reading import read_image
from scanseg.napari_plugin.segment import FRAME, SegmentWidget
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


def shown(viewer, role):
    return [each for each in viewer.layers if facts_of(each).get("role") == role]


def units_agree(viewer):
    return len({tuple(map(str, layer.units[-2:])) for layer in viewer.layers}) == 1


def test_plugin_and_command_line_give_the_same_table(viewer, widget, wait, small_image, tmp_path):
    show_layers(viewer, read_image(small_image), slot="image")
    said = []
    widget.done.connect(said.append)
    widget.segment()
    folder = widget._job.folder
    wait(lambda: bool(said))
    assert said[0].startswith("Found"), said
    assert not list(folder.parent.glob(f"{folder.name}*"))

    command = [sys.executable, "-m", "scanseg.cli", "predict", small_image, "-o", tmp_path / "out"]
    subprocess.run(command, check=True, capture_output=True)
    table = pd.read_csv(tmp_path / "out" / "corner.tif" / "atoms.csv", float_precision="round_trip")
    (atoms,) = shown(viewer, "atoms")
    assert len(table) > 20
    pd.testing.assert_frame_equal(atoms.features, table, check_dtype=False)
    np.testing.assert_array_equal(atoms.data, table[["y_px", "x_px"]])
    assert units_agree(viewer)
    assert tuple(atoms.scale) == pytest.approx(PIXEL_NM)

    # Once more, on pixels of a layer instead of a file, and while its layer is removed.
    image = shown(viewer, "image")[0]
    widget.region.setCurrentText(FRAME)
    said.clear()
    widget.segment()
    viewer.layers.remove(image)
    wait(lambda: bool(said))
    assert shown(viewer, "atoms") == [atoms]  # updated in place
    np.testing.assert_allclose(atoms.data, table[["y_px", "x_px"]], atol=1e-3)
    assert set(atoms.features["image"]) == {"corner.tif"}
    assert units_agree(viewer)


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
    viewer.add_image(np.full((40, 50), 7, np.uint16), name="flat")
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


def test_without_an_image_it_says_what_to_do(viewer, widget):
    widget.segment()
    assert "Open Sample" in widget.status.text()


def test_command_and_recipe_say_what_was_clicked(viewer, widget, small_image, tmp_path):
    from qtpy.QtWidgets import QApplication

    show_layers(viewer, read_image(small_image), slot="image")
    widget.uncertainty.setChecked(True)
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
    grey = segment._image_of([colour], frame=0, rows=slice(2, 12), columns=slice(None))
    np.testing.assert_allclose(grey.data, colour.data[2:12].mean(axis=-1), rtol=1e-6)
    assert grey.pixel_size_nm is None
    stack = Image(rng.normal(size=(3, 20, 30)), **spatial(PIXEL_NM, n_frames=3))
    movie = segment._image_of([stack], frame=None, rows=slice(None), columns=slice(4, 9))
    assert movie.n_frames == 3
    assert movie.pixel_size_nm == PIXEL_NM
    np.testing.assert_allclose(movie.frame(2).data, stack.data[2, :, 4:9], rtol=1e-6)

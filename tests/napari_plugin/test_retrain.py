"""Corrected images become training data, and a training can be watched, stopped and undone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import scanseg.napari_plugin.process as process
from scanseg.napari_plugin.calibration import spatial
from scanseg.napari_plugin.content import image_layers
from scanseg.napari_plugin.own_models import free_name, own_models, remove_model
from scanseg.napari_plugin.pixels import canvas_size
from scanseg.napari_plugin.retrain import IN_VIEW, RetrainWidget
from scanseg.napari_plugin.segment import SegmentWidget
from scanseg.napari_plugin.training import TrainingRequest
from scanseg.napari_plugin.viewing import show_layers
from scanseg.train.labelled_check import check_labelled

SIZE_NM = (0.02, 0.03)


@pytest.fixture
def widget(viewer, tmp_path, monkeypatch):
    plan = "better"
    fake = Path(__file__).parent / "fake_scanseg.py"

    def program():
        return [str(fake), widget.plan]

    monkeypatch.setattr(process, "program", program)
    widget = RetrainWidget(viewer)
    widget.plan = plan
    widget.use_folder(tmp_path / "corrected")
    viewer.window.add_dock_widget(widget, name="Retrain")
    yield widget
    for folder in own_models():
        remove_model(folder)


@pytest.fixture
def two_images(viewer, widget, run_tools):
    """Two corrected images among the training images."""
    for number in (0, 1):
        viewer.layers.clear()
        pixels = run_tools.spots(offset=number)
        viewer.add_image(pixels, name=f"image {number}", **spatial(SIZE_NM))
        viewer.add_points([[4.5 + number, 5.5], [14.5, 15.5]], name="atoms", **spatial(SIZE_NM))
        widget.add()
    return widget


def said_by(widget, wait, act):
    said = []
    widget.done.connect(said.append)
    act()
    wait(lambda: bool(said))
    widget.done.disconnect()
    return said[-1]


def test_corrected_atoms_are_labels_for_the_command_line(widget, viewer, shown):
    atoms = shown("stem.tif")["atoms"]
    widget.layer_choice.choose(atoms)
    widget.add()
    atoms.selected_data = {0, 1}
    atoms.remove_selected()
    widget.add()  # the same image once more, not a second one
    assert widget.images.count() == 1
    checked = check_labelled(widget.folder, task="atoms")
    assert not checked.errors
    (image,) = checked.images
    np.testing.assert_allclose(image.columns.position_px, atoms.data)
    assert image.image.pixel_size_nm == pytest.approx(SIZE_NM)
    widget.images.setCurrentRow(0)
    widget.remove()
    assert widget.images.count() == 0
    assert not list(widget.folder.glob("*.tif"))


def test_corrected_walls_go_with_all_channels_of_the_scan(widget, viewer, shown):
    walls = shown("scan.tif")["walls"]
    widget.layer_choice.choose(walls)
    assert widget.model.chosen == "pfm-walls"
    widget.add()
    names = ("background", "ferroelectric", "ferroelastic")
    checked = check_labelled(widget.folder, task="walls", class_names=names)
    assert not checked.errors
    (image,) = checked.images
    assert len(image.image.channels()) == 2
    on_wall = np.argwhere(np.isin(image.wall_map, (1, 2)))
    points = np.vstack([np.asarray(line) for line in walls.data])
    # Walls are drawn 3 px wide along the lines.
    distance = np.hypot(*(on_wall[:, None] - points).transpose(2, 0, 1)).min(axis=1)
    assert distance.max() < 2.5


@pytest.mark.parametrize("kind", [np.int64, bool])
def test_class_maps_of_any_type_count_where_they_are_in_view(widget, viewer, kind):
    pixels = np.random.default_rng(0).normal(100, 5, (60, 90)).astype(np.float32)
    image = viewer.add_image(pixels, name="ground", **spatial(SIZE_NM))
    labels = np.zeros((60, 90), kind)
    labels[30:33, 44:47] = 1
    layer = viewer.add_labels(labels, name="painted", **spatial(SIZE_NM))
    widget.layer_choice.choose(layer)
    widget.region.setCurrentText(IN_VIEW)
    viewer.camera.center = (30 * 0.02, 45 * 0.03)
    viewer.camera.zoom = canvas_size(viewer)[0] / (20 * 0.02)
    widget.add()
    checked = check_labelled(widget.folder, task="atoms")
    assert not checked.errors
    (found,) = checked.images
    np.testing.assert_allclose(found.columns.position_px, [[31, 45]])
    assert found.labelled[31, 45]
    assert not found.labelled[5, 45]
    assert 18 <= np.count_nonzero(found.labelled[:, 45]) <= 23
    assert image in viewer.layers


def test_colour_pictures_and_frames_of_movies_become_single_grey_images(widget, viewer):
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 255, (40, 50, 3), np.uint8), rgb=True, name="colour")
    viewer.add_points([[10, 12], [20, 30]], name="atoms")
    widget.add()
    viewer.layers.clear()
    viewer.add_image(rng.normal(size=(3, 40, 50)), name="movie")
    viewer.add_points([[0, 10, 12], [1, 20, 30], [1, 25, 35]], name="atoms")
    viewer.dims.set_point(0, 1)
    widget.add()
    checked = check_labelled(widget.folder, task="atoms")
    assert not checked.errors
    by_name = {image.name[:5]: image for image in checked.images}
    assert by_name["colou"].image.shape == (40, 50)
    np.testing.assert_allclose(by_name["movie"].columns.position_px, [[20, 30], [25, 35]])


def test_images_of_others_are_listed_and_never_removed(widget, tmp_path, run_tools):
    folder = tmp_path / "theirs"
    run_tools.write_tiff(folder / "a.tif", run_tools.spots())
    (folder / "a_atoms.csv").write_text("y_px,x_px\n4.5,5.5\n")
    widget.use_folder(folder)
    assert widget.images.count() == 1
    widget.images.setCurrentRow(0)
    widget.remove()
    assert (folder / "a.tif").exists()
    assert "not added here" in widget.status.text()


def test_training_twice_accepting_and_rolling_back(two_images, viewer, wait):
    widget, segment = two_images, SegmentWidget(viewer)
    base = widget.model.chosen
    assert said_by(widget, wait, widget.train).startswith("Better on 1 images held out")
    assert len(widget.curve.lines[0]) == 20
    assert widget.table.item(0, 2).text() == "0.9000"
    job = widget._job
    widget.accept()
    (first,) = own_models()
    assert first.name == f"{base}-retrained"
    assert segment.model.chosen == str(first)
    assert not job.folder.exists()

    assert said_by(widget, wait, widget.train).startswith("Better")
    widget.accept()
    assert [each.name for each in own_models()] == [first.name, f"{first.name}-2"]
    assert segment.model.chosen == str(own_models()[1])
    widget.roll_back()
    assert own_models() == (first,)
    assert segment.model.chosen == str(first)  # what was in use before
    assert free_name(base) == f"{base}-retrained-2"

    assert said_by(widget, wait, widget.train).startswith("Better")
    job = widget._job
    widget.roll_back()  # without accepting it first
    assert not job.folder.exists()
    assert own_models() == (first,)
    segment.deleteLater()


def test_cancelling_and_then_training(two_images, wait):
    widget = two_images
    widget.plan = "slow"
    widget.train()
    job = widget._job
    wait(lambda: bool(widget.curve.lines))
    children = psutil.Process(job._command._process.processId()).children()
    assert len(children) == 1
    widget.cancel()
    assert not job.is_running
    assert not job.folder.exists()
    assert not psutil.wait_procs(children, timeout=5)[1]  # killed; nobody but us waits for them
    widget.plan = "better"
    assert said_by(widget, wait, widget.train).startswith("Better")


def test_one_image_only_is_trained_on_and_said_to_prove_nothing(viewer, widget, wait, run_tools):
    viewer.add_image(run_tools.spots(), name="only", **spatial(SIZE_NM))
    viewer.add_points([[4.5, 5.5], [14.5, 15.5]], name="atoms", **spatial(SIZE_NM))
    widget.add()
    said = said_by(widget, wait, widget.train)
    assert "no image held out" in said
    assert "Nothing was held out" in said


def test_a_model_that_is_not_better_is_not_offered(two_images, wait):
    two_images.plan = "worse"
    assert said_by(two_images, wait, two_images.train).startswith("Not better")
    assert not two_images.accept_button.isEnabled()
    two_images.accept()
    assert own_models() == ()


def test_an_error_is_told_with_its_hint(two_images, wait):
    two_images.plan = "error"
    said = said_by(two_images, wait, two_images.train)
    assert said == "Failed: 1 errors in the labels, listed above. Correct them."
    assert two_images.train_button.isEnabled()


def test_closing_the_dock_ends_the_training(viewer, two_images, wait):
    two_images.plan = "slow"
    two_images.train()
    job = two_images._job
    wait(lambda: job.is_running)
    viewer.window.remove_dock_widget(two_images)
    wait(lambda: not job.is_running, seconds=5)
    assert not job.folder.exists()


def test_without_images_or_torch_it_says_what_to_do(two_images, monkeypatch, wait):
    monkeypatch.setattr("scanseg.napari_plugin.retrain.find_spec", lambda name: None)
    assert "pip install torch" in said_by(two_images, wait, two_images.train)
    two_images.use_folder(two_images.folder / "empty")
    assert "no training images" in said_by(two_images, wait, two_images.train)


def test_the_command_is_that_of_the_command_line(tmp_path):
    request = TrainingRequest(tmp_path, "stem-atoms", "mine", 300, "threshold")
    from typer.testing import CliRunner

    assert request.command().startswith(f"scanseg train {tmp_path} --from stem-atoms -o OUT")
    # The command line knows every option of it: it fails because the folder is empty.
    from scanseg.cli.train import app

    result = CliRunner().invoke(app, request.arguments(str(tmp_path / "out"))[1:])
    assert "No such option" not in result.output
    assert sys.executable  # the process runs in this Python


def test_a_scan_is_taken_for_one_of_walls(viewer, widget, run_tools, tmp_path):
    layers = image_layers(run_tools.scan(), path=tmp_path / "scan.tif")
    show_layers(viewer, layers, slot="scan")
    viewer.add_labels(np.zeros((48, 72), np.uint8), name="map", scale=(5.0, 8.0),
                      units=("nm", "nm"), axis_labels=("y", "x"))  # fmt: skip
    assert widget.model.chosen == "pfm-walls"

"""Calibration and tables survive the way into layers and out of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Labels, Points, Shapes

import scanseg
from scanseg.micrograph import Micrograph, Stack
from scanseg.napari_plugin.calibration import like, pixel_size_nm_of, spatial
from scanseg.napari_plugin.reading import get_reader
from scanseg.napari_plugin.samples import pfm, stem
from scanseg.napari_plugin.writing import write_labels, write_points, write_walls
from scanseg.writers import write

SIZE_NM = (0.02, 0.03)
AXES = spatial(SIZE_NM)


def attributes(layer):
    return layer.as_layer_data_tuple()[1]


@pytest.mark.parametrize("sample", [stem, pfm])
def test_samples_say_scale_units_and_axes(sample):
    for data, given, kind in sample():
        assert kind == "image"
        assert len(given["scale"]) == len(given["units"]) == len(given["axis_labels"]) == data.ndim
        assert given["units"] == ("nm", "nm")


def test_scan_gives_three_layers_and_shows_one():
    layers = pfm()
    assert [given["visible"] for _, given, _ in layers] == [False, False, True]
    assert len({given["name"] for _, given, _ in layers}) == 3


def test_reader_takes_images_and_runs_and_no_other_folder(tmp_path):
    assert get_reader(str(tmp_path)) is None
    write(Micrograph(np.ones((5, 7)), pixel_size_nm=SIZE_NM), tmp_path / "a.tif")
    reader = get_reader(str(tmp_path / "a.tif"))
    ((data, given, _),) = reader(str(tmp_path / "a.tif"))
    assert data.shape == (5, 7)
    assert given["scale"] == SIZE_NM


def test_uncalibrated_image_is_in_pixels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 7), np.uint8))
    ((_, given, _),) = get_reader(str(tmp_path / "a.tif"))(str(tmp_path / "a.tif"))
    assert (given["scale"], given["units"]) == ((1.0, 1.0), ("pixel", "pixel"))


def test_movie_loads_the_frames_that_are_looked_at(tmp_path):
    frames = np.arange(3 * 5 * 7, dtype=np.uint16).reshape(3, 5, 7)
    like_first = Micrograph(frames[0], pixel_size_nm=SIZE_NM, frame_time_s=0.5)
    write(Stack(lambda index: frames[index], 3, like_first), tmp_path / "movie.tif")
    path = str(tmp_path / "movie.tif")
    ((data, given, _),) = get_reader(path)(path)
    assert given["scale"] == (0.5, *SIZE_NM)
    assert given["units"] == ("s", "nm", "nm")
    np.testing.assert_array_equal(np.asarray(data[2]), frames[2])


def test_units_of_any_length_become_nm():
    layer = Labels(np.zeros((4, 6), int), scale=(2.0, 3.0), units=("pm", "angstrom"))
    assert pixel_size_nm_of(layer) == pytest.approx((0.002, 0.3))
    assert pixel_size_nm_of(Labels(np.zeros((4, 6), int))) is None


def test_layer_like_a_stack_has_its_last_axes():
    stack = Labels(np.zeros((3, 4, 6), int), **spatial(SIZE_NM, n_frames=3, frame_time_s=2.0))
    flat = Labels(np.zeros((4, 6), int), **like(stack, 2))
    assert tuple(flat.scale) == SIZE_NM
    assert [str(unit) for unit in flat.units] == ["nanometer", "nanometer"]


def test_points_have_px_and_nm(tmp_path):
    features = pd.DataFrame({"class": ["Si", "C"], "y_px": [0.0, 0.0]})
    points = Points(np.array([[1.5, 2.25], [3.0, 4.0]]), features=features, **AXES)
    write_points(str(tmp_path / "a.csv"), points.data, attributes(points))
    table = pd.read_csv(tmp_path / "a.csv")
    assert list(table.columns) == ["frame", "y_px", "x_px", "y_nm", "x_nm", "class"]
    # The place of the point counts, not what the features say of an earlier one.
    assert table[["y_px", "x_px"]].to_numpy().tolist() == [[1.5, 2.25], [3.0, 4.0]]
    np.testing.assert_allclose(table["y_nm"], [0.03, 0.06])
    np.testing.assert_allclose(table["x_nm"], [0.0675, 0.12])


@pytest.mark.parametrize(
    ("kind", "top", "stored"),
    [(np.int64, 3, np.uint8), (bool, 1, np.uint8), (np.int32, 70_000, np.uint32)],
)
def test_labels_of_any_type_keep_pixel_size(tmp_path, kind, top, stored):
    labels = np.zeros((5, 7), kind)
    labels[2, 3] = top
    layer = Labels(labels.astype(np.uint8) if kind is bool else labels, **AXES)
    write_labels(str(tmp_path / "a.ome.tif"), labels, attributes(layer))
    assert tifffile.imread(tmp_path / "a.ome.tif").dtype == stored
    back = scanseg.read(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(back.data, labels)
    assert back.pixel_size_nm == pytest.approx(SIZE_NM)


def test_walls_are_measured_as_they_lie(tmp_path):
    features = pd.DataFrame({"class": ["ferroelastic"], "branch": [4], "width_nm": [np.nan]})
    line = np.array([[0.0, 0.0], [0.0, 100.0], [50.0, 100.0]])
    shapes = Shapes([line], shape_type="path", features=features, **AXES)
    write_walls(str(tmp_path / "a.geojson"), shapes.data, attributes(shapes))
    collection = json.loads((tmp_path / "a.geojson").read_text())
    (wall,) = collection["features"]
    assert wall["geometry"]["coordinates"] == [[0, 0], [3, 0], [3, 1]]
    assert wall["properties"]["length"] == 4.0
    assert wall["properties"]["width"] is None
    assert collection["unit"] == "nm"

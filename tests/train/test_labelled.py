"""Labels in every layout give the same patches, and every problem is listed."""

import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from scanseg.micrograph import Signal
from scanseg.preprocess import Window
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.files import write_pfm
from scanseg.train.labelled_check import check_labelled
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import AtomRecipe, WallRecipe
from scanseg.train.task import task_of
from scanseg.writers import write_array

SHAPE = (96, 132)
SIZE_NM = (0.02, 0.025)
NAMES = ("background", "heavy", "light")


def columns():
    """A crystal of two kinds of columns, and an image of it; (image, positions, classes)."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[8:90:12, 7:128:12]
    position = np.column_stack([y.ravel(), x.ravel()]) + rng.uniform(-0.4, 0.4, (y.size, 2))
    kind = 1 + (np.add(*np.divmod(np.arange(y.size), y.shape[1])) % 2)
    rows, across = np.indices(SHAPE)
    image = sum(
        (3 - k) * np.exp(-((rows - a) ** 2 + (across - b) ** 2) / 12)
        for (a, b), k in zip(position, kind, strict=True)
    )
    return (100 * image + 20).astype(np.float32), position, kind


def class_map(position, kind, radius=3.0):
    rows, across = np.indices(SHAPE)
    drawn = np.zeros(SHAPE, np.uint8)
    for (y, x), k in zip(position, kind, strict=True):
        drawn[np.hypot(rows - y, across - x) <= radius] = k
    return drawn


def write_image(folder, name="a"):
    folder.mkdir(parents=True, exist_ok=True)
    image, *truth = columns()
    write_array(image, folder / f"{name}.tif", pixel_size_nm=SIZE_NM, signal=Signal.HAADF)
    return truth


def write_layout(folder, layout):
    position, kind = write_image(folder)
    names = [NAMES[k] for k in kind]
    px = {"y_px": position[:, 0], "x_px": position[:, 1]}
    nm = {"y_nm": position[:, 0] * SIZE_NM[0], "x_nm": position[:, 1] * SIZE_NM[1]}
    napari = {"index": range(len(names)), "axis-0": position[:, 0], "axis-1": position[:, 1]}
    tables = {
        "names": ("a_atoms.csv", {**px, "class": names}),
        "numbers": ("a_points.csv", {**px, "class": kind}),
        "napari": ("a_points.csv", {**napari, "class": names}),
        "nm": ("a_atoms.csv", {**nm, "species": names}),
    }
    if layout in tables:
        name, content = tables[layout]
        pd.DataFrame(content).to_csv(folder / name, index=False)
    else:
        tifffile.imwrite(folder / f"a_{layout}.tif", class_map(position, kind))
    return folder


def patch_of(data):
    """The whole of the only image, as a network of two kinds of columns sees it."""
    (labelled,) = data.images
    classes = [{"name": name, "colour": "#ffffff"} for name in NAMES]
    task = task_of(AtomRecipe(name="two", classes=classes))
    view = task.view(labelled, None, None)  # labels on a lattice need no model to look at it
    return view.patch(view.grid, Window(0, 0, *view.grid.shape))


def checked(folder, **options):
    return check_labelled(folder, class_names=NAMES, **options)


@pytest.mark.parametrize("layout", ["numbers", "napari", "nm", "labels", "class_map"])
def test_every_layout_of_columns_gives_the_same_patch(tmp_path, layout):
    truth = patch_of(checked(write_layout(tmp_path / "truth", "names")))
    data = checked(write_layout(tmp_path / layout, layout))
    assert not data.errors
    patch = patch_of(data)
    assert patch.class_map.max() == 2
    if layout in ("labels", "class_map"):
        # The centre of a drawn disc is off by a tenth of a pixel, so edges of discs may differ.
        assert patch.image.shape == pytest.approx(truth.image.shape, rel=0.02)
        assert len(patch.position_px) == len(truth.position_px)
    else:
        np.testing.assert_array_equal(patch.class_map, truth.class_map)
        np.testing.assert_allclose(patch.image, truth.image)


def test_centres_of_drawn_columns_are_those_of_the_columns(tmp_path):
    position, _ = write_image(tmp_path)
    write_layout(tmp_path, "labels")
    (labelled,) = checked(tmp_path).images
    found = labelled.columns.position_px
    # A disc of 28 pixels: its centre is known to about 1 / (12 ** 0.5 * 28 ** 0.5) = 0.05 px.
    distance, index = cKDTree(found).query(position)
    assert sorted(index) == list(range(len(found)))
    assert distance.max() < 0.3


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Folder with a scan, its class map and its lines, and the stem."""
    folder = tmp_path_factory.mktemp("scan")
    scene = PfmScene.from_settings({"layouts": {"twins": 1}})
    simulated = simulate_pfm(np.random.default_rng(4), shape=(96, 112), config=scene)
    write_pfm(simulated, folder / "scan", config=scene)
    return folder


def wall_patch(folder):
    data = check_labelled(folder, task="walls")
    assert not data.errors
    view = task_of(WallRecipe(name="walls")).view(data.images[0], None, None)
    return view.patch(view.grid, Window(0, 0, *view.grid.shape))


def as_geojson(table):
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "LineString",
                "coordinates": line[["x_px", "y_px"]].to_numpy().tolist(),
            },
            "properties": {"class": line["class"].iloc[0]},
        }
        for _, line in table.groupby("branch")
    ]
    return json.dumps({"type": "FeatureCollection", "unit": "px", "features": features})


@pytest.mark.parametrize("layout", ["wall_points.csv", "walls.geojson", "shapes.csv"])
def test_every_layout_of_walls_gives_the_same_patch(scan, tmp_path, layout):
    (tmp_path / "scan.tif").write_bytes((scan / "scan.tif").read_bytes())
    table = pd.read_csv(scan / "scan_wall_points.csv")
    if layout == "walls.geojson":
        (tmp_path / "scan_walls.geojson").write_text(as_geojson(table[table["visible"]]))
    elif layout == "shapes.csv":
        names = {"branch": "index", "point": "vertex-index", "y_px": "axis-0", "x_px": "axis-1"}
        shapes = table[[*names, "class", "visible"]].rename(columns=names)
        shapes.to_csv(tmp_path / "scan_shapes.csv", index=False)
    else:
        table.to_csv(tmp_path / "scan_wall_points.csv", index=False)
    truth, patch = wall_patch(scan), wall_patch(tmp_path)
    np.testing.assert_array_equal(patch.image, truth.image)
    known = (truth.class_map != IGNORED) & (patch.class_map != IGNORED)
    # The table has every second point of a contour: chords cut corners by a fraction of a pixel.
    assert (patch.class_map == truth.class_map)[known].mean() > 0.985
    assert known.mean() > 0.9


def test_what_is_not_labelled_is_left_out(tmp_path):
    write_layout(tmp_path, "names")
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :60] = 1
    tifffile.imwrite(tmp_path / "a_mask.tif", mask)
    patch = patch_of(checked(tmp_path))
    half = round(60 * patch.class_map.shape[1] / SHAPE[1])
    assert (patch.class_map[:, half:] == IGNORED).all()
    assert not (patch.class_map[:, :half] == IGNORED).any()
    assert patch.position_px[:, 1].max() < half


def test_every_problem_is_listed(tmp_path):
    position, kind = write_image(tmp_path, "good")
    drawn = class_map(position, kind)
    for name in ("smooth", "small", "binary", "unknown", "nothing", "colours", "twice", "alone"):
        write_image(tmp_path, name)
    tifffile.imwrite(tmp_path / "good_labels.tif", drawn)
    blurred = gaussian_filter(255.0 * (drawn > 0), 1.0).astype(np.uint8)
    tifffile.imwrite(tmp_path / "smooth_labels.tif", blurred)
    tifffile.imwrite(tmp_path / "small_labels.tif", drawn[::2, ::2])
    tifffile.imwrite(tmp_path / "binary_labels.tif", np.where(drawn > 0, 255, 0).astype(np.uint8))
    unknown = pd.DataFrame({"y_px": [9.0], "x_px": [8.0], "class": ["oxygen"]})
    unknown.to_csv(tmp_path / "unknown_atoms.csv", index=False)
    tifffile.imwrite(tmp_path / "nothing_labels.tif", np.full(SHAPE, 255, np.uint8))
    tifffile.imwrite(
        tmp_path / "colours_labels.tif", np.zeros((*SHAPE, 3), np.uint8), photometric="rgb"
    )
    tifffile.imwrite(tmp_path / "twice_labels.tif", drawn)
    (tmp_path / "twice.npy").write_bytes(b"")
    swapped = pd.DataFrame({"y_px": position[:, 1], "x_px": position[:, 0], "class": kind})
    write_image(tmp_path, "swapped")
    swapped.to_csv(tmp_path / "swapped_atoms.csv", index=False)
    tifffile.imwrite(tmp_path / "lost_labels.tif", drawn)

    data = checked(tmp_path, task="atoms")
    said = defaultdict(str)
    for each in data.problems:
        said[each.name.split(".")[0], each.level] += each.what
    expected = {
        ("smooth", "error"): "anti-aliased",
        ("small", "error"): "48 x 66 px",
        ("binary", "error"): "255 means not labelled",
        ("unknown", "error"): "oxygen",
        ("nothing", "error"): "nothing is labelled",
        ("colours", "error"): "colours",
        ("twice", "error"): "same stem",
        ("swapped", "error"): "outside",
        ("lost_labels", "error"): "no image called lost",
        ("alone", "warning"): "no labels",
    }
    for key, words in expected.items():
        assert words in said[key], key
    assert "good" in {each.name.split(".")[0] for each in data.images}
    assert "swapped." in next(p.advice for p in data.problems if p.name == "swapped.tif")


def test_copies_saturation_and_rare_classes_are_told(tmp_path):
    write_layout(tmp_path, "names")
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    image, position, kind = columns()
    for name in "bc":
        table = pd.DataFrame({"y_px": position[:, 0], "x_px": position[:, 1], "class": "heavy"})
        table.to_csv(tmp_path / f"{name}_atoms.csv", index=False)
    write_array(np.minimum(image, 150), tmp_path / "c.tif", pixel_size_nm=None)
    said = {(each.name, each.what) for each in checked(tmp_path).problems if each.level != "error"}
    assert ("b.tif", "the same file as a.tif") in said
    assert any(name == "c.tif" and "highest value" in what for name, what in said)
    counts = next(what for name, what in said if name == "all" and "atoms in 3" in what)
    assert f"{(kind == 2).sum()} light" in counts

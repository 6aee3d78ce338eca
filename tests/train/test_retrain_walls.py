"""Scans whose walls were labelled as a map, as GeoJSON and in napari train a model of walls on."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from scanseg.bundle import load_model, self_test
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.files import write_pfm
from scanseg.train import read_recipe, train_recipe
from scanseg.train.labelled_check import check_labelled
from scanseg.train.retrain import retrain
from scanseg.train.retrain_settings import Retraining


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_scans(folder):
    """Three scans, each labelled in another way."""
    folder.mkdir(parents=True)
    scene = PfmScene.from_settings({"layouts": {"twins": 1}})
    for number in range(3):
        simulated = simulate_pfm(np.random.default_rng(number), shape=(80, 112), config=scene)
        write_pfm(simulated, folder / f"scan_{number}", config=scene)
    table = pd.read_csv(folder / "scan_1_wall_points.csv")
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
    content = {"type": "FeatureCollection", "unit": "px", "features": features}
    (folder / "scan_1_walls.geojson").write_text(json.dumps(content))
    shapes = pd.read_csv(folder / "scan_2_wall_points.csv").rename(
        columns={"branch": "index", "point": "vertex-index", "y_px": "axis-0", "x_px": "axis-1"}
    )
    columns = ["index", "vertex-index", "axis-0", "axis-1", "class"]
    shapes[columns].to_csv(folder / "scan_2_shapes.csv", index=False)
    for number in (1, 2):
        (folder / f"scan_{number}_class_map.tif").unlink()
        (folder / f"scan_{number}_wall_points.csv").unlink()
    return folder


def test_three_kinds_of_labels_train_both_members_further(tiny_walls, tmp_path):
    base = train_recipe(tiny_walls, output=tmp_path / "base")
    data = check_labelled(
        write_scans(tmp_path / "data"), task="walls", class_names=base.contract.class_names
    )
    assert not data.errors
    assert [each.files.kind for each in data.images] == ["map", "lines", "lines"]
    recipe = read_recipe(tiny_walls)
    settings = Retraining(steps=3, forget=1)
    result = retrain(data.images, base, output=tmp_path / "out", recipe=recipe, settings=settings)
    assert result.steps == 3
    assert len(result.split.held_out) == 1
    new = load_model(next((tmp_path / "out").rglob("tiny-walls-retrained")))
    assert self_test(new).passed
    assert new.contract.members == 2
    assert {"f1_ferroelectric", "f1_ferroelastic"} <= set(result.after.figures)

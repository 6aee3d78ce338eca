import json

import pytest

from scanseg.walls import walls_geojson

SIZE = (5.0, 10.0)


def two_walls(straight, walls_of, size):
    return walls_of(
        straight((10, 10), (10, 110)), straight((20, 30), (100, 30), index=2),
        pixel_size_nm=size, node_px=[(10, 10), (10, 30)], degree=[1, 3],
    )  # fmt: skip


def test_lines_and_junctions_in_nanometres(straight, walls_of):
    collection = walls_geojson(two_walls(straight, walls_of, SIZE), pixel_size_nm=SIZE)
    assert json.loads(json.dumps(collection, allow_nan=False)) == collection
    first, second, junction = collection["features"]
    assert (collection["type"], collection["unit"]) == ("FeatureCollection", "nm")
    assert first["geometry"]["type"] == "LineString"
    assert first["geometry"]["coordinates"][-1] == [1100, 50]  # x first
    assert first["properties"] == {
        "kind": "wall", "branch": 0, "class": "ferroelectric", "length": 1000.0,
        "width": pytest.approx(30), "width_err": pytest.approx(2), "unit": "nm",
    }  # fmt: skip
    assert second["properties"]["class"] == "ferroelastic"
    assert junction["geometry"] == {"type": "Point", "coordinates": [300, 50]}
    assert junction["properties"] == {"kind": "junction", "node": 1, "n_walls": 3, "unit": "nm"}


def test_pixels_without_a_calibration(straight, walls_of):
    collection = walls_geojson(two_walls(straight, walls_of, None), pixel_size_nm=None)
    json.dumps(collection, allow_nan=False)
    first = collection["features"][0]
    assert first["geometry"]["coordinates"][-1] == [110, 10]
    assert {each["properties"]["unit"] for each in collection["features"]} == {"px"}
    assert (first["properties"]["length"], first["properties"]["width"]) == (100, 6)


def test_no_wall_is_an_empty_collection(walls_of):
    assert walls_geojson(walls_of(), pixel_size_nm=None)["features"] == []

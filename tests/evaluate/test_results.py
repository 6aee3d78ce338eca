"""Which files tell of which image, and who belongs to whom."""

import json

import pandas as pd
import pytest

from scanseg.errors import ConfigError
from scanseg.evaluate.results import ImageResults, find_results, pair_results, read_table

ATOMS = "y_px,x_px\n1,2\n"
POINTS = "branch,y_px,x_px,class\n0,1,2,ferroelastic\n"


def _write(path, text=ATOMS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_run_has_a_folder_for_each_image(tmp_path):
    for name in ("run.json", "atoms.csv", "day/a.dm4/atoms.csv", "b.tif/wall_points.csv"):
        _write(tmp_path / name)
    for name in ("day/a.dm4/class_map.tif", "b.tif/class_map.tif", "b.tif/probability.tif"):
        _write(tmp_path / name)
    first, second = find_results(tmp_path)
    assert (first.name, first.task) == ("b", "walls")
    assert set(first.files) == {"wall_points", "class_map", "probability"}
    assert (second.name, second.task) == ("day/a", "atoms")


def test_truth_lies_beside_its_image(tmp_path):
    for name in ("a_atoms.csv", "sub/b_wall_points.csv", "sub/b_class_map.tif", "c_walls.geojson"):
        _write(tmp_path / name)
    _write(tmp_path / "notes.csv")
    _write(tmp_path / "myatoms.csv")
    assert [(each.name, each.task) for each in find_results(tmp_path)] == [
        ("a", "atoms"),
        ("c", "walls"),
        ("sub/b", "walls"),
    ]


def test_a_joined_table_holds_several_images(tmp_path):
    text = "image,y_px,x_px\na.tif,1,2\nday/b.tif,3,4\n"
    results = find_results(_write(tmp_path / "all.csv", text))
    assert [each.name for each in results] == ["a", "day/b"]
    table = read_table(results[1].files["atoms"], image=results[1].image)
    assert table["y_px"].tolist() == [3]
    assert table["frame"].tolist() == [0]


def test_partners_are_found_by_path_and_then_by_name():
    def results(*names, task="atoms"):
        return [ImageResults(name, {task: None}) for name in names]

    pairing = pair_results(results("x/a", "x/b", "y/b", "c"), results("x/b", "truth/a", "b", "d"))
    assert [(found.name, truth.name) for found, truth in pairing.pairs] == [
        ("x/a", "truth/a"),
        ("x/b", "x/b"),
        ("y/b", "b"),
    ]
    assert (pairing.without_truth, pairing.without_result) == (("c",), ("d",))
    # Atoms and walls of one name are not compared; two lone files are, whatever they are called.
    other = pair_results(results("a"), results("a", task="wall_points"))
    assert not other.pairs
    assert len(pair_results(results("mine"), results("theirs")).pairs) == 1


def test_two_of_a_name_are_not_guessed():
    found = [ImageResults(name, {"atoms": None}) for name in ("x/a", "y/a")]
    truth = [ImageResults("a", {"atoms": None})]
    assert pair_results(found, truth).without_result == ("a",)


def test_lines_of_geojson_become_points(tmp_path):
    content = {
        "unit": "nm",
        "features": [
            {
                "geometry": {"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.0]]},
                "properties": {"class": "ferroelastic"},
            },
            {"geometry": {"type": "Point", "coordinates": [0, 0]}, "properties": {}},
        ],
    }
    table = read_table(_write(tmp_path / "w.geojson", json.dumps(content)))
    expected = pd.DataFrame({"branch": 0, "point": [0, 1], "y_nm": [2.0, 4.0], "x_nm": [1.0, 3.0]})
    pd.testing.assert_frame_equal(table[list(expected)], expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "x,y\n1,2\n"),
        ("a.csv", ""),
        ("a.geojson", "[]"),
        ("a.geojson", "{"),
        ("a.txt", ""),
    ],
)
def test_what_is_no_result_is_said(tmp_path, name, text):
    path = _write(tmp_path / name, text)
    with pytest.raises(ConfigError, match=name):
        _read_all(path)
    with pytest.raises(ConfigError, match="does not exist"):
        find_results(tmp_path / "gone")


def _read_all(path):
    for each in find_results(path):
        for file in each.files.values():
            read_table(file)

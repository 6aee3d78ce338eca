"""Which file is the image that results are about."""

import json

import pytest

from scanseg.evaluate.images import image_of
from scanseg.evaluate.results import ImageResults


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run" / "sub" / "a.tif"
    folder.mkdir(parents=True)
    (folder / "atoms.csv").touch()
    (tmp_path / "run" / "run.json").write_text("{}")
    return ImageResults("sub/a", {"atoms": folder / "atoms.csv"})


def _truth(tmp_path):
    (tmp_path / "truth").mkdir(exist_ok=True)
    return ImageResults("sub/a", {"atoms": tmp_path / "truth" / "a_atoms.csv"})


def test_the_manifest_of_a_run_names_it(run, tmp_path):
    measured = tmp_path / "data [1]" / "a.tif"
    measured.parent.mkdir()
    measured.touch()
    lines = [json.dumps({"name": "sub/a.tif", "path": str(measured)}), '{"name": "sub/b.tif", "pa']
    (tmp_path / "run" / "manifest.jsonl").write_text("\n".join(lines))
    assert image_of(run, _truth(tmp_path)) == measured
    measured.unlink()
    assert image_of(run, _truth(tmp_path)) is None


def test_an_image_beside_the_truth_goes_first_and_maps_are_none(run, tmp_path):
    truth = _truth(tmp_path)
    for name in ("a_class_map.tif", "a_labels.tif", "ab.tif", "a.txt"):
        (tmp_path / "truth" / name).touch()
    assert image_of(run, truth) is None
    (tmp_path / "truth" / "a.tif").touch()
    assert image_of(run, truth) == tmp_path / "truth" / "a.tif"

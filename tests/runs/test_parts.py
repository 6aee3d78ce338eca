"""Tables in parts: as they were, from a file that has no name."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd

from scanseg.runs.detection import detected_atoms
from scanseg.runs.parts import TableParts, gathered, parts_of


def table(first, n):
    return pd.DataFrame({"atom": np.arange(first, first + n), "class": pd.Categorical(["a"] * n)})


def test_one_part_is_the_table_itself(tmp_path):
    whole = table(0, 5)
    kept = gathered(iter([whole]), tmp_path)
    assert kept is whole
    assert list(parts_of(kept)) == [whole]


def test_parts_come_back_in_order_as_often_as_they_are_asked_for(tmp_path):
    parts = [table(0, 4), table(4, 0), table(4, 3)]
    kept = gathered(iter(parts), tmp_path)
    assert isinstance(kept, TableParts)
    assert len(kept) == 7
    for _ in range(2):
        for found, part in zip(parts_of(kept), parts, strict=True):
            pd.testing.assert_frame_equal(found, part)
    if sys.platform != "win32":
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_no_reason_to_fail(tmp_path):
    kept = TableParts([table(0, 2), table(2, 2)], tmp_path / "not there")
    assert len(kept) == 4


def test_files_of_an_image_are_the_same_whether_its_table_came_in_parts(bench, tools):
    finder = tools.SpotFinder()
    tools.write_tiff(bench.images / "a.tif", tools.spots((90, 120)))

    def in_parts(image):
        found = finder(image)
        atoms = found.tables["atoms.csv"]
        parts = TableParts([atoms[:30], atoms[30:31], atoms[31:]], bench.output)
        again = detected_atoms(
            image, found.maps, parts, colours=found.colours, spacing_px=10.0, warnings=("a remark",)
        )
        return replace(again, model=found.model)

    bench.run()
    whole = bench.files()

    class InParts(tools.SpotFinder):
        def __call__(self, image):
            return in_parts(image)

    bench.run(InParts(), fresh=True)
    parted = bench.files()
    for name in ("a.tif/atoms.csv", "a.tif/overlay.png", "a.tif/class_map.tif", "atoms.csv"):
        assert parted[name] == whole[name], name

"""Tables in parts: as they were, from a file that has no name."""

import sys

import numpy as np
import pandas as pd

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

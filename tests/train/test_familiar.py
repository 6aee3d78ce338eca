"""What a model knows, measured after it was trained."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import yaml

from scanseg.bundle import load_model
from scanseg.train.familiar import familiar_ranges, remember_familiar


def test_ranges_leave_out_what_was_not_measured():
    rows = [{"a": float(n), "b": np.nan} for n in range(101)] + [{"a": np.nan, "b": np.nan}]
    assert familiar_ranges(rows, (2, 98)) == {"a": (2.0, 98.0)}
    assert familiar_ranges([], (2, 98)) == {}


def test_only_the_ranges_of_a_model_change(tmp_path):
    before = load_model("stem-atoms")
    folder = tmp_path / "copy"
    shutil.copytree(before.folder, folder)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "task: atoms\nname: copy\npatch_px: 96\nvalidation: {n_images: 6, seed: 20000}\n"
    )
    after = remember_familiar(load_model(folder), recipe)
    assert after.contract.familiar.keys() == {"explained", "irregularity", "column_doubt"}
    assert all(low < high for low, high in after.contract.familiar.values())
    old, new = (
        yaml.safe_load((each.folder / "model.yaml").read_text()) for each in (before, after)
    )
    assert {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} == {
        "familiar"
    }
    assert load_model(folder, verify=True).contract == after.contract
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("name", ["stem-atoms", "pfm-walls"])
def test_shipped_models_know_what_they_know(name):
    assert load_model(name).contract.familiar

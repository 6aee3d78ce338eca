"""``scanseg simulate``: files that our own readers understand, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


def test_images_and_truth_belong_together(scanseg, tmp_path):
    from scanseg.readers import read

    options = ["--n", 2, "--size", "96x128", "--set", "layouts={crystal: 1}"]
    code, stdout, _ = scanseg("simulate", "-o", tmp_path / "sim", *options)
    assert code == 0
    assert "2 images" in stdout
    for name in ("stem_000", "stem_001"):
        image = read(tmp_path / "sim" / f"{name}.tif")
        truth = pd.read_csv(tmp_path / "sim" / f"{name}_atoms.csv")
        assert image.shape == (96, 128)
        assert list(truth) == ["y_px", "x_px", "y_nm", "x_nm", "species", "visible"]
        # The truth has six digits.
        along_y, along_x = image.pixel_size_nm
        np.testing.assert_allclose(truth["y_nm"], truth["y_px"] * along_y, atol=2e-6)
        np.testing.assert_allclose(truth["x_nm"], truth["x_px"] * along_x, atol=2e-6)


def test_a_seed_gives_the_same_images_however_many(scanseg, tmp_path):
    for folder, n in (("one", 1), ("two", 2)):
        scanseg("simulate", "-o", tmp_path / folder, "--n", n, "--size", 64, "--seed", 5)
    for name in ("stem_000.tif", "stem_000_atoms.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("size", ["big", "12", "64x64x64", "64x"])
def test_a_size_that_is_none_is_2(scanseg, tmp_path, size):
    code, _, stderr = scanseg("simulate", "-o", tmp_path / "sim", "--size", size)
    assert code == 2
    assert "512x768" in stderr


def test_nothing_is_overwritten(scanseg, tmp_path):
    scanseg("simulate", "-o", tmp_path, "--n", 1, "--size", 64)
    code, _, stderr = scanseg("simulate", "-o", tmp_path, "--n", 1, "--size", 64)
    assert code == 2
    assert "already" in stderr

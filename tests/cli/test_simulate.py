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


def test_a_scan_is_read_with_all_its_channels(scanseg, tmp_path):
    from scanseg.micrograph import Signal
    from scanseg.readers import read

    scene = ["--set", "layouts={blocks: 1}", "--set", "missing={}", "--set", "partial_fraction=0"]
    options = ["--modality", "pfm", "--n", 1, "--size", "96x128", "--seed", 3, *scene]
    code, stdout, _ = scanseg("simulate", "-o", tmp_path / "sim", *options)
    assert code == 0
    assert "1 images" in stdout
    scan = read(tmp_path / "sim" / "pfm_000.tif")
    assert list(scan.channels()) == [Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY]
    assert {each.shape for each in scan.channels().values()} == {(96, 128)}
    assert {each.metadata["unit"] for each in scan.channels().values()} == {"pm", "deg", "nm"}
    class_map = read(tmp_path / "sim" / "pfm_000_class_map.tif")
    assert class_map.pixel_size_nm == scan.pixel_size_nm
    points = pd.read_csv(tmp_path / "sim" / "pfm_000_wall_points.csv")
    assert list(points) == [
        "image", "frame", "branch", "point", "y_px", "x_px", "y_nm", "x_nm", "class", "visible",
    ]  # fmt: skip
    assert set(points["image"]) == {"pfm_000.tif"}
    np.testing.assert_allclose(points["x_nm"], points["x_px"] * scan.pixel_size_nm[1], rtol=1e-3)
    # Visible walls are in the class map, and where they are not only narrow pairs are: 255.
    at = np.rint(points.loc[points["visible"], ["y_px", "x_px"]].to_numpy()).astype(int)
    assert (class_map.data[at[:, 0], at[:, 1]] > 0).all()


def test_missing_channels_are_missing_in_the_file(scanseg, tmp_path):
    from scanseg.micrograph import Signal
    from scanseg.readers import read

    options = ["--modality", "pfm", "--n", 1, "--size", 64, "--set", "missing={amplitude: 1}"]
    scanseg("simulate", "-o", tmp_path, *options)
    assert list(read(tmp_path / "pfm_000.tif").channels()) == [Signal.PFM_PHASE, Signal.TOPOGRAPHY]


def test_a_series_is_a_file_a_frame(scanseg, tmp_path):
    options = ["--n", 1, "--size", "64x96", "--frames", 3, "--seed", 1]
    code, stdout, _ = scanseg("simulate", "-o", tmp_path, "--modality", "pfm", *options)
    assert code == 0
    assert "3 images" in stdout
    names = sorted(path.name for path in tmp_path.glob("*_class_map.tif"))
    assert names == [f"pfm_000_frame_{n:02d}_class_map.tif" for n in range(3)]
    code, _, stderr = scanseg("simulate", "-o", tmp_path / "stem", "--frames", 2)
    assert code == 2
    assert "--modality pfm" in stderr

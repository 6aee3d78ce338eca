"""What is mended in a copy is right, what only a person knows stays, the original is untouched."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import zoom

from scanseg.errors import ConfigError
from scanseg.micrograph import Signal
from scanseg.train.labelled_check import check_labelled
from scanseg.train.labelled_fix import mend_labelled, mend_map
from scanseg.writers import write_array

ONE = ("background", "atom")
TWO = ("background", "heavy", "light")
SHAPE = (60, 90)


def write_image(folder, name, seed=1, size_nm=0.02):
    folder.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).normal(100, 9, SHAPE).astype(np.float32)
    write_array(image, folder / name, pixel_size_nm=(size_nm, size_nm), signal=Signal.HAADF)


def discs(value, spacing=12):
    rows, columns = np.indices(SHAPE)
    away = np.hypot(rows % spacing - spacing / 2, columns % spacing - spacing / 2)
    return np.where(away <= 3.2, value, 0).astype(np.uint8)


def points(n=20, seed=2):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(6, 60, 12), np.arange(6, 90, 12)), -1).reshape(-1, 2)
    return pd.DataFrame(grid[:n] + rng.uniform(-1, 1, (n, 2)), columns=["y_px", "x_px"])


def contents(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.*")
    }


def test_a_smoothed_map_of_255_becomes_one_of_classes():
    sharp = discs(255)
    smoothed = zoom(zoom(sharp.astype(float), 2, order=1), 0.5, order=1)[: SHAPE[0], : SHAPE[1]]
    mended, said = mend_map(np.rint(smoothed).astype(np.uint8), ONE)
    assert mended.dtype == np.uint8
    assert set(np.unique(mended)) == {0, 1}
    # Halves of border pixels may go either way: the circumference is 20 of 32 pixels.
    assert (mended != (sharp > 0)).mean() < 0.02
    assert len(said) == 2


def test_what_only_a_person_knows_stays_as_it_is():
    which_class = discs(255)
    assert mend_map(which_class, TWO)[1] == []
    three = np.where(np.arange(SHAPE[1]) < 45, discs(1), discs(2))
    assert mend_map(three, TWO)[1] == []
    colours = np.stack([discs(9), discs(0), discs(0)], -1)
    np.testing.assert_array_equal(mend_map(colours, ONE)[0], colours)
    grey, said = mend_map(np.stack([discs(1)] * 3, -1), ONE)
    np.testing.assert_array_equal(grey, discs(1))
    assert said == ["grey colours became numbers"]


@pytest.fixture
def data(tmp_path):
    """Five images with something that can be mended, and one without."""
    folder = tmp_path / "data"
    for number, name in enumerate(["good", "grey", "swapped", "gaps", "again"]):
        write_image(folder, f"{name}.tif", seed=number)
    points().to_csv(folder / "good_atoms.csv", index=False)
    tifffile.imwrite(folder / "grey_labels.tif", discs(255))
    wide = points(35)
    wide.rename(columns={"y_px": "x_px", "x_px": "y_px"}).to_csv(
        folder / "swapped_atoms.csv", index=False
    )
    gaps = points()
    gaps.loc[3, "y_px"] = np.nan
    gaps = pd.concat([gaps, gaps.iloc[7:9]])
    gaps.to_csv(folder / "gaps_atoms.csv", index=False)
    (folder / "again.tif").write_bytes((folder / "good.tif").read_bytes())
    points().to_csv(folder / "again_atoms.csv", index=False)
    return folder


def test_a_copy_is_mended_and_the_original_is_not(data, tmp_path):
    before = contents(data)
    assert check_labelled(data, class_names=ONE).errors
    mended = mend_labelled(data, tmp_path / "copy", class_names=ONE)
    assert contents(data) == before
    left = check_labelled(tmp_path / "copy", class_names=ONE)
    assert not left.errors
    assert {each.name for each in mended} == {"grey.tif", "swapped.tif", "gaps.tif", "good.tif"}
    by_name = {each.name: each for each in left.images}
    assert set(by_name) == {"again.tif", "grey.tif", "swapped.tif", "gaps.tif"}
    assert len(by_name["gaps.tif"].columns.position_px) == 19
    np.testing.assert_allclose(
        by_name["swapped.tif"].columns.position_px, points(35).to_numpy(), atol=1e-9
    )
    assert by_name["grey.tif"].image.pixel_size_nm == (0.02, 0.02)


def test_a_copy_goes_to_a_new_folder_outside(data, tmp_path):
    with pytest.raises(ConfigError, match="there already"):
        mend_labelled(data, data, class_names=ONE)
    with pytest.raises(ConfigError, match="inside of"):
        mend_labelled(data, data / "copy", class_names=ONE)


def test_near_copies_repetitions_and_other_samplings_are_in_the_table(tmp_path):
    folder = tmp_path / "data"
    for number, size_nm in enumerate([0.02, 0.021, 0.02, 0.06]):
        write_image(folder, f"{number}.tif", seed=number, size_nm=size_nm)
        points(35).to_csv(folder / f"{number}_atoms.csv", index=False)
    image = tifffile.imread(folder / "0.tif")
    export = np.rint((image - image.min()) * 3).astype(np.uint8)[:, ::-1]
    tifffile.imwrite(folder / "export.tif", export)
    twice = pd.concat([points(35), points(1)])
    twice.to_csv(folder / "export_atoms.csv", index=False)
    problems = check_labelled(folder, class_names=ONE).problems
    said = {(each.name, each.level): each.what for each in problems if each.name != "all"}
    assert said[("export.tif", "warning")] in (
        "nearly the same image as 0.tif", "1 positions are there twice",
    )  # fmt: skip
    assert {each.what for each in problems if each.name == "export.tif"} >= {
        "nearly the same image as 0.tif", "1 positions are there twice",
    }  # fmt: skip
    assert "nm elsewhere" in said[("3.tif", "warning")]
    every = " ".join(each.what for each in problems if each.name == "all")
    assert "pixels of 0.02 to 0.06 nm" in every
    assert "1 images have no pixel size: export.tif" in every

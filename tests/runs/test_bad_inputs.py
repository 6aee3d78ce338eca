"""Files as they come from real disks: each is reported with what to do, and the rest finishes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def bad_files(bench, tools):
    """Everything that can be wrong, and one good image beside it."""
    folder = bench.images
    good = tools.write_tiff(folder / "good.tif", tools.spots((64, 48)))
    (folder / "empty.tif").write_bytes(b"")
    (folder / "text.tif").write_text("date,counts\n1,2\n")
    tools.write_tiff(folder / "whole.tif", tools.spots((200, 300)))
    (folder / "truncated.tif").write_bytes((folder / "whole.tif").read_bytes()[:60_000])
    (folder / "whole.tif").unlink()
    tools.write_tiff(folder / "constant.tif", np.full((40, 50), 7, np.uint16))
    np.save(folder / "nan.npy", np.full((40, 50), np.nan, np.float32))
    tools.write_tiff(folder / "one_pixel.tif", np.array([[3]], np.uint16))
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(photo).save(folder / "photo.png")
    with h5py.File(folder / "huge.h5", "w") as file:
        # 200,000 x 200,000 float32 are 149 GB; the file itself has a few kB.
        file.create_dataset("image", (200_000, 200_000), np.float32, chunks=(512, 512))
    return good


def test_every_bad_file_is_a_reasoned_failure(bench, tools, bad_files):
    result = bench.run(tools.SpotFinder())
    assert result.n_done == 1
    failures = bench.table("failures.csv").set_index("path")
    found = {path.rsplit("/", 1)[1]: row for path, row in failures.iterrows()}
    stages = {name: row["stage"] for name, row in found.items()}
    assert stages == {
        "constant.tif": "check",
        "empty.tif": "read",
        "huge.h5": "read",
        "nan.npy": "check",
        "one_pixel.tif": "check",
        "photo.png": "read",
        "text.tif": "read",
        "truncated.tif": "read",
    }
    for name, row in found.items():
        assert isinstance(row["hint"], str), name
        assert "unexpected" not in row["reason"], (name, row["reason"])
    assert "holds no pixel size" not in found["constant.tif"]["reason"]
    assert "value 7" in found["constant.tif"]["reason"]
    images = bench.table("images.csv").set_index("image")["status"]
    assert images["good.tif"] == "done"
    assert (images.drop("good.tif") == "failed").all()
    # A failed image leaves no folder behind.
    assert [path.name for path in bench.output.iterdir() if path.is_dir()] == ["good.tif"]


def test_files_of_other_programs_are_left_out(bench, tools, bad_files):
    (bench.images / "notes.txt").write_text("beam was unstable")
    (bench.images / "log.csv").write_text("a,b")
    (bench.images / ".hidden.tif").write_text("x")
    (bench.images / "raw.xyz9").write_text("of a format of its own")
    result = bench.run(tools.SpotFinder())
    skipped = {each.path.name: each.reason for each in bench.last_plan.skipped}
    assert set(skipped) == {"notes.txt", "log.csv"}
    assert ".csv" in skipped["log.csv"]
    # raw.xyz9 might have been an image, so it was tried; that it is none is no failure.
    assert result.n_failed == 8
    assert "raw.xyz9" not in "".join(bench.table("images.csv")["image"])

"""``scanseg patches`` over what ``predict`` has written: squares are those of the image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.writers import write

SHAPE = (70, 96)
N_FRAMES = 6
N_SPOTS = 30
COLUMNS = {"patches", "image", "frame", "atom", "class", "y_px", "x_px", "series_frame"}


def render(number):
    """A square lattice that drifts by (1, 2) px a frame."""
    y, x = np.indices(SHAPE)
    image = np.zeros(SHAPE, np.float32)
    for row in np.arange(8, 60, 12.0) + number:
        for column in np.arange(8, 80, 12.0) + 2 * number:
            image += 100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    return image


@pytest.fixture
def run(scanseg, tmp_path):
    """A run over a movie."""
    like = Micrograph(render(0), pixel_size_nm=(0.02, 0.03), signal=Signal.HAADF)
    (tmp_path / "in").mkdir()
    write(Stack(render, N_FRAMES, like), tmp_path / "in" / "movie.tif")
    out = tmp_path / "run"
    code, _, stderr = scanseg("predict", tmp_path / "in", "-o", out)
    assert code == 0, stderr
    return out


def test_squares_are_those_of_the_image(scanseg, run, tmp_path):
    path = tmp_path / "new" / "p.npz"
    code, stdout, stderr = scanseg("patches", run, "-o", path, "--side-px", 11)
    assert code == 0, stderr
    with np.load(path) as arrays:
        assert set(arrays.files) == COLUMNS
        patches, frame, image = (arrays[name] for name in ("patches", "frame", "image"))
        place = np.stack([arrays["y_px"], arrays["x_px"]], 1)
    assert stdout == f"{len(patches)} sub-images of 11 x 11 px: {path}\n"
    assert set(image) == {"movie.tif"}
    # Of the first frame all are 5 px and more from the border; later the drift takes none out.
    assert np.bincount(frame).tolist() == [N_SPOTS] * N_FRAMES
    for patch, number, at in zip(patches, frame, place, strict=True):
        top, left = np.round(at).astype(int) - 5
        np.testing.assert_allclose(
            patch, render(number)[top : top + 11, left : left + 11], rtol=1e-6
        )


def test_squares_over_the_border_are_dropped_or_filled(scanseg, run, tmp_path):
    path = tmp_path / "p.npz"
    side = 19  # reaches 9 px, and the first row and column are 8 px from the border
    for border, count in (("drop", N_SPOTS - 10), ("keep", N_SPOTS)):
        code, _, stderr = scanseg(
            "patches", run, "-o", path, "--side-px", side, "--every", N_FRAMES, "--border", border
        )
        assert code == 0, stderr
        with np.load(path) as arrays:
            patches = arrays["patches"]
        assert patches.shape == (count, side, side)
        # What lies beyond is one line of a square for each of 10, crossing once in the corner.
        assert np.isnan(patches).any(axis=(1, 2)).sum() == (10 if border == "keep" else 0)


def test_every_second_frame_centred_as_pages(scanseg, run, tmp_path):
    arguments = ("--every", 2, "--centring", "subpixel", "--border", "keep")
    code, stdout, stderr = scanseg("patches", run, "-o", tmp_path / "p.tif", *arguments)
    assert code == 0, stderr
    stack = tifffile.imread(tmp_path / "p.tif")
    table = pd.read_csv(tmp_path / "p.csv")
    assert len(stack) == len(table) == 3 * N_SPOTS
    # Three spacings of 12 px, odd.
    assert stack.shape[1:] == (37, 37)
    assert "37 x 37 px" in stdout
    assert set(table["frame"]) == {0, 2, 4}
    # The column is in the very centre of each square: nothing around it is brighter.
    around = stack[:, 16:21, 16:21].reshape(len(stack), -1)
    assert (around.argmax(axis=1) == 12).all()


def test_mistakes_are_2_with_what_to_do(scanseg, run, tmp_path):
    for arguments, says in (
        (("-o", tmp_path / "p.npz", "--class", "Si"), "No atom of Si"),
        (("-o", tmp_path / "p.npz", "--side-px", 71), "a smaller --side-px"),
        (("-o", tmp_path / "p.npz", "--images", "other.tif"), "It has movie.tif"),
        (("-o", tmp_path / "p.png"), ".npz"),
        (("-o", tmp_path / "p.npz", "--side-px", 2), "--side-px"),
        (("-o", tmp_path / "p.npz", "--border", "mirror"), "'mirror' is not one of"),
        ((), "--output"),
    ):
        code, _, stderr = scanseg("patches", run, *arguments)
        assert code == 2, stderr
        assert says in " ".join(stderr.replace("│", " ").split())
    code, _, stderr = scanseg("patches", tmp_path / "in", "-o", tmp_path / "p.npz")
    assert code == 2
    assert "holds no results of scanseg" in stderr


def test_the_inputs_must_still_be_there(scanseg, run, tmp_path):
    (tmp_path / "in" / "movie.tif").unlink()
    code, _, stderr = scanseg("patches", run, "-o", tmp_path / "p.npz")
    assert code == 2
    assert "sub-images are cut from it" in stderr
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".npz"]

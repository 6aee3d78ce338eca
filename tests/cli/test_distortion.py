"""``scanseg distortion`` over what ``predict`` has written, against lines moved by known steps."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, signal

from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.writers import write

SHAPE = (110, 150)
PIXEL_NM = (0.02, 0.02)
FILES = {
    "distortion.csv", "scan_lines.csv", "atoms_corrected.csv", "distortion.json",
    *(f"distortion_{number:02d}.png" for number in range(4)),
}  # fmt: skip


def shift_px(number):
    """Where the lines of a frame start, to the right of where they should; 0.5 px rms."""
    shift = ndimage.gaussian_filter1d(np.random.default_rng(number).normal(size=SHAPE[0]), 2)
    return 0.5 * (shift - shift.mean()) / shift.std()


def render(number):
    """A square lattice whose lines start off, differently in each frame."""
    y, x = np.indices(SHAPE, dtype=float)
    x = x - shift_px(number)[:, None]
    image = np.zeros(SHAPE, np.float32)
    for row in np.arange(8, 104, 12.0):
        for column in np.arange(8, 144, 12.0):
            image += 100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 12)
    return image


@pytest.fixture
def run(scanseg, tmp_path):
    """A run over a movie and an image of another shape."""
    like = Micrograph(render(0), pixel_size_nm=PIXEL_NM, signal=Signal.HAADF)
    (tmp_path / "in").mkdir()
    write(Stack(render, 4, like), tmp_path / "in" / "movie.tif")
    few = np.ascontiguousarray(render(0)[:30, :40])
    write(Micrograph(few, signal=Signal.HAADF), tmp_path / "in" / "few.tif")
    out = tmp_path / "run"
    code, _, stderr = scanseg("predict", tmp_path / "in", "-o", out)
    assert code == 0, stderr
    return out


@pytest.mark.parametrize("source", ["lattice", "series"])
def test_lines_that_start_off(scanseg, run, tmp_path, source):
    out = tmp_path / source
    code, stdout, stderr = scanseg(
        "distortion", run, "-o", out, "--from", source, "--images", "movie.tif",
        "--set", "slow_changes=scan",
    )  # fmt: skip
    assert code == 0, stderr
    assert stdout.startswith("4 images, jitter y ")
    assert {path.name for path in out.iterdir()} == FILES
    table = pd.read_csv(out / "distortion.csv")
    assert table["frame"].tolist() == [0, 1, 2, 3]
    assert (table["jitter_x_px"] > 3 * table["jitter_y_px"]).all()
    np.testing.assert_allclose(table["jitter_x_pm"], 20 * table["jitter_x_px"], rtol=1e-5)
    corrected = pd.read_csv(out / "atoms_corrected.csv")
    for _, frame in corrected.groupby("frame"):
        column = np.round((frame["x_px"] - 8) / 12)
        before = (frame["x_px"] - 12 * column).std()
        after = (frame["x_scan_px"] - 12 * column).std()
        # The mean of four frames keeps half the jitter; a square lattice none.
        assert after < (0.75 if source == "series" else 0.3) * before


def test_each_line_gets_its_own_shift(scanseg, run, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("slow_changes: scan\ncell: square\n")
    out = tmp_path / "out"
    arguments = ("-o", out, "--images", "movie.tif", "--config", settings)
    assert scanseg("distortion", run, *arguments)[0] == 0
    lines = pd.read_csv(out / "scan_lines.csv")
    assert len(lines) == 4 * SHAPE[0]
    at = np.arange(8, 104, 12)
    found, true = [], []
    for number, own in lines.groupby("frame"):
        # The position of a column is the mean over its lines, as its squared profile weighs them.
        mean = ndimage.gaussian_filter1d(shift_px(number), 3**0.5)[at]
        # What grows steadily from line to line is drift or the lattice itself.
        true += list(signal.detrend(mean))
        found += list(signal.detrend(own["shift_x_px"].to_numpy()[at]))
        np.testing.assert_allclose(own["shift_y_px"], 0, atol=0.1)
    # Lines that differ within a column bend it: a fifth of what was put in is left, in both ways.
    assert np.std(np.subtract(found, true)) < 0.3 * np.std(true)
    assert np.polyfit(true, found, 1)[0] == pytest.approx(1, abs=0.15)
    record = json.loads((out / "distortion.json").read_text())
    assert record["settings"]["cell"] == "square"
    assert record["from"] == "lattice"
    assert record["warnings"] == []


def test_what_has_no_lattice_is_said(scanseg, tmp_path):
    image = np.zeros(SHAPE, np.float32)
    y, x = np.indices(SHAPE)
    for row, column in ((20, 30), (70, 90), (50, 120)):
        image += 100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 12)
    (tmp_path / "in").mkdir()
    write(Micrograph(image, signal=Signal.HAADF), tmp_path / "in" / "few.tif")
    scanseg("predict", tmp_path / "in", "-o", tmp_path / "run")
    code, _, stderr = scanseg("distortion", tmp_path / "run", "-o", tmp_path / "out")
    assert code == 2
    assert "columns are on a lattice" in stderr


def test_mistakes_are_2_and_leave_nothing(scanseg, run, tmp_path):
    out = tmp_path / "out"
    for arguments, says in (
        (("--images", "other.tif"), "It has few.tif, movie.tif"),
        (("--set", "cel=square"), "did you mean 'cell'"),
        (("--set", "strain_length=0"), "strain_length"),
        (("--config", tmp_path / "none.yaml"), "none.yaml"),
        (("--from", "drift"), "'drift' is not one of"),
        (("--from", "series"), "different shapes"),
    ):
        code, _, stderr = scanseg("distortion", run, "-o", out, *arguments)
        assert code == 2, stderr
        assert says in " ".join(stderr.replace("│", " ").split())
    code, _, stderr = scanseg("distortion", run, "-o", run)
    assert code == 2
    assert "holds other files" in stderr
    code, _, stderr = scanseg("distortion", tmp_path / "in", "-o", out)
    assert code == 2
    assert "holds no results of scanseg" in stderr
    assert not out.exists() or not list(out.iterdir())

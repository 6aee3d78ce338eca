"""``scanseg tracks`` over what ``predict`` has written."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.writers import write

SHAPE = (70, 96)
PIXEL_NM = (0.02, 0.02)
N_FRAMES = 6
FILES = {
    "tracks.csv", "track_points.csv", "track_events.csv", "track_frames.csv", "neighbourhoods.csv",
    "transitions.csv", "trajectories.png", "tracks.json",
}  # fmt: skip


def places(number):
    """Spots of a frame: a square lattice that drifts by (1, 2) px a frame; one spot jumps once."""
    grid = np.stack(np.meshgrid(np.arange(8, 60, 12.0), np.arange(8, 80, 12.0), indexing="ij"), -1)
    place = grid.reshape(-1, 2)
    empty = np.hypot(*(place - (32, 44)).T) < 1
    if number >= 3:  # the one on the left hops into the empty site
        empty = np.hypot(*(place - (32, 32)).T) < 1
    return place[~empty] + number * np.array([1.0, 2.0])


def render(place):
    y, x = np.indices(SHAPE)
    image = np.zeros(SHAPE, np.float32)
    for row, column in place:
        image += 100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    return image


@pytest.fixture
def run(scanseg, tmp_path):
    """A run over a movie."""
    like = Micrograph(render(places(0)), pixel_size_nm=PIXEL_NM, signal=Signal.HAADF)
    movie = Stack(lambda n: render(places(n)), N_FRAMES, like)
    (tmp_path / "in").mkdir()
    write(movie, tmp_path / "in" / "movie.tif")
    out = tmp_path / "run"
    code, _, stderr = scanseg("predict", tmp_path / "in", "-o", out)
    assert code == 0, stderr
    return out


def test_a_movie_becomes_tracks(scanseg, run, tmp_path):
    out = tmp_path / "tracks"
    code, stdout, stderr = scanseg("tracks", run, "-o", out, "--interval-s", "0.5")
    assert code == 0, stderr
    assert stdout.startswith("6 frames, drift up to 11.2 px, 29 tracks (29 in most frames), 1 jump")
    assert {path.name for path in out.iterdir()} == FILES
    frames = pd.read_csv(out / "track_frames.csv")
    np.testing.assert_allclose(frames["drift_x_px"], 2.0 * np.arange(N_FRAMES), atol=0.05)
    assert frames["time_s"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    (jump,) = pd.read_csv(out / "track_events.csv").to_dict("records")
    assert (jump["event"], jump["frame"]) == ("jump", 3)
    assert jump["distance_nm"] == pytest.approx(0.24, abs=0.002)
    points = pd.read_csv(out / "track_points.csv")
    assert len(points) == 29 * N_FRAMES
    own = points[points["track"] == jump["track"]]
    np.testing.assert_allclose(own["x_still_px"], [32, 32, 32, 44, 44, 44], atol=0.1)
    record = json.loads((out / "tracks.json").read_text())
    assert record["warnings"] == []


def test_images_of_one_place_are_a_movie_too(scanseg, tmp_path):
    (tmp_path / "in").mkdir()
    for number in (0, 3, 10):
        tifffile.imwrite(tmp_path / "in" / f"at{number}.tif", render(places(0)))
    scanseg("predict", tmp_path / "in", "-o", tmp_path / "run")
    out = tmp_path / "tracks"
    code, _, stderr = scanseg("tracks", tmp_path / "run", "-o", out)
    assert code == 0, stderr
    frames = pd.read_csv(out / "track_frames.csv")
    assert frames["image"].tolist() == ["at0.tif", "at3.tif", "at10.tif"]
    assert frames["n_linked"].tolist() == [0, 29, 29]


def test_without_the_inputs_the_figure_is_white_and_says_so(scanseg, run, tmp_path):
    (tmp_path / "in" / "movie.tif").unlink()
    code, _, stderr = scanseg("tracks", run, "-o", tmp_path / "tracks")
    assert code == 0
    assert "not there any more" in stderr
    assert (tmp_path / "tracks" / "trajectories.png").exists()


def test_what_cannot_be_followed_is_said(scanseg, run, tmp_path):
    out = tmp_path / "tracks"
    for arguments, says in (
        (("--images", "other.tif"), "It has movie.tif"),
        (("--interval-s", "0"), "above 0"),
        (("--set", "reech=0.3"), "did you mean 'reach'"),
    ):
        code, _, stderr = scanseg("tracks", run, "-o", out, *arguments)
        assert code == 2
        assert says in stderr
    code, _, stderr = scanseg("tracks", run, "-o", run)
    assert code == 2
    assert "holds other files" in stderr


def test_results_are_no_images(scanseg, run, tmp_path):
    out = tmp_path / "in" / "tracks"
    assert scanseg("tracks", run, "-o", out)[0] == 0
    code, stdout, _ = scanseg("predict", tmp_path / "in", "-o", tmp_path / "new", "--dry-run")
    assert code == 0
    assert f"skipped  {out}: results of an earlier run" in stdout
    assert "trajectories.png" not in stdout

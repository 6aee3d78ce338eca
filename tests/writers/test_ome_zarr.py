"""OME-Zarr: read back as it was written, by scanseg and by the library of the format."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scanseg.errors import ConfigError, LoadError, NoImage, Truncated, Unsupported
from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.readers import read, read_channels
from scanseg.writers import _ome_zarr, write

SIDES = (0.0125, 0.03)
MOVIE = np.random.default_rng(4).integers(0, 60000, (3, 45, 77)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A movie in pieces of 32 x 32 pixels, so that those at the border are cut."""
    monkeypatch.setattr(_ome_zarr, "CHUNK_PX", 32)
    like = Micrograph(
        MOVIE[0],
        pixel_size_nm=SIDES,
        signal=Signal.PFM_PHASE,
        channel="PhaseRetrace",
        frame_time_s=0.5,
        metadata={"unit": "deg"},
    )
    write(Stack(lambda index: MOVIE[index], 3, like), tmp_path / "movie.ome.zarr")
    return tmp_path / "movie.ome.zarr"


def test_scanseg_reads_back_what_it_writes(folder: Path) -> None:
    back = read(folder)
    np.testing.assert_array_equal(np.stack([frame.data for frame in back.frames()]), MOVIE)
    assert back.pixel_size_nm == SIDES
    assert back.frame_time_s == 0.5
    assert (back.signal, back.channel) == (Signal.PFM_PHASE, "PhaseRetrace")
    assert (back.metadata["unit"], back.metadata["calibration"]) == ("deg", "ome")


def test_the_library_of_the_format_reads_it(folder: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(folder, mode="r")
    np.testing.assert_array_equal(group["0"][:], MOVIE)
    (multiscale,) = group.attrs["multiscales"]
    assert [each["unit"] for each in multiscale["axes"]] == ["second", "nanometer", "nanometer"]
    (change,) = multiscale["datasets"][0]["coordinateTransformations"]
    assert change == {"type": "scale", "scale": [0.5, *SIDES]}


@pytest.mark.parametrize("compressor", ["gzip", None])
def test_what_the_library_writes_is_read(tmp_path: Path, compressor: str | None) -> None:
    zarr = pytest.importorskip("zarr")
    numcodecs = pytest.importorskip("numcodecs")
    group = zarr.open_group(tmp_path / "scan.zarr", mode="w", zarr_format=2)
    values = MOVIE.reshape(1, 3, 1, 45, 77)
    array = group.create_array(
        "0", shape=values.shape, chunks=(1, 2, 1, 20, 30), dtype=values.dtype,
        compressors=numcodecs.GZip() if compressor else None,
    )  # fmt: skip
    array[:] = values
    axes: list[dict[str, str]] = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    change = {"type": "scale", "scale": [1, 1, 1, 0.5, 0.25]}
    dataset = {"path": "0", "coordinateTransformations": [change]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [dataset]}]
    channels = read_channels(tmp_path / "scan.zarr")
    assert len(channels) == 3
    for found, truth in zip(channels, MOVIE, strict=True):
        np.testing.assert_array_equal(found.frame(0).data, truth)
        assert found.pixel_size_nm == (500.0, 250.0)


def test_no_calibration_stays_none(tmp_path: Path) -> None:
    write(Micrograph(MOVIE[0]), tmp_path / "scan.zarr")
    back = read(tmp_path / "scan.zarr")
    np.testing.assert_array_equal(back.frame(0).data, MOVIE[0])
    assert back.pixel_size_nm is None


def test_a_folder_that_is_there_is_kept(folder: Path) -> None:
    with pytest.raises(ConfigError, match="already"):
        write(Micrograph(MOVIE[0]), folder)
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def change_json(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_pieces_that_are_missing_hold_the_fill_value(folder: Path) -> None:
    (folder / "0" / "1" / "0" / "1").unlink()
    frame = read(folder).frame(1).data
    assert not frame[:32, 32:64].any()
    np.testing.assert_array_equal(frame[:, :32], MOVIE[1, :, :32])


def test_damage_is_a_load_error(folder: Path) -> None:
    piece = folder / "0" / "0" / "0" / "0"
    sound = piece.read_bytes()
    for broken in (sound[:50], b"", zlib.compress(bytes(10**6)), b"no zlib"):
        piece.write_bytes(broken)
        with pytest.raises(Truncated) as caught:
            read(folder)
        assert caught.value.hint
    piece.write_bytes(sound)
    for change in ({"shape": [3, 45]}, {"chunks": [1, 0, 32]}, {"dtype": "|O"}, {"chunks": "wide"}):
        before = (folder / "0" / ".zarray").read_text()
        change_json(folder / "0" / ".zarray", **change)
        with pytest.raises(LoadError):
            read(folder)
        (folder / "0" / ".zarray").write_text(before)
    change_json(folder / "0" / ".zarray", compressor={"id": "blosc"})
    with pytest.raises(Unsupported, match="blosc"):
        read(folder)


def test_a_path_that_leads_out_of_the_folder_is_refused(folder: Path) -> None:
    shutil.copytree(folder / "0", folder.parent / "secret")
    described = json.loads((folder / ".zattrs").read_text())
    described["multiscales"][0]["datasets"][0]["path"] = "../secret"
    (folder / ".zattrs").write_text(json.dumps(described))
    with pytest.raises(LoadError, match="leads out"):
        read(folder)


def test_other_folders_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="folder"):
        read(tmp_path)
    (tmp_path / ".zattrs").write_text("{}")
    with pytest.raises(NoImage):
        read(tmp_path)
    (tmp_path / ".zattrs").rename(tmp_path / "zarr.json")
    with pytest.raises(Unsupported, match="third"):
        read(tmp_path)

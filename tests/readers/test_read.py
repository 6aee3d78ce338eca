"""The entrances: recognition by contents, the choice of a channel, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from scanseg.errors import (
    ConfigError,
    LoadError,
    NoImage,
    NotRecognised,
    TooLarge,
    Truncated,
    Unsupported,
)
from scanseg.micrograph import Micrograph, Signal
from scanseg.readers import _read, _registry, _safety, format_names, read, read_channels
from scanseg.readers._registry import reads

Scan = NDArray[np.uint16]


def test_the_contents_decide_not_the_extension(tmp_path: Path, scan: Scan) -> None:
    np.save(tmp_path / "scan.npy", scan)
    misnamed = (tmp_path / "scan.npy").rename(tmp_path / "scan.tif")
    np.testing.assert_array_equal(read(misnamed).frame(0).data, scan)


def test_an_image_tells_where_it_came_from(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, scan)
    image = read(str(path))
    assert isinstance(image, Micrograph)
    assert image.source == str(path)
    assert image.metadata["format"] == "NPY"
    assert image.pixel_size_nm is None
    assert image.warnings == ()


@pytest.mark.parametrize(("given", "kept"), [(0.02, (0.02, 0.02)), ((0.02, 0.03), (0.02, 0.03))])
def test_a_given_pixel_size_overrides(
    tmp_path: Path, movie: Scan, given: float | tuple[float, float], kept: tuple[float, float]
) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path, movie, imagej=True, resolution=(5, 5), metadata={"unit": "nm", "axes": "TYX"}
    )
    stack = read(path, pixel_size_nm=given)
    assert stack.pixel_size_nm == kept
    assert stack.frame(3).pixel_size_nm == kept


@pytest.mark.parametrize("wrong", [0, -0.1, float("nan"), 1e9, True, (1.0, 2.0, 3.0)])
def test_an_impossible_pixel_size_is_the_callers_mistake(tmp_path: Path, wrong: float) -> None:
    np.save(tmp_path / "scan.npy", np.zeros((9, 8)))
    with pytest.raises(ConfigError, match="is no pixel size"):
        read(tmp_path / "scan.npy", pixel_size_nm=wrong)


@pytest.fixture
def channels_file(tmp_path: Path) -> Path:
    path = tmp_path / "channels.h5"
    with h5py.File(path, "w") as file:
        file["BF"] = np.zeros((40, 30))
        file["HAADF"] = np.ones((20, 10))
        file["overview"] = np.full((90, 80), 2.0)
    return path


def test_of_several_channels_the_preferred_signal_is_taken_and_named(channels_file: Path) -> None:
    image = read(channels_file)
    assert image.signal == Signal.HAADF
    assert image.channel == "HAADF"
    (warning,) = image.warnings
    for name in ("HAADF was taken", "BF", "overview", "channel="):
        assert name in warning


@pytest.mark.parametrize(("wanted", "shape"), [("bf", (40, 30)), ("2", (90, 80)), (2, (90, 80))])
def test_a_channel_is_chosen_by_name_or_index(
    channels_file: Path, wanted: str | int, shape: tuple[int, int]
) -> None:
    image = read(channels_file, channel=wanted)
    assert image.shape == shape
    assert image.warnings == ()


@pytest.mark.parametrize("wanted", ["ADF", "3", 3, -1])
def test_an_unknown_channel_is_answered_with_the_known_ones(
    channels_file: Path, wanted: str | int
) -> None:
    with pytest.raises(NoImage, match="BF, HAADF, overview"):
        read(channels_file, channel=wanted)


def test_all_channels_are_read_in_the_files_order(channels_file: Path) -> None:
    assert [image.channel for image in read_channels(channels_file)] == ["BF", "HAADF", "overview"]


def test_the_largest_of_equal_signals_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros((20, 10))
        file["b"] = np.zeros((30, 10))
    assert read(path).channel == "b"


@pytest.mark.parametrize(
    ("name", "contents", "error", "says"),
    [
        ("empty.tif", b"", Truncated, "empty"),
        ("text.tif", b"These are not the pixels you look for.\n", NotRecognised, "b'These are no"),
        ("nothing", b"\0", NotRecognised, "no reader"),
        ("header.tif", b"II*\0", Truncated, ""),
        ("pages.tif", b"II*\0\x08\0\0\0\0\0\0\0\0\0", NoImage, ""),
        ("header.png", b"\x89PNG\r\n\x1a\n", Truncated, ""),
        ("header.jpg", b"\xff\xd8\xff", Truncated, ""),
        ("header.npy", b"\x93NUMPY", Truncated, ""),
        ("header.h5", b"\x89HDF\r\n\x1a\n", Truncated, ""),
        ("scan.gwy", b"GWYPGwyContainer", Truncated, ""),
        ("scan.000", b"\\*File list\r\n", Truncated, "header"),
        ("scan.sxm", b":NANONIS_VERSION:\n2\n", Truncated, "header"),
    ],
)
def test_what_is_no_image_file_is_refused(
    tmp_path: Path, name: str, contents: bytes, error: type[LoadError], says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    with pytest.raises(error, match=says or "file|end") as caught:
        read(path)
    assert caught.value.path == path
    assert caught.value.hint
    assert path.name in str(caught.value)


def test_a_missing_file_and_a_folder_are_load_errors(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such file"):
        read(tmp_path / "gone.tif")
    with pytest.raises(LoadError, match="folder"):
        read(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.tif")
    with pytest.raises(LoadError, match="pipe"):
        read(tmp_path / "scan.tif")


@pytest.mark.parametrize(("name", "says"), [("scan.TIF", True), ("atoms.csv", False)])
def test_an_extension_is_no_surprise_where_no_image_has_it(
    tmp_path: Path, name: str, says: bool
) -> None:
    (tmp_path / name).write_text("y,x\n1,2\n")
    with pytest.raises(NotRecognised) as caught:
        read(tmp_path / name)
    assert ("although it ends in" in caught.value.reason) is says


def test_an_image_beyond_the_memory_is_refused_before_it_is_loaded(
    tmp_path: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "scan.npy", scan)
    tifffile.imwrite(tmp_path / "scan.tif", scan, compression="zlib")
    monkeypatch.setattr(_safety, "memory_limit_bytes", lambda: 100)
    for name in ("scan.npy", "scan.tif"):
        with pytest.raises(TooLarge, match="memory") as caught:
            read(tmp_path / name)
        assert caught.value.hint


def test_a_new_format_joins_by_its_module_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scanseg.readers._channel import Channel

    monkeypatch.setattr(_registry, "_READERS", dict(_registry._READERS))

    @reads("Test pattern", ".pattern", starts_with=[b"PATTERN"])
    def read_pattern(path: Path) -> list[Channel]:
        def load(index: int) -> Scan:
            return np.full((3, 4), index, np.uint16)

        return [Channel(name="", shape=(3, 4), n_frames=2, load=load)]

    path = tmp_path / "image.pattern"
    path.write_bytes(b"PATTERN 1")
    assert read(path).frame(1).data[2, 3] == 1
    assert "Test pattern" in format_names()
    with pytest.raises(ValueError, match="exists already"):
        reads("Test pattern")(read_pattern)


def test_an_implausible_pixel_size_of_a_file_is_dropped_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "pattern.tif"
    # 4.2e7 pixels per metre of reciprocal space taken for metres, as seen in a bare .ser
    tifffile.imwrite(
        path, np.zeros((9, 8), np.uint8), imagej=True, resolution=(2e-9, 2e-9),
        metadata={"unit": "cm"},
    )  # fmt: skip
    image = read(path)
    assert image.pixel_size_nm is None
    assert any("unknown" in warning for warning in image.warnings)


def test_whatever_a_library_raises_becomes_a_load_error(
    tmp_path: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "scan.npy", scan)
    reader = next(each for each in _registry.readers() if each.format == "NPY")
    for error, expected in [
        (MemoryError(), TooLarge),
        (NotImplementedError("odd"), Unsupported),
        (AssertionError(), Truncated),
        (RecursionError("deep"), Truncated),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), Truncated),
        (PermissionError(), LoadError),
    ]:

        def fail(path: Path, error: Exception = error) -> list[None]:
            raise error

        broken = type(reader)(reader.format, reader.suffixes, reader.recognises, fail)  # type: ignore[arg-type]
        monkeypatch.setattr(_read, "readers", lambda broken=broken: (broken,))
        with pytest.raises(expected):
            read(tmp_path / "scan.npy")


def test_reading_loads_no_heavy_library() -> None:
    code = (
        "import sys, scanseg.readers as r; r.format_names();"
        "print(sorted({'torch', 'pandas', 'scipy', 'h5py', 'tifffile', 'PIL', 'rsciio', 'dask'}"
        " & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

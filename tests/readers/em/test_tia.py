"""TIA's .ser and .emi, written here by the published layout, with known pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tia_files import write_ser

from scanseg.errors import LoadError, NoImage, Truncated, Unsupported
from scanseg.readers import read, read_channels
from scanseg.readers._channel import RECIPROCAL

Movie = NDArray[np.uint16]


@pytest.mark.parametrize("long_offsets", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
def test_frames_come_one_by_one_the_right_way_up(
    tmp_path: Path, movie: Movie, long_offsets: bool, dtype: str
) -> None:
    frames = (movie % 120).astype(dtype)
    write_ser(tmp_path / "scan.ser", frames, long_offsets=long_offsets)
    stack = read(tmp_path / "scan.ser")
    np.testing.assert_array_equal(np.stack([f.data for f in stack.frames()]), frames)
    assert stack.pixel_size_nm == pytest.approx((0.02, 0.03))
    assert stack.metadata["dtype"] == np.dtype(dtype).name
    assert stack.warnings == ()


def test_only_valid_frames_are_read(tmp_path: Path, movie: Movie) -> None:
    write_ser(tmp_path / "scan.ser", movie, n_declared=200)
    assert read(tmp_path / "scan.ser").n_frames == len(movie)


def test_a_diffraction_pattern_is_told_by_its_magnitude(tmp_path: Path, movie: Movie) -> None:
    # 4.2e7 per metre: other programs make 4.2e16 nm of it
    write_ser(tmp_path / "scan.ser", movie[:1], step_m=(4.2e7, 2.1e7))
    image = read(tmp_path / "scan.ser")
    assert image.pixel_size_nm is None
    assert image.metadata["pixel_size_per_nm"] == pytest.approx((0.042, 0.021))
    assert image.warnings == (RECIPROCAL,)


def test_spectra_and_patterns_on_a_raster_are_no_movies(tmp_path: Path, movie: Movie) -> None:
    write_ser(tmp_path / "spectra.ser", movie, kind=0x4120)
    write_ser(tmp_path / "raster.ser", movie, unit=b"meters")
    for name in ("spectra.ser", "raster.ser"):
        with pytest.raises(NoImage):
            read(tmp_path / name)


def test_complex_images_are_refused(tmp_path: Path, movie: Movie) -> None:
    write_ser(tmp_path / "fft.ser", movie.astype("c8"))
    with pytest.raises(Unsupported, match="complex"):
        read(tmp_path / "fft.ser")


def test_an_emi_names_the_files_beside_it_in_the_order_of_their_numbers(
    tmp_path: Path, movie: Movie
) -> None:
    (tmp_path / "scan.emi").write_bytes(b"JK\0\x02" + b"<ObjectInfo></ObjectInfo>")
    with pytest.raises(NoImage, match="beside it"):
        read(tmp_path / "scan.emi")
    for number in (10, 2):
        write_ser(tmp_path / f"scan_{number}.ser", movie[number % 3][None])
    write_ser(tmp_path / "scan_b_1.ser", movie)
    second, tenth = read_channels(tmp_path / "scan.emi")
    assert (second.channel, tenth.channel) == ("scan_2", "scan_10")
    np.testing.assert_array_equal(second.frame(0).data, movie[2])
    np.testing.assert_array_equal(tenth.frame(0).data, movie[1])


@pytest.mark.parametrize("kept", [5, 30, 70, 140, 900, -1])
def test_a_cut_file_is_refused(tmp_path: Path, movie: Movie, kept: int) -> None:
    path = tmp_path / "scan.ser"
    write_ser(path, movie)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Truncated) as caught:
        list(read(path).frames())
    assert caught.value.hint


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_flipped_bits_bring_no_other_error(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "scan.ser"
    write_ser(path, movie)
    contents = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    n_refused = 0
    for _ in range(200):
        changed = contents.copy()
        where = rng.integers(0, 160, 3)  # the headers
        changed[where] = rng.integers(0, 256, 3)
        path.write_bytes(changed.tobytes())
        try:
            for frame in read(path).frames():
                assert frame.shape
        except LoadError:
            n_refused += 1
    assert n_refused > 20

"""MRC files, written here by the published header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scanseg.errors import Truncated, Unsupported
from scanseg.readers import look_into, read

Movie = NDArray[np.uint16]
MODES = {"i1": 0, "u1": 0, "i2": 1, "f4": 2, "c8": 4, "u2": 6, "f2": 12}


def write_mrc(
    path: Path,
    data: NDArray[Any],
    *,
    pixel_angstrom: tuple[float, float] = (0.2, 0.3),
    order: str = "<",
    words: dict[int, int] | None = None,
    extended: bytes = b"",
) -> None:
    """Write shape (n, height, width); the pixel is along (y, x), ``words`` set entries by hand."""
    n, height, width = data.shape
    header = np.zeros(256, f"{order}i4")
    header[:4] = (width, height, n, MODES[data.dtype.str[1:]])
    header[7:10] = (width, height, n)
    cell = (pixel_angstrom[1] * width, pixel_angstrom[0] * height, n)
    header[10:13] = np.array(cell, f"{order}f4").view(f"{order}i4")
    header[16:19] = (1, 2, 3)
    header[23] = len(extended)
    for word, value in (words or {}).items():
        header[word] = value
    stored = bytearray(header.tobytes())
    stored[208:214] = b"MAP " + (b"DD" if order == "<" else b"\x11\x11")
    path.write_bytes(
        bytes(stored) + extended + data.astype(data.dtype.newbyteorder(order)).tobytes()
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i2", "u2", "f4", "f2"])
def test_stacks_of_every_number_type(tmp_path: Path, movie: Movie, dtype: str, order: str) -> None:
    path = tmp_path / "movie.mrc"
    values = (movie % 200).astype(dtype)
    write_mrc(path, values, order=order)
    stack = read(path)
    np.testing.assert_array_equal(np.stack([f.data for f in stack.frames()]), values)
    assert stack.pixel_size_nm == pytest.approx((0.02, 0.03))
    assert stack.metadata["dtype"] == np.dtype(dtype).name


@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        ({}, "u1"),  # as most programs did
        ({27: 20140}, "i1"),  # the standard of 2014
        ({38: int.from_bytes(b"IMOD", "little"), 39: 1}, "i1"),
        ({38: int.from_bytes(b"IMOD", "little"), 39: 0, 27: 20140}, "u1"),
        ({19: int(np.array(-5, "<f4").view("<i4"))}, "i1"),  # the minimum
    ],
)
def test_bytes_have_a_sign_where_the_file_says_so(
    tmp_path: Path, movie: Movie, words: dict[int, int], dtype: str
) -> None:
    path = tmp_path / "scan.mrc"
    values = (movie[:1] % 256).astype(np.uint8)
    write_mrc(path, values, words=words)
    np.testing.assert_array_equal(read(path).frame(0).data, values[0].view(dtype))


def test_a_file_without_a_cell_is_not_calibrated(tmp_path: Path, movie: Movie) -> None:
    for name, change in (("cell.mrc", {10: 0, 11: 0}), ("intervals.mrc", {7: 0, 8: 0})):
        write_mrc(tmp_path / name, movie[:1], words=change)
        assert read(tmp_path / name).pixel_size_nm is None


def test_feis_own_header_holds_the_pixel(tmp_path: Path, movie: Movie) -> None:
    extended = np.zeros(32 * 1024, "<f4")
    extended[11] = 2.5e-10
    write_mrc(tmp_path / "scan.mrc", movie, extended=extended.tobytes())
    stack = read(tmp_path / "scan.mrc")
    assert stack.pixel_size_nm == pytest.approx((0.25, 0.25))
    np.testing.assert_array_equal(stack.frame(4).data, movie[4])


def test_transforms_and_turned_maps_are_refused(tmp_path: Path, movie: Movie) -> None:
    write_mrc(tmp_path / "fft.mrc", movie.astype("c8"))
    write_mrc(tmp_path / "map.mrc", movie, words={16: 3, 18: 1})
    for name, reason in (("fft.mrc", "complex"), ("map.mrc", "axes")):
        with pytest.raises(Unsupported, match=reason) as caught:
            read(tmp_path / name)
        assert caught.value.hint


@pytest.mark.parametrize("kept", [300, 1024, -1])
def test_a_cut_file_is_refused_before_it_is_loaded(tmp_path: Path, movie: Movie, kept: int) -> None:
    path = tmp_path / "movie.mrc"
    write_mrc(path, movie)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Truncated):
        look_into(path)

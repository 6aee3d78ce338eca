"""What numpy writes is read back; what it pickles is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pixels import all_frames

from scanseg.errors import LoadError, NoImage, TooLarge, Truncated, Unsupported
from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.readers import _numpy, read, read_channels

REREAD = settings(
    max_examples=40,
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the file is written anew
)
NUMBERS = st.sampled_from(["?", "i1", "u1", "<i2", ">u2", ">i2", "<f2", "<f4", ">f4"])


@REREAD
@given(
    values=hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=2, max_dims=2, min_side=5, max_side=30)),
    fortran=st.booleans(),
)
def test_an_array_of_two_dimensions_is_an_image(
    tmp_path: Path, values: NDArray[Any], fortran: bool
) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, np.asfortranarray(values) if fortran else values)
    image = read(path).frame(0)
    np.testing.assert_array_equal(image.data, values)
    assert image.data.dtype.isnative


@REREAD
@given(
    values=hnp.arrays(
        st.sampled_from(["<i2", ">f4"]),
        st.tuples(st.integers(2, 6), st.integers(5, 12), st.integers(5, 12)),
    ),
    compressed=st.booleans(),
)
def test_an_array_of_three_dimensions_is_a_movie(
    tmp_path: Path, values: NDArray[Any], compressed: bool
) -> None:
    path = tmp_path / ("movie.npz" if compressed else "movie.npy")
    if compressed:
        np.savez_compressed(path, movie=values)
    else:
        np.save(path, values)
    stack = read(path)
    assert isinstance(stack, Stack)
    np.testing.assert_array_equal(all_frames(stack), values)


@pytest.mark.parametrize("shape", [(1, 37, 23, 1), (1, 37, 23), (37, 23, 1), (1, 1, 37, 23)])
def test_axes_of_length_one_are_no_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "scan.npy"
    values = np.arange(37 * 23, dtype=np.float32)
    np.save(path, values.reshape(shape))
    np.testing.assert_array_equal(read(path).frame(0).data, values.reshape(37, 23))


def test_the_smallest_image_is_an_image(tmp_path: Path) -> None:
    np.save(tmp_path / "pixel.npy", np.array([[7.0]]))
    assert read(tmp_path / "pixel.npy").frame(0).data.tolist() == [[7.0]]


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((465, 2)),  # positions of atoms
        np.zeros((3, 4000)),
        np.zeros(50),
        np.zeros((0, 5)),
        np.zeros((2, 3, 4, 5)),
        np.float64(3),
        np.array([["a", "b"]]),
        np.zeros((5, 5), dtype=[("x", "f4")]),
    ],
    ids=str,
)
def test_what_is_no_image_is_said_so(tmp_path: Path, values: NDArray[Any]) -> None:
    np.save(tmp_path / "table.npy", values)
    with pytest.raises(NoImage, match="shape") as caught:
        read(tmp_path / "table.npy")
    assert caught.value.hint


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return pytest.fail, ("a pickle was executed",)

    for name, save in (("trap.npy", np.save), ("trap.npz", _save_npz)):
        save(tmp_path / name, np.array([[Trap()]], dtype=object), allow_pickle=True)
        with pytest.raises((Unsupported, NoImage)):
            read(tmp_path / name)


def _save_npz(path: Path, values: NDArray[Any], *, allow_pickle: bool) -> None:
    np.savez(path, trap=values, allow_pickle=allow_pickle)


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "wave.npy", np.zeros((9, 7), complex))
    with pytest.raises(Unsupported, match="complex") as caught:
        read(tmp_path / "wave.npy")
    assert "amplitude" in caught.value.hint


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, np.zeros((37, 23)))
    contents = path.read_bytes()
    path.write_bytes(contents[:-1])
    with pytest.raises(Truncated, match="a part is missing"):
        read(path)


def test_a_header_that_declares_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npy"
    np.save(path, np.zeros((11, 11), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"(11, 11), ", b"(99999999, 99999999), "))
    with pytest.raises(LoadError):
        read(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    # 9 kB of zeros that unpack to 72 MB: deflate's best is 1030 : 1, a header claims far more
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, image=np.zeros((6000, 6000), np.uint16))
    assert read(path).shape == (6000, 6000)
    smaller = tmp_path / "claims.npz"
    np.savez(smaller, image=np.zeros((11, 11), np.uint8))
    smaller.write_bytes(smaller.read_bytes().replace(b"(11, 11), ", b"(99999999, 99999999), "))
    with pytest.raises((TooLarge, Truncated)):
        read(smaller)


def test_arrays_of_an_archive_are_channels(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez(path, BF=np.zeros((9, 8)), HAADF=np.ones((9, 8)), positions=np.zeros((99, 2)))
    assert [each.channel for each in read_channels(path)] == ["BF", "HAADF"]
    assert read(path, channel="BF").frame(0).data.max() == 0
    assert read(path).signal is Signal.HAADF


def test_amplitude_beside_phase_is_a_scan_of_the_piezoresponse(tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    planes = {
        name: np.arange(start, start + 72, dtype=np.float32).reshape(9, 8)
        for start, name in ((0, "topography_nm"), (100, "amplitude_pm"), (-90, "phase_deg"))
    }
    np.savez(path, **planes, wall_ferroelectric=np.ones((9, 8), np.uint8), pixel_nm=np.float64(20))
    scan = read(path)
    assert isinstance(scan, Micrograph)
    assert {signal: each.data[0, 0] for signal, each in scan.channels().items()} == {
        Signal.PFM_AMPLITUDE: 100,
        Signal.PFM_PHASE: -90,
        Signal.TOPOGRAPHY: 0,
    }


def test_large_images_are_mapped_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_numpy, "MAPPED_FROM_BYTES", 100)
    path = tmp_path / "large.npy"
    values = np.arange(37 * 23, dtype=np.float32).reshape(37, 23)
    np.save(path, values)
    image = read(path).frame(0)
    base: Any = image.data
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    np.testing.assert_array_equal(image.data, values)

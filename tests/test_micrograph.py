"""The data model: what an image keeps, what it refuses, and that nothing writes into it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph, Signal, Stack, as_micrograph

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)
KEPT = ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<f4", ">f4"]


@given(hnp.arrays(st.sampled_from(KEPT), SHAPES))
def test_detector_numbers_are_kept_in_native_order(values: NDArray[Any]) -> None:
    image = Micrograph(values)
    np.testing.assert_array_equal(image.data, values)
    assert image.data.dtype == values.dtype.newbyteorder("=")
    assert image.data.dtype.isnative


@given(hnp.arrays(st.sampled_from(["?", "<f2", ">f2"]), SHAPES), st.booleans())
def test_other_numbers_become_float32(values: NDArray[Any], doubled: bool) -> None:
    values = values.astype(np.float64) if doubled else values
    image = Micrograph(values)
    assert image.data.dtype == np.float32
    np.testing.assert_array_equal(image.data, values.astype(np.float32))


@given(hnp.arrays(st.sampled_from(["<i4", ">u4", "<i8"]), SHAPES, elements=st.integers(0, 2**24)))
def test_integers_that_float32_holds_are_exact(values: NDArray[Any]) -> None:
    np.testing.assert_array_equal(Micrograph(values).data, values)


@pytest.mark.parametrize("dtype", ["u4", "i4", "i8", "u8"])
@pytest.mark.parametrize("offset", [2**24, 2**31 - 1000])
def test_a_large_offset_does_not_eat_the_signal(dtype: str, offset: int) -> None:
    signal = np.arange(12).reshape(3, 4)
    image = Micrograph((signal + offset).astype(dtype))
    np.testing.assert_array_equal(image.data - image.data.min(), signal)


def test_the_whole_range_of_integers_keeps_its_order() -> None:
    lowest, highest = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    values = np.array([[lowest, -(2**30), 2**30, highest]], np.int32)
    data = Micrograph(values).data
    assert np.all(np.diff(data[0]) > 0)
    # float32 has 24 bits, the range 32: the top is exact to 2**32 / 2**24
    assert data[0, 3] - data[0, 0] == pytest.approx(2.0**32, abs=2.0**9)


def test_the_data_are_read_only_and_the_array_given_stays_as_it_was() -> None:
    given_array = np.zeros((3, 4), np.float32)
    image = Micrograph(given_array)
    with pytest.raises(ValueError, match="read-only"):
        image.data[0, 0] = 1
    given_array[0, 0] = 1  # still the caller's own
    with pytest.raises(FrozenInstanceError):
        image.channel = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        image.metadata["key"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(5), "two dimensions"),
        (np.zeros((2, 3, 4)), "two dimensions"),
        (np.zeros((0, 4)), "no pixel"),
        (np.zeros((3, 4), complex), "complex"),
        (np.array([["a", "b"]]), "not an image"),
    ],
)
def test_what_is_no_image_is_refused(values: NDArray[Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Micrograph(values)


@pytest.mark.parametrize("size", [(0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (4.2e16, 4.2e16)])
def test_an_impossible_pixel_size_is_refused(size: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="pixel size"):
        Micrograph(np.zeros((3, 4)), pixel_size_nm=size)


def test_sizes_are_along_y_and_x() -> None:
    image = Micrograph(np.zeros((30, 40)), pixel_size_nm=(0.5, 0.25))
    assert image.shape == (30, 40)
    assert image.field_of_view_nm == (15.0, 10.0)
    assert Micrograph(np.zeros((30, 40))).field_of_view_nm is None


def test_valid_is_where_something_was_measured() -> None:
    data = np.zeros((3, 4), np.float32)
    assert Micrograph(data).valid() is None
    data[1, 2] = np.nan
    data[0, 0] = np.inf
    valid = Micrograph(data).valid()
    assert valid is not None
    assert np.argwhere(~valid).tolist() == [[0, 0], [1, 2]]
    assert Micrograph(np.zeros((3, 4), np.uint16)).valid() is None


def test_an_image_walks_like_a_movie_of_one_frame() -> None:
    image = Micrograph(np.zeros((3, 4)))
    assert image.n_frames == 1
    assert list(image.frames()) == [image]
    assert image.frame(0) is image
    with pytest.raises(IndexError):
        image.frame(1)


AMPLITUDE, PHASE = Signal.PFM_AMPLITUDE, Signal.PFM_PHASE


def _phase(shape: tuple[int, int] = (3, 4), **facts: Any) -> Micrograph:
    return Micrograph(np.zeros(shape), signal=PHASE, pixel_size_nm=(5.0, 6.0), **facts)


def _scan(**companions: Micrograph) -> Micrograph:
    beside = {Signal[name]: each for name, each in companions.items()}
    return Micrograph(
        np.ones((3, 4)), signal=AMPLITUDE, pixel_size_nm=(5.0, 6.0), companions=beside
    )


def test_an_image_has_what_was_recorded_beside_it() -> None:
    phase = _phase()
    scan = _scan(PFM_PHASE=phase)
    assert scan.channels() == {AMPLITUDE: scan, PHASE: phase}
    assert phase.channels() == {PHASE: phase}
    with pytest.raises(TypeError):
        scan.companions[PHASE] = phase  # type: ignore[index]
    resized = scan.with_pixel_size((1.0, 2.0))
    assert [each.pixel_size_nm for each in resized.channels().values()] == [(1.0, 2.0)] * 2


def test_frames_of_a_movie_do_not_inherit_what_lies_beside_the_first() -> None:
    stack = Stack(lambda index: np.full((3, 4), index), 2, _scan(PFM_PHASE=_phase()))
    assert stack.frame(0).companions == stack.frame(1).companions == {}


@pytest.mark.parametrize(
    ("companions", "says"),
    [
        ({"PFM_PHASE": _phase((4, 3))}, "one raster"),
        ({"TOPOGRAPHY": _phase()}, "under its own name"),
        ({"PFM_AMPLITUDE": _scan()}, "under its own name"),
        ({"TOPOGRAPHY": replace(_scan(PFM_PHASE=_phase()), signal=Signal.TOPOGRAPHY)}, "its own"),
    ],
)
def test_a_companion_that_does_not_belong_is_refused(
    companions: dict[str, Micrograph], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        _scan(**companions)


def _stack(loaded: list[int]) -> Stack:
    def load(index: int) -> NDArray[Any]:
        loaded.append(index)
        return np.full((3, 4), index, np.uint16)

    like = Micrograph(
        np.zeros((3, 4), np.uint16),
        pixel_size_nm=(0.02, 0.03),
        signal=Signal.HAADF,
        channel="HAADF",
        frame_time_s=0.5,
        source="movie.tif",
        metadata={"axes": "TYX"},
        warnings=("Beware.",),
    )
    return Stack(load, 5, like)


def test_a_stack_loads_only_the_frame_asked_for() -> None:
    loaded: list[int] = []
    stack = _stack(loaded)
    assert loaded == []
    assert stack.frame(3).data[0, 0] == 3
    assert loaded == [3]
    assert [frame.data[0, 0] for frame in stack.frames()] == [0, 1, 2, 3, 4]


def test_frames_know_what_their_stack_knows() -> None:
    stack = _stack([])
    for image in (stack, stack.frame(2)):
        assert image.shape == (3, 4)
        assert image.pixel_size_nm == (0.02, 0.03)
        assert image.signal == Signal.HAADF
        assert image.channel == "HAADF"
        assert image.frame_time_s == 0.5
        assert image.source == "movie.tif"
        assert image.metadata == {"axes": "TYX"}
        assert image.warnings == ("Beware.",)
    assert stack.with_pixel_size((1.0, 2.0)).frame(4).pixel_size_nm == (1.0, 2.0)


@pytest.mark.parametrize("index", [-1, 5])
def test_a_frame_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError, match="of 5"):
        _stack([]).frame(index)


def test_a_stack_has_a_frame() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Stack(lambda index: np.zeros((3, 4)), 0, Micrograph(np.zeros((3, 4))))


@pytest.mark.parametrize(
    ("size", "kept"), [(None, None), (0.1, (0.1, 0.1)), (1, (1.0, 1.0)), ((0.1, 0.2), (0.1, 0.2))]
)
def test_a_plain_array_is_taken_for_an_image(size: Any, kept: tuple[float, float] | None) -> None:
    image = as_micrograph([[1, 2], [3, 4]], pixel_size_nm=size)
    assert image.pixel_size_nm == kept
    assert image.data.tolist() == [[1, 2], [3, 4]]


def test_an_image_keeps_its_calibration_unless_another_is_given() -> None:
    image = Micrograph(np.zeros((3, 4)), pixel_size_nm=(0.1, 0.2))
    assert as_micrograph(image) is image
    assert as_micrograph(image, pixel_size_nm=0.5).pixel_size_nm == (0.5, 0.5)

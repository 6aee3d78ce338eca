"""Pages as frames and channels, of every type and codec, written here with known pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pixels import all_frames

from scanseg.errors import Truncated
from scanseg.micrograph import Signal, Stack
from scanseg.readers import read, read_channels

Scan = NDArray[np.uint16]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib", "packbits"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "i4", "f8", "f2"])
def test_every_number_type_is_read_back(
    tmp_path: Path, scan: Scan, byteorder: Any, compression: str | None, dtype: str
) -> None:
    path = tmp_path / "scan.tif"
    values = (scan % 200).astype(dtype)
    tifffile.imwrite(path, values, byteorder=byteorder, compression=compression)
    image = read(path).frame(0)
    np.testing.assert_array_equal(image.data, values)
    assert image.data.dtype.isnative
    assert image.pixel_size_nm is None
    assert image.warnings == ()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=hnp.arrays(
        st.sampled_from(["u1", "<u2", ">u2", "<i2", ">f4"]),
        hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9),
    ),
    compression=st.sampled_from([None, "zlib"]),
)
def test_pages_are_frames(tmp_path: Path, values: NDArray[Any], compression: str | None) -> None:
    path = tmp_path / "movie.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in values:
            writer.write(page, compression=compression, photometric="minisblack", metadata=None)
    np.testing.assert_array_equal(all_frames(read(path)), values)


def test_an_imagej_movie_has_frames_and_a_frame_time(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path, movie, imagej=True, resolution=(50, 50),
        metadata={"unit": "nm", "finterval": 0.25, "axes": "TYX"},
    )  # fmt: skip
    stack = read(path)
    assert isinstance(stack, Stack)
    assert stack.n_frames == 5
    assert stack.frame_time_s == 0.25
    assert stack.pixel_size_nm == pytest.approx((0.02, 0.02))
    np.testing.assert_array_equal(all_frames(stack), movie)
    with pytest.raises(IndexError):
        stack.frame(5)


@pytest.mark.parametrize("imagej", [True, False])
def test_channels_of_a_hyperstack_are_told_apart(tmp_path: Path, imagej: bool) -> None:
    path = tmp_path / ("hyper.tif" if imagej else "hyper.ome.tif")
    values = np.arange(3 * 2 * 11 * 7, dtype=np.uint16).reshape(3, 2, 11, 7)
    tifffile.imwrite(path, values, imagej=imagej, metadata={"axes": "TCYX"})
    first, second = read_channels(path)
    np.testing.assert_array_equal(all_frames(first), values[:, 0])
    np.testing.assert_array_equal(all_frames(second), values[:, 1])
    assert first.channel != second.channel


def test_a_stack_that_tifffile_calls_channels_is_a_movie(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, imagej=True)
    stack = read(path)
    np.testing.assert_array_equal(all_frames(stack), movie)
    assert any("frames" in warning for warning in stack.warnings)


def test_pages_of_unequal_shape_are_channels(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in (scan[:10], scan, scan[:5, :9]):
            writer.write(page, metadata=None)
    assert [image.shape for image in read_channels(path)] == [(10, 23), (37, 23), (5, 9)]
    image = read(path)
    np.testing.assert_array_equal(image.frame(0).data, scan)
    assert any("3 channels" in warning for warning in image.warnings)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_the_smallest_images_are_images(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "tiny.tif"
    tifffile.imwrite(path, np.full(shape, 7, np.uint8))
    assert read(path).shape == shape


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_constant_and_unmeasured_images_are_read(tmp_path: Path, value: float) -> None:
    path = tmp_path / "flat.tif"
    tifffile.imwrite(path, np.full((37, 23), value, np.float32))
    np.testing.assert_array_equal(read(path).frame(0).data, np.full((37, 23), value))


def test_a_frame_is_loaded_when_it_is_asked_for(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in movie:
            writer.write(page, compression="zlib", metadata=None)
    stack = read(path)
    moved = path.rename(tmp_path / "moved.tif")  # nothing holds the file, and nothing was loaded
    with pytest.raises(Truncated):
        stack.frame(3)
    moved.rename(path)
    np.testing.assert_array_equal(stack.frame(3).data, movie[3])
    np.testing.assert_array_equal(stack.frame(0).data, movie[0])


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "jpeg", "jpegxl"])
def test_codecs_of_the_extra(tmp_path: Path, movie: Scan, compression: str) -> None:
    pytest.importorskip("imagecodecs")
    path = tmp_path / "movie.tif"
    smooth = (movie // 20).astype(np.uint8)
    tifffile.imwrite(path, smooth, compression=compression, photometric="minisblack")
    stack = read(path)
    if compression == "jpeg":
        # a level of 95 % alters grey values by a few
        np.testing.assert_allclose(all_frames(stack).astype(int), smooth, atol=8)
        assert any("JPEG" in warning for warning in stack.warnings)
    else:
        np.testing.assert_array_equal(all_frames(stack), smooth)
        assert stack.warnings == ()


def test_channels_of_a_scan_are_known_by_their_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = rng.uniform(size=(3, 20, 33)).astype(np.float32)
    names = ["Phase", "Height", "Amplitude"]
    tifffile.imwrite(
        tmp_path / "scan.ome.tif",
        data,
        ome=True,
        metadata={
            "axes": "CYX", "Channel": {"Name": names}, "PhysicalSizeX": 8.0,
            "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 6.0, "PhysicalSizeYUnit": "nm",
        },
    )  # fmt: skip
    scan = read(tmp_path / "scan.ome.tif")
    assert scan.signal == Signal.PFM_AMPLITUDE
    assert scan.pixel_size_nm == (6.0, 8.0)
    np.testing.assert_array_equal(scan.data, data[2])
    companions = {str(signal): image.data for signal, image in scan.companions.items()}
    np.testing.assert_array_equal(companions["PFM_PHASE"], data[0])
    np.testing.assert_array_equal(companions["TOPOGRAPHY"], data[1])


def test_slices_of_a_stack_are_no_topography(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "stack.ome.tif",
        np.arange(2 * 20 * 33, dtype=np.uint16).reshape(2, 20, 33),
        ome=True,
        metadata={"axes": "CYX", "Channel": {"Name": ["Z 1", "Z 2"]}},
    )
    assert [channel.signal for channel in read_channels(tmp_path / "stack.ome.tif")] == [
        Signal.UNKNOWN,
        Signal.UNKNOWN,
    ]

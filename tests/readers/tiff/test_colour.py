"""Grey values behind palettes and colours, and pictures that hold none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from pixels import all_frames

from scanseg.errors import Unsupported
from scanseg.readers import read, read_channels

Scan = NDArray[np.uint16]


def test_palette_indices_are_the_grey_values(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    indices = (scan % 251).astype(np.uint8)
    colours = np.random.default_rng(3).integers(0, 65536, (3, 256)).astype(np.uint16)
    tifffile.imwrite(path, indices, photometric="palette", colormap=colours)
    image = read(path)
    np.testing.assert_array_equal(image.frame(0).data, indices)
    assert any("colour table" in warning for warning in image.warnings)


def test_white_is_zero_is_turned_over(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, scan, photometric="miniswhite")
    np.testing.assert_array_equal(read(path).frame(0).data, 65535 - scan)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_grey_saved_as_colour_is_grey_again(tmp_path: Path, movie: Scan, planarconfig: Any) -> None:
    path = tmp_path / "movie.tif"
    axis = -1 if planarconfig == "contig" else 1
    colours = np.stack([movie] * 3, axis=axis)
    tifffile.imwrite(path, colours, photometric="rgb", planarconfig=planarconfig)
    np.testing.assert_array_equal(all_frames(read(path)), movie)


def test_a_colour_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    photo = np.random.default_rng(5).integers(0, 256, (37, 23, 3)).astype(np.uint8)
    tifffile.imwrite(path, photo, photometric="rgb")
    with pytest.raises(Unsupported, match="colour") as caught:
        read(path)
    assert "Export" in caught.value.hint


def test_more_than_four_values_a_pixel_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bands.tif"
    bands = np.zeros((37, 23, 6), np.uint8)
    tifffile.imwrite(path, bands, photometric="minisblack", planarconfig="contig")
    with pytest.raises(Unsupported, match="6 values"):
        read(path)


def test_a_mask_is_kept(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "mask.tif"
    mask = scan % 3 == 0
    tifffile.imwrite(path, mask)
    np.testing.assert_array_equal(read(path).frame(0).data, mask)


def test_a_coloured_label_is_not_measured(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "labelled.tif"
    colours = np.stack([scan % 200] * 3, axis=-1).astype(np.uint8)
    colours[30:34, 2:8] = (255, 255, 0)  # a yellow scale bar over 24 of 851 pixels
    tifffile.imwrite(path, colours, photometric="rgb")
    image = read(path).frame(0)
    valid = image.valid()
    assert valid is not None
    assert np.count_nonzero(~valid) == 24
    np.testing.assert_array_equal(image.data[:30], (scan % 200)[:30])
    assert any("24 pixels" in warning for warning in image.warnings)


def test_a_coloured_preview_beside_the_data_is_left_out(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "preview.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((37, 23, 3), np.uint8), photometric="rgb", metadata=None)
        writer.write(scan, metadata=None)
    (image,) = read_channels(path)
    np.testing.assert_array_equal(image.frame(0).data, scan)

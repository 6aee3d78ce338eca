"""PNG, JPEG and BMP pictures: grey ones are read, colours refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scanseg.errors import Truncated, Unsupported
from scanseg.readers import read

Scan = NDArray[np.uint16]


@pytest.fixture
def grey(scan: Scan) -> NDArray[np.uint8]:
    return (scan % 251).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_grey_pictures_are_read_back(
    tmp_path: Path, grey: NDArray[np.uint8], suffix: str, mode: Any
) -> None:
    path = tmp_path / f"scan.{suffix}"
    Image.fromarray(grey).convert(mode).save(path)
    image = read(path).frame(0)
    np.testing.assert_array_equal(image.data, grey)
    assert image.data.dtype == np.uint8
    assert image.pixel_size_nm is None


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opacity_is_left_out(tmp_path: Path, grey: NDArray[np.uint8], mode: Any) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(grey).convert(mode).save(path)
    np.testing.assert_array_equal(read(path).frame(0).data, grey)


def test_sixteen_bits_are_kept(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(scan * 2).save(path)
    np.testing.assert_array_equal(read(path).frame(0).data, scan * 2)


def test_dots_per_inch_are_no_calibration(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(grey).save(path, dpi=(300, 300))
    assert read(path).pixel_size_nm is None


def test_jpeg_is_read_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "scan.jpg"
    y, x = np.mgrid[:37, :23]
    smooth = (100 + 50 * np.sin(y / 9) * np.cos(x / 7)).astype(np.uint8)
    Image.fromarray(smooth).save(path, quality=95)
    image = read(path)
    assert any("JPEG" in warning for warning in image.warnings)
    # quality 95 divides the lowest frequencies by 2 to 5 levels
    np.testing.assert_allclose(image.frame(0).data, smooth, atol=4)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_photographs_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    colours = np.random.default_rng(2).integers(0, 256, (37, 23, 3)).astype(np.uint8)
    Image.fromarray(colours).save(path)
    with pytest.raises(Unsupported, match="colour picture") as caught:
        read(path)
    assert caught.value.hint


def test_a_colour_palette_is_undone_before_it_is_judged(
    tmp_path: Path, grey: NDArray[np.uint8]
) -> None:
    path = tmp_path / "indexed.png"
    indexed = Image.fromarray(grey).convert("P")
    indexed.putpalette(np.random.default_rng(2).integers(0, 256, 768).astype(np.uint8).tobytes())
    indexed.save(path)
    with pytest.raises(Unsupported, match="colour"):
        read(path)


def test_a_cut_picture_is_refused(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(scan).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(Truncated):
        read(path)

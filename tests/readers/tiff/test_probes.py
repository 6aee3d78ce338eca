"""Park and JPK: the data beside the preview."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from probe_files import PIXEL_NM, planes, write_jpk, write_park

from scanseg.errors import LoadError, Unsupported
from scanseg.micrograph import Signal
from scanseg.readers import read, read_channels


@pytest.mark.parametrize("dtype", [0, 1, 2])
def test_park_data_are_read_and_not_the_preview(tmp_path: Path, dtype: int) -> None:
    (plane,) = planes("Z Height").values()
    write_park(tmp_path / "scan.tiff", "Z Height", plane, dtype=dtype)
    image = read(tmp_path / "scan.tiff")
    # gain x (scale x count + offset)
    np.testing.assert_array_equal(image.frame(0).data, -2 * (plane + 0.5))
    assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert (image.channel, image.metadata["unit"]) == ("Z Height", "um")
    assert image.signal is Signal.TOPOGRAPHY


def test_a_park_amplitude_of_a_pfm_scan(tmp_path: Path) -> None:
    (plane,) = planes("PFM Amplitude").values()
    write_park(tmp_path / "scan.tiff", "PFM Amplitude", plane)
    assert read(tmp_path / "scan.tiff").signal is Signal.PFM_AMPLITUDE


def test_a_park_spectrum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.tiff"
    write_park(path, "Force", planes("Force")["Force"])
    contents = bytearray(path.read_bytes())
    contents[contents.find("Force".encode("utf-16-le")) - 4] = 2
    path.write_bytes(contents)
    with pytest.raises(Unsupported, match="spectrum"):
        read(path)


def test_jpk_pages_are_scaled_by_their_default_slot(tmp_path: Path) -> None:
    trace, retrace = planes("a", "b", dtype="i4").values()
    write_jpk(tmp_path / "scan.jpk", {("Height", False): trace, ("Height", True): retrace})
    found = read_channels(tmp_path / "scan.jpk")
    assert [each.channel for each in found] == ["Height trace", "Height retrace"]
    for image, plane in zip(found, (trace, retrace), strict=True):
        np.testing.assert_allclose(image.frame(0).data, plane * 2e-9 + 1e-6, rtol=1e-6)
        assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
        assert image.metadata["unit"] == "m"


@pytest.mark.parametrize("maker", ["park", "jpk"])
def test_a_cut_file_is_refused(tmp_path: Path, maker: str) -> None:
    path = tmp_path / "scan.tiff"
    if maker == "park":
        write_park(path, "Z Height", planes("a")["a"])
    else:
        write_jpk(path, {("Height", False): planes("a", dtype="i4")["a"]})
    contents = path.read_bytes()
    for keep in (0.3, 0.7):
        path.write_bytes(contents[: int(keep * len(contents))])
        with pytest.raises(LoadError):
            read_channels(path)

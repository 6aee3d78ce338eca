"""Gwyddion's files: fields by their titles, sizes and units from the file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from probe_files import PIXEL_NM, SHAPE, planes, write_gsf, write_gwy

from scanseg.errors import Truncated, Unsupported
from scanseg.micrograph import Signal
from scanseg.readers import read, read_channels


def test_fields_are_channels_and_masks_are_not(tmp_path: Path) -> None:
    truth = planes("Height", "Amplitude", "Phase")
    write_gwy(tmp_path / "scan.gwy", truth)
    found = read_channels(tmp_path / "scan.gwy")
    assert [each.channel for each in found] == list(truth)
    for image, plane in zip(found, truth.values(), strict=True):
        np.testing.assert_array_equal(image.frame(0).data, plane)
        assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
        assert image.metadata["unit"] == "m"
    assert [each.signal for each in found] == [
        Signal.TOPOGRAPHY,
        Signal.PFM_AMPLITUDE,
        Signal.PFM_PHASE,
    ]


def test_without_a_mode_an_amplitude_may_be_that_of_tapping(tmp_path: Path) -> None:
    write_gwy(tmp_path / "scan.gwy", planes("Amplitude"), mode="")
    assert read(tmp_path / "scan.gwy").signal is Signal.UNKNOWN


def test_a_field_without_unit_has_no_pixel_size(tmp_path: Path) -> None:
    write_gwy(tmp_path / "scan.gwy", planes("Height"), unit_xy="")
    assert read(tmp_path / "scan.gwy").pixel_size_nm is None


def test_a_transform_is_no_image_of_the_sample(tmp_path: Path) -> None:
    write_gwy(tmp_path / "scan.gwy", planes("Height"), unit_xy="1/m")
    image = read(tmp_path / "scan.gwy")
    assert image.pixel_size_nm is None
    assert "reciprocal" in " ".join(image.warnings)


@pytest.mark.parametrize("title", ["Z", "Topography", "Four", "Sixteen!"])  # every padding
def test_a_simple_field(tmp_path: Path, title: str) -> None:
    (plane,) = planes(title).values()
    write_gsf(tmp_path / "scan.gsf", title, plane, unit="V")
    image = read(tmp_path / "scan.gsf")
    np.testing.assert_array_equal(image.frame(0).data, plane)
    assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert (image.channel, image.metadata["unit"]) == (title, "V")


def test_a_simple_field_without_size_is_not_calibrated(tmp_path: Path) -> None:
    text = f"Gwyddion Simple Field 1.0\nXRes = {SHAPE[1]}\nYRes = {SHAPE[0]}\n".encode()
    data = np.zeros(SHAPE, "<f4").tobytes()
    (tmp_path / "scan.gsf").write_bytes(text + b"\0" * (4 - len(text) % 4) + data)
    assert read(tmp_path / "scan.gsf").pixel_size_nm is None


def test_files_of_gwyddion_1_are_refused(tmp_path: Path) -> None:
    (tmp_path / "old.gwy").write_bytes(b"GWYOGwyContainer\0" + bytes(200))
    with pytest.raises(Unsupported, match="Gwyddion 1"):
        read(tmp_path / "old.gwy")


@pytest.mark.parametrize("writer", ["gwy", "gsf"])
def test_a_cut_file_is_refused(tmp_path: Path, writer: str) -> None:
    path = tmp_path / f"scan.{writer}"
    if writer == "gwy":
        write_gwy(path, planes("Height"))
    else:
        write_gsf(path, "Height", *planes("Height").values())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(Truncated):
        read(path)


def test_an_array_of_another_length_than_its_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.gwy"
    write_gwy(path, planes("Height"))
    wrong = path.read_bytes().replace(
        b"xres\0i" + struct.pack("<i", SHAPE[1]), b"xres\0i" + struct.pack("<i", 2**30), 1
    )
    path.write_bytes(wrong)
    with pytest.raises(Truncated, match="values"):
        read(path)


def test_objects_nested_without_end_are_refused(tmp_path: Path) -> None:
    nested = b""
    for _ in range(3000):
        nested = b"A\0" + struct.pack("<I", len(nested)) + nested
        nested = b"a\0o" + nested
    path = tmp_path / "nested.gwy"
    path.write_bytes(b"GWYPA\0" + struct.pack("<I", len(nested)) + nested)
    with pytest.raises(Truncated, match="nested"):
        read(path)


def test_fields_of_one_title_are_numbered(tmp_path: Path) -> None:
    first, second, third = planes("a", "b", "c").values()
    path = tmp_path / "scan.gwy"
    write_gwy(path, {"Height": first, "Heighu": second, "Heighv": third})
    path.write_bytes(path.read_bytes().replace(b"Heighu", b"Height").replace(b"Heighv", b"Height"))
    names = [each.channel for each in read_channels(path)]
    assert names == ["Height", "Height 2", "Height 3"]
    np.testing.assert_array_equal(read(path, channel="Height 2").frame(0).data, second)

"""Bruker Nanoscope: counts times the scale of their header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from probe_files import PIXEL_NM, planes, write_nanoscope

from scanseg.errors import NoImage, Truncated, Unsupported
from scanseg.micrograph import Signal
from scanseg.readers import read, read_channels


def test_counts_become_nanometres(tmp_path: Path) -> None:
    (plane,) = planes("Height", dtype="i4").values()
    write_nanoscope(tmp_path / "scan.spm", {("Height", "Trace", "Main"): plane})
    image = read(tmp_path / "scan.spm")
    # 131.072 V over 2**16 counts are 2 mV a count, of 10 nm/V each
    np.testing.assert_allclose(image.frame(0).data, plane * 0.02, rtol=1e-6)
    assert image.metadata["unit"] == "nm"
    assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert image.signal is Signal.TOPOGRAPHY


@pytest.mark.parametrize(
    ("scale", "sensitivity", "unit", "per_count"),
    [
        ("V [Sens. Zsens] (1 mV/LSB) 131.072 mV", "V 10.0 nm/V", "nm", 0.02e-3),
        ("V [Sens. Zsens] (1 mV/LSB) 131.072 mV", "V 1.0 ", "mV", 0.002),
        ("V [Sens. Other] (1 V/LSB) 131.072 V", "V 10.0 nm/V", "V", 0.002),
        ("V [Sens. Zsens] (0.005493164 º/LSB) 131.072 º", "V 1.000000", "deg", 0.002),
        ("V (0.0003 V/LSB) 131.072 V", "V 10.0 nm/V", "V", 0.002),
        ("V [Sens. Zsens] (0.1 V/LSB) 131.072 V", "V 2.0 ~m/V", "um", 0.004),
    ],
)
def test_scales_and_units(
    tmp_path: Path, scale: str, sensitivity: str, unit: str, per_count: float
) -> None:
    (plane,) = planes("Phase", dtype="i4").values()
    write_nanoscope(
        tmp_path / "scan.spm",
        {("Phase", "Retrace", "Main"): plane},
        scale=scale,
        sensitivity=sensitivity,
    )
    image = read(tmp_path / "scan.spm")
    np.testing.assert_allclose(image.frame(0).data, plane * per_count, rtol=1e-6)
    assert image.metadata["unit"] == unit


def test_four_bytes_that_are_called_two(tmp_path: Path) -> None:
    plane = planes("Height", dtype="i4")["Height"] * 70001
    channels = {("Height", "Trace", "Main"): plane}
    write_nanoscope(tmp_path / "scan.spm", channels, n_bytes=4, says_bytes=2)
    found = read(tmp_path / "scan.spm").frame(0).data
    np.testing.assert_allclose(found, plane * (1310.72 / 2**32), rtol=1e-6)


def test_two_channels_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = planes("a", "b", dtype="i4").values()
    write_nanoscope(
        tmp_path / "scan.000",
        {("Height", "Trace", "Main"): first, ("Height", "Retrace", "Interleave"): second},
    )
    trace, retrace = read_channels(tmp_path / "scan.000")
    assert (trace.channel, retrace.channel) == ("Height trace", "Height retrace")
    assert (trace.metadata["line"], retrace.metadata["line"]) == ("main", "nap")
    np.testing.assert_allclose(retrace.frame(0).data, second * 0.02, rtol=1e-6)


def test_piezoresponse_is_known_by_the_mode(tmp_path: Path) -> None:
    write_nanoscope(
        tmp_path / "scan.spm",
        {
            ("PR Amplitude", "Trace", "Main"): planes("a")["a"],
            ("PR Phase", "Trace", "Main"): planes("b")["b"],
            ("Amplitude Error", "Trace", "Main"): planes("c")["c"],
        },
    )
    signals = [each.signal for each in read_channels(tmp_path / "scan.spm")]
    assert signals == [Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.UNKNOWN]


def test_one_number_is_the_size_along_x_and_the_aspect_ratio_gives_y(tmp_path: Path) -> None:
    (plane,) = planes("Height").values()
    write_nanoscope(tmp_path / "scan.spm", {("Height", "Trace", "Main"): plane}, scan_size="1 ~m")
    height, width = plane.shape
    found = read(tmp_path / "scan.spm").pixel_size_nm
    assert found == pytest.approx((1000 / height, 1000 / width))
    contents = (tmp_path / "scan.spm").read_bytes()
    flat = contents.replace(b"Bytes/pixel: 2", b"Aspect ratio:2:1").replace(b"\0\0", b"", 1)
    (tmp_path / "scan.spm").write_bytes(flat)
    found = read(tmp_path / "scan.spm").pixel_size_nm
    assert found == pytest.approx((500 / height, 1000 / width))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.spm"
    write_nanoscope(path, {("Height", "Trace", "Main"): planes("a")["a"]})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Truncated, match="should reach byte"):
        read(path)


def test_a_size_that_does_not_fit_its_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.spm"
    write_nanoscope(path, {("Height", "Trace", "Main"): planes("a")["a"]})
    path.write_bytes(path.read_bytes().replace(b"\\Samps/line: 23", b"\\Samps/line: 99"))
    with pytest.raises(Truncated, match="do not fill"):
        read(path)


def test_headers_of_old_programs_and_force_curves_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.spm"
    write_nanoscope(path, {("Height", "Trace", "Main"): planes("a")["a"]})
    contents = path.read_bytes()
    path.write_bytes(contents.replace(b"@2:Z scale", b"Z Scale h "))
    with pytest.raises(Unsupported, match="before version"):
        read(path)
    path.write_bytes(contents.replace(b"Ciao image list", b"Ciao force list"))
    with pytest.raises(NoImage):
        read(path)

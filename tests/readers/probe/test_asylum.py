"""Asylum scans: names, units, which way is up, and how large a pixel is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from probe_files import PIXEL_NM, SHAPE, planes, write_ibw

from scanseg.errors import LoadError, NoImage, NotRecognised, Truncated
from scanseg.micrograph import Signal
from scanseg.readers import read_channels
from scanseg.readers.probe._asylum import area_pixel_nm
from scanseg.readers.probe._names import ProbeName

DART = ("HeightRetrace", "Amplitude1Retrace", "Phase1Retrace", "FrequencyRetrace")


@pytest.mark.parametrize("order", ["<", ">"])
def test_channels_keep_their_values_names_and_units(tmp_path: Path, order: str) -> None:
    truth = planes(*DART, "UserIn0Retrace", "UserCalcTrace")
    write_ibw(tmp_path / "scan.ibw", truth, order=order, note="UserCalcUnit: °\r")
    found = read_channels(tmp_path / "scan.ibw")
    assert [each.channel for each in found] == list(truth)
    for image, plane in zip(found, truth.values(), strict=True):
        np.testing.assert_array_equal(image.frame(0).data, plane)
        # scan size over pixels, although the axes of the file step by size / (N - 1)
        assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
    units = [each.metadata["unit"] for each in found]
    assert units == ["m", "m", "deg", "Hz", "V", "deg"]
    assert [each.signal for each in found] == [
        Signal.TOPOGRAPHY,
        Signal.PFM_AMPLITUDE,
        Signal.PFM_PHASE,
        *[Signal.UNKNOWN] * 3,
    ]


def test_an_amplitude_of_tapping_is_no_piezoresponse(tmp_path: Path) -> None:
    write_ibw(tmp_path / "scan.ibw", planes("AmplitudeRetrace", "PhaseRetrace"), mode="AC Mode")
    assert [each.signal for each in read_channels(tmp_path / "scan.ibw")] == [Signal.UNKNOWN] * 2


def test_second_pass_and_lateral_channels_are_marked(tmp_path: Path) -> None:
    write_ibw(tmp_path / "scan.ibw", planes("NapPhaseTrace", "LatAmplitudeRetrace"))
    nap, lateral = read_channels(tmp_path / "scan.ibw")
    assert (nap.metadata["line"], nap.metadata["direction"]) == ("nap", "trace")
    assert (lateral.metadata["lateral"], lateral.metadata["direction"]) == (True, "retrace")


def test_phase_keeps_its_branch(tmp_path: Path) -> None:
    phase = np.linspace(-90, 270, SHAPE[0] * SHAPE[1], dtype="f4").reshape(SHAPE)
    write_ibw(tmp_path / "scan.ibw", {"PhaseRetrace": phase})
    (image,) = read_channels(tmp_path / "scan.ibw")
    np.testing.assert_array_equal(image.frame(0).data, phase)


def test_a_stopped_scan_is_reported(tmp_path: Path) -> None:
    (name, plane) = next(iter(planes("HeightRetrace").items()))
    plane[-5:] = -7.0
    write_ibw(tmp_path / "scan.ibw", {name: plane})
    (image,) = read_channels(tmp_path / "scan.ibw")
    assert "5 rows at an edge" in image.warnings[0]


def test_a_scan_size_that_does_not_fit_the_axis_is_not_used() -> None:
    assert area_pixel_nm(10.0, 101, 1000.0) == pytest.approx(1000 / 101)
    assert area_pixel_nm(10.0, 51, 1000.0) == 10.0  # cropped
    assert area_pixel_nm(10.0, 101, None) == 10.0


# All names seen in Asylum's files and in public code that reads them, and what they mean.
@pytest.mark.parametrize(
    ("name", "quantity", "direction"),
    [
        ("HeightTrace", "height", "trace"),
        ("ZSensorRetrace", "height", "retrace"),
        ("Amplitude2Retrace", "amplitude", "retrace"),
        ("Amp1Retrace", "amplitude", "retrace"),
        ("Phase2Trace", "phase", "trace"),
        ("DeflectionRetrace", "deflection", "retrace"),
        ("FrequencyRetrace", "frequency", "retrace"),
        ("NapPotentialTrace", "potential", "trace"),
        ("NapUserIn0Retrace", "input", "retrace"),
        ("UserCalcBTrace", "input", "trace"),
        ("LateralTrace", "friction", "trace"),
        ("CurrentRetrace", "current", "retrace"),
        ("PR Amplitude", "amplitude", ""),
        ("InPhase", "in-phase", ""),
        ("Lock-In Phase", "phase", ""),
        ("Amplitude Error", "error", ""),
        ("Test", "", ""),
    ],
)
def test_names_tell_quantity_and_direction(name: str, quantity: str, direction: str) -> None:
    said = ProbeName.of(name)
    assert (said.quantity, said.direction) == (quantity, direction)


def test_force_curves_hold_no_image(tmp_path: Path) -> None:
    write_ibw(tmp_path / "curve.ibw", {"": np.zeros((3, 1261), "f4")})
    with pytest.raises(NoImage):
        read_channels(tmp_path / "curve.ibw")


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.9])
def test_a_cut_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "scan.ibw"
    write_ibw(path, planes(*DART))
    contents = path.read_bytes()
    path.write_bytes(contents[: int(keep * len(contents))])
    with pytest.raises(Truncated) as caught:
        read_channels(path)
    assert caught.value.format == "Igor binary wave"
    assert caught.value.hint


def test_a_changed_header_fails_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "scan.ibw"
    write_ibw(path, planes(*DART))
    contents = bytearray(path.read_bytes())
    contents[64 + 69] ^= 0x40  # the width
    path.write_bytes(contents)
    with pytest.raises(NotRecognised) as caught:
        read_channels(path)
    assert isinstance(caught.value, LoadError)


def test_old_programs_wrote_the_mode_as_a_number(tmp_path: Path) -> None:
    write_ibw(tmp_path / "scan.ibw", planes("PhaseTrace"), mode="3")
    (image,) = read_channels(tmp_path / "scan.ibw")
    assert image.signal is Signal.PFM_PHASE

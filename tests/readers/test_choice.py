"""Which channel is taken: rules on names and signals, each seen in files of microscopes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from probe_files import planes, write_ibw

from scanseg.errors import LoadError, NoImage
from scanseg.micrograph import Signal
from scanseg.readers import look_into, read, read_pfm
from scanseg.readers._channel import Channel
from scanseg.readers._choice import choose, choose_pfm
from scanseg.readers._scan import of_other_shape, open_scan

WAYS = ("Trace", "Retrace")
AMPLITUDE, PHASE, HEIGHT = Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY


def channel(name: str, signal: Signal, **facts: object) -> Channel:
    shape = facts.pop("shape", (37, 23))
    facts.setdefault("direction", "retrace" if name.endswith("Retrace") else "trace")
    return Channel(
        name=name,
        signal=signal,
        shape=shape,  # type: ignore[arg-type]
        load=lambda index: np.zeros(shape),  # type: ignore[call-overload]
        metadata=facts,
    )


DART = [
    channel("HeightTrace", HEIGHT),
    channel("HeightRetrace", HEIGHT),
    channel("NapAmplitudeRetrace", AMPLITUDE, line="nap"),
    channel("LatAmplitudeRetrace", AMPLITUDE, lateral=True),
    channel("Amplitude2Retrace", AMPLITUDE),
    channel("Amplitude1Trace", AMPLITUDE),
    channel("Amplitude1Retrace", AMPLITUDE),
    channel("Phase2Retrace", PHASE),
    channel("Phase1Trace", PHASE),
    channel("Phase1Retrace", PHASE),
    channel("FrequencyRetrace", Signal.UNKNOWN),
]


def test_of_a_dual_frequency_scan_the_first_sideband_of_the_retrace_is_taken() -> None:
    taken = [each.name for each in choose_pfm(DART)]
    assert taken == ["Amplitude1Retrace", "Phase1Retrace", "HeightRetrace"]
    assert [each.name for each in choose_pfm(DART[::-1])] == taken


def test_the_direction_of_the_amplitude_decides_for_all() -> None:
    one_way = [
        channel("AmplitudeTrace", AMPLITUDE),
        channel("PhaseRetrace", PHASE),
        channel("PhaseTrace", PHASE),
        channel("HeightRetrace", HEIGHT),
    ]
    # a trace belongs to a trace; a topography of the retrace is better than none
    taken = [each.name for each in choose_pfm(one_way)]
    assert taken == ["AmplitudeTrace", "PhaseTrace", "HeightRetrace"]


def test_a_channel_of_another_raster_does_not_belong_to_the_scan() -> None:
    scan = [channel("PhaseTrace", PHASE), channel("HeightTrace", HEIGHT, shape=(8, 8))]
    assert [each.name for each in choose_pfm(scan)] == ["PhaseTrace"]


def test_haadf_leads_whatever_is_larger(tmp_path: Path) -> None:
    channels = [
        channel("EDS Ti", Signal.UNKNOWN, shape=(512, 512)),
        channel("BF", Signal.BF),
        channel("HAADF", Signal.HAADF, shape=(16, 16)),
    ]
    assert choose(channels, None, path=tmp_path, format="").name == "HAADF"
    assert choose(channels, "bf", path=tmp_path, format="").name == "BF"
    assert choose(channels, "0", path=tmp_path, format="").name == "EDS Ti"
    with pytest.raises(NoImage, match="EDS Ti, BF, HAADF"):
        choose(channels, 3, path=tmp_path, format="")


def test_an_image_is_no_piezoresponse(tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", np.zeros((20, 30), np.float32))
    with pytest.raises(NoImage, match="neither"):
        read_pfm(tmp_path / "scan.npy")


def test_a_channel_can_be_named_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    values = np.arange(600, dtype=np.float32).reshape(20, 30)
    np.savez(path, first=values, second=values + 1)
    scan = read_pfm(path, channels={AMPLITUDE: "second", PHASE: 0})
    assert [(str(signal), each.channel) for signal, each in scan.items()] == [
        ("PFM_AMPLITUDE", "second"),
        ("PFM_PHASE", "first"),
    ]
    assert scan[PHASE].signal is PHASE
    with pytest.raises(NoImage, match="third"):
        read_pfm(path, channels={AMPLITUDE: "third"})


def test_of_a_scan_all_three_are_taken_unless_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scan.ibw"
    names = [f"{what}{way}" for what in ("Height", "Amplitude", "Phase") for way in WAYS]
    write_ibw(path, planes(*names))
    contents = look_into(path)
    taken = "AmplitudeRetrace, PhaseRetrace, HeightRetrace"
    assert ", ".join(each.name for each in contents.of_scan) == taken
    (said,) = contents.warnings
    assert f"{taken} were taken, not HeightTrace" in said
    note(path, "channel: PhaseTrace")
    contents = look_into(path)
    assert [each.name for each in contents.of_scan] == ["PhaseTrace"]
    assert contents.warnings == ()


SCAN = ("HeightRetrace", "AmplitudeRetrace", "PhaseRetrace")


def test_a_scan_is_its_amplitude_with_the_others_beside_it(tmp_path: Path) -> None:
    path, drawn = tmp_path / "scan.ibw", planes(*SCAN, "UserIn0Retrace")
    write_ibw(path, drawn)
    scan = read(path, pixel_size_nm=(4.0, 5.0)).frame(0)
    assert list(scan.channels()) == [AMPLITUDE, PHASE, HEIGHT]
    for each, name in zip(scan.channels().values(), (SCAN[1], SCAN[2], SCAN[0]), strict=True):
        assert (each.channel, each.pixel_size_nm) == (name, (4.0, 5.0))
        np.testing.assert_array_equal(each.data, drawn[name])
    assert scan.warnings == ()  # nothing else would have done as well
    assert read(path, channel="PhaseRetrace").frame(0).companions == {}


def test_another_response_of_the_same_pass_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scan.ibw"
    write_ibw(path, planes(*SCAN, "LatAmplitudeRetrace", "LatPhaseRetrace", "AmplitudeTrace"))
    (said,) = read(path).frame(0).warnings
    assert "not LatAmplitudeRetrace, LatPhaseRetrace." in said


def test_a_scan_without_amplitude_is_its_phase(tmp_path: Path) -> None:
    write_ibw(tmp_path / "scan.ibw", planes("UserIn0Retrace", "HeightRetrace", "PhaseRetrace"))
    scan = read(tmp_path / "scan.ibw").frame(0)
    assert list(scan.channels()) == [PHASE, HEIGHT]


def test_topography_alone_is_no_scan_of_the_piezoresponse(tmp_path: Path) -> None:
    write_ibw(tmp_path / "scan.ibw", planes("HeightTrace", "HeightRetrace"))
    scan = read(tmp_path / "scan.ibw").frame(0)
    assert (scan.channel, scan.companions) == ("HeightRetrace", {})


@pytest.mark.parametrize(
    ("constant", "kept"),
    [
        (("PhaseRetrace",), [AMPLITUDE, HEIGHT]),
        (("AmplitudeRetrace",), [PHASE, HEIGHT]),
        (("PhaseRetrace", "HeightRetrace"), [AMPLITUDE]),
    ],
)
def test_a_channel_of_one_value_is_left_out_and_named(
    tmp_path: Path, constant: tuple[str, ...], kept: list[Signal]
) -> None:
    flat = {name: np.full((37, 23), 7.0) for name in constant}
    write_ibw(tmp_path / "scan.ibw", {**planes(*SCAN), **flat})
    scan = read(tmp_path / "scan.ibw").frame(0)
    assert list(scan.channels()) == kept
    for name in constant:
        assert f"{name} has the same value everywhere, so it is left out." in scan.warnings


def test_a_scan_of_one_value_is_handed_on_for_others_to_refuse(tmp_path: Path) -> None:
    flat = {name: np.full((37, 23), 7.0) for name in SCAN[1:]}
    write_ibw(tmp_path / "scan.ibw", {**planes("HeightRetrace"), **flat})
    scan = read(tmp_path / "scan.ibw").frame(0)
    assert (scan.signal, scan.companions) == (AMPLITUDE, {})


def test_a_channel_of_another_shape_is_left_out_and_named(tmp_path: Path) -> None:
    small = channel("PhaseRetrace", PHASE, shape=(8, 9))
    scan = [channel("AmplitudeRetrace", AMPLITUDE), small]
    said = of_other_shape(choose_pfm(scan), scan)
    assert said == ("PhaseRetrace has 8 x 9 pixels, not 37 x 23, so it is left out.",)


def test_a_movie_of_a_scan_is_its_amplitude_alone() -> None:
    frames = np.random.default_rng(3).normal(size=(2, 9, 8)).astype(np.float32)
    scan = [
        Channel(name=str(s), signal=s, shape=(9, 8), n_frames=2, load=lambda index: frames[index])
        for s in (AMPLITUDE, PHASE)
    ]
    movie = open_scan(scan, scan, path=Path("movie"), format="")
    assert (movie.n_frames, movie.signal) == (2, AMPLITUDE)
    assert movie.frame(1).companions == {}
    assert "not PFM_PHASE" in movie.warnings[0]


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    """HDF5 with a HAADF and a BF image, without a calibration."""
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["BF"] = np.arange(600, dtype=np.uint16).reshape(20, 30)
        file["HAADF"] = np.arange(600, dtype=np.uint16).reshape(20, 30) + 1
    return path


def note(path: Path, text: str) -> None:
    path.with_name(path.name + ".scanseg.yaml").write_text(text, encoding="utf-8")


def test_a_note_beside_a_file_calibrates_it_and_is_named_as_the_origin(scan_file: Path) -> None:
    assert read(scan_file).metadata["calibration"] == "none"
    note(scan_file, "pixel_size_nm: [0.02, 0.03]\nsignal: ABF\nchannel: BF\n")
    image = read(scan_file)
    assert (image.channel, image.signal) == ("BF", Signal.ABF)
    assert image.pixel_size_nm == (0.02, 0.03)
    assert image.metadata["calibration"] == "sidecar"
    assert image.warnings == ()


def test_what_is_given_overrides_the_note(scan_file: Path) -> None:
    note(scan_file, "pixel_size_nm: 0.02\nchannel: BF\n")
    image = read(scan_file, pixel_size_nm=0.05, channel="haadf")
    assert (image.channel, image.pixel_size_nm) == ("HAADF", (0.05, 0.05))
    assert image.metadata["calibration"] == "given"


def test_a_note_holds_for_every_channel_but_its_signal_for_the_one_it_takes(
    scan_file: Path,
) -> None:
    note(scan_file, "pixel_size_nm: 0.02\nsignal: ADF\n")
    images = look_into(scan_file).open_all()
    assert {each.pixel_size_nm for each in images} == {(0.02, 0.02)}
    assert [str(each.signal) for each in images] == ["BF", "ADF"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pixelsize: 0.02", "pixel_size_nm"),
        ("pixel_size_nm: -1", "pixel_size_nm"),
        ("pixel_size_nm: 1e12", "is no pixel size"),
        ("pixel_size_nm: 0.1 um", "'0.1 um' is no pixel size"),
        ("pixel_size_nm: true", "is no pixel size"),  # not 1 nm
        ("pixel_size_nm: [1, 2, 3]", "is no pixel size"),
        ("signal: HADF", "signal"),
        ("0.02", "no settings"),
        ("{", "YAML"),
    ],
)
def test_a_wrong_note_is_an_error_not_a_guess(scan_file: Path, text: str, reason: str) -> None:
    note(scan_file, text)
    with pytest.raises(LoadError, match=reason) as caught:
        read(scan_file)
    assert caught.value.path == scan_file
    assert caught.value.format == "sidecar"
    assert caught.value.hint

"""HDF5 in the layouts of several programs, written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from pixels import all_frames

from scanseg.errors import NoImage, TooLarge, Truncated, Unsupported
from scanseg.micrograph import Signal, Stack
from scanseg.readers import read, read_channels
from scanseg.readers.hdf5 import _damage

Scan = NDArray[np.uint16]


def _axis(group: h5py.Group, number: int, **facts: Any) -> None:
    group.create_group(f"axis-{number}").attrs.update(facts)


# --- any file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(37, 23), (1, 37, 23, 1), (1, 37, 23), (37, 23, 1)])
@pytest.mark.parametrize("dtype", ["<u2", ">f4", "<i4", "?"])
def test_any_image_is_read_back(
    tmp_path: Path, scan: Scan, shape: tuple[int, ...], dtype: str
) -> None:
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["deep/inside/image"] = scan.astype(dtype).reshape(shape)
        file["positions"] = np.zeros((99, 2))
        file["name"] = "a scan"
        file["spectrum"] = np.zeros(2048)
    (image,) = read_channels(path)
    np.testing.assert_array_equal(image.frame(0).data, scan.astype(dtype))
    assert image.channel == "deep/inside/image"
    assert image.pixel_size_nm is None


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 37, 23), "compression": "gzip"}])
def test_any_movie_is_read_frame_by_frame(
    tmp_path: Path, movie: Scan, options: dict[str, Any]
) -> None:
    path = tmp_path / "movie.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("movie", data=movie, **options)
    stack = read(path)
    assert isinstance(stack, Stack)
    np.testing.assert_array_equal(all_frames(stack), movie)
    h5py.File(path, "r+").close()  # nothing holds the file open


def test_the_signal_is_taken_from_the_description(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.hdf5"
    with h5py.File(path, "w") as file:
        file["nn_input"] = scan[None, :, :, None]
        file["nn_input"].attrs["metadata"] = json.dumps({"type of data": "HAADF", "scan size": 2})
    image = read(path)
    assert image.signal == Signal.HAADF
    assert image.pixel_size_nm is None  # a size without a unit is no calibration


def test_a_file_that_claims_149_gb_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("image", (200_000, 200_000), np.float32, chunks=(1000, 1000))
    assert path.stat().st_size < 20_000
    with pytest.raises(TooLarge, match="160 GB"):
        read(path)


def test_complex_images_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wave.h5"
    with h5py.File(path, "w") as file:
        file["wave"] = np.zeros((9, 7), complex)
    with pytest.raises(Unsupported, match="complex"):
        read(path)


def test_a_file_without_an_image_says_so(tmp_path: Path) -> None:
    path = tmp_path / "none.h5"
    with h5py.File(path, "w") as file:
        file["spectrum"] = np.zeros(2048)
    with pytest.raises(NoImage):
        read(path)


def test_a_cut_file_is_refused(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.h5"
    with h5py.File(path, "w") as file:
        file["movie"] = movie
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Truncated):
        read(path)


def test_damage_at_which_the_library_never_returns_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("text", data=["Velox"] * 3, dtype=h5py.string_dtype())
    contents = bytearray(path.read_bytes())
    start = contents.index(b"GCOL")
    # three objects of 16 + 8 bytes follow the header of 16; then free space: make its size 0
    free = start + 16 + 3 * 24
    assert contents[free : free + 2] == b"\0\0"
    contents[free + 8 : free + 16] = bytes(8)
    path.write_bytes(contents)
    with pytest.raises(Truncated, match="damaged"):
        read(path)
    # in files too large to search, another process finds out
    monkeypatch.setattr(_damage, "SEARCHED_BYTES", 0)
    monkeypatch.setattr(_damage, "OPEN_S", 2.0)
    with pytest.raises(Truncated, match="more than 2 s"):
        read(path)


def test_a_sound_file_that_is_too_large_to_search_is_read(
    tmp_path: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["scan"] = scan
        file["scan"].attrs["title"] = "HAADF"
    monkeypatch.setattr(_damage, "SEARCHED_BYTES", 0)
    np.testing.assert_array_equal(read(path).frame(0).data, scan)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_text_that_is_longer_than_its_file_is_refused(
    tmp_path: Path, scan: Scan, version: str
) -> None:
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["scan"] = scan
        file["scan"].attrs["title"] = "A" * 77
    contents = bytearray(path.read_bytes())
    # length 77, address of the heap, number 1: the library sets aside what the length says
    address = contents.index(b"GCOL").to_bytes(8, "little")
    start = contents.index((77).to_bytes(4, "little") + address)
    contents[start : start + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(contents)
    with pytest.raises(Truncated, match="table of texts"):
        read(path)


# --- HyperSpy -----------------------------------------------------------------------------------


def _hyperspy(path: Path, data: NDArray[Any], axes: list[dict[str, Any]], title: str) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group(f"Experiments/{title}")
        group["data"] = data
        for number, facts in enumerate(axes):
            _axis(group, number, size=data.shape[number], **facts)
        group.create_group("metadata/General").attrs["title"] = title
        microscope = group.create_group("metadata/Acquisition_instrument/TEM")
        microscope.attrs["beam_energy"] = 300.0


Y = {"name": "y", "navigate": False, "scale": 0.02, "units": "nm"}
X = {"name": "x", "navigate": False, "scale": 30.0, "units": "pm"}


def test_a_hyperspy_image(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.hspy"
    _hyperspy(path, scan, [Y, X], "HAADF 3")
    image = read(path)
    np.testing.assert_array_equal(image.frame(0).data, scan)
    assert image.pixel_size_nm == pytest.approx((0.02, 0.03))
    assert image.signal == Signal.HAADF
    assert image.metadata["beam_energy_kev"] == 300


def test_a_hyperspy_movie(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.hspy"
    _hyperspy(
        path, movie, [{"name": "t", "navigate": True, "scale": 50, "units": "ms"}, Y, X], "movie"
    )
    stack = read(path)
    np.testing.assert_array_equal(all_frames(stack), movie)
    assert stack.frame_time_s == pytest.approx(0.05)


@pytest.mark.parametrize(
    "axes",
    [
        # a spectrum at every position, stored either way
        [{**Y, "navigate": True}, {**X, "navigate": True}, {"navigate": False, "units": "eV"}],
        [{"name": "Energy loss", "navigate": True, "units": "eV"}, Y, X],
        # a diffraction pattern along a line
        [{**Y, "navigate": True}, {**Y, "units": "1/nm"}, {**X, "units": "1/nm"}],
    ],
)
def test_spectra_and_patterns_are_no_frames(
    tmp_path: Path, movie: Scan, axes: list[dict[str, Any]]
) -> None:
    path = tmp_path / "cube.hspy"
    _hyperspy(path, movie, axes, "cube")
    with pytest.raises(NoImage):
        read(path)


@pytest.mark.parametrize("unit", ["1/nm", "nm^-1", "1 / µm", "mrad"])
def test_reciprocal_space_has_no_pixel_size(tmp_path: Path, scan: Scan, unit: str) -> None:
    path = tmp_path / "pattern.hspy"
    _hyperspy(path, scan, [{**Y, "units": unit}, {**X, "units": unit}], "pattern")
    image = read(path)
    assert image.pixel_size_nm is None
    assert any("reciprocal" in warning for warning in image.warnings)


# --- EMD ----------------------------------------------------------------------------------------


def _velox(path: Path, images: dict[str, tuple[NDArray[Any], str]]) -> None:
    """Write images as Velox does: (y, x, frame), metadata as bytes padded with zeros."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.create_dataset("Version", data=[json.dumps({"format": "Velox"})], dtype=text)
        for number, (title, (data, unit)) in enumerate(images.items()):
            facts = {
                "BinaryResult": {
                    "Detector": "SuperX",
                    "PixelSize": {"height": "2e-11", "width": "3e-11"},
                    "PixelUnitX": unit,
                    "PixelUnitY": unit,
                },
                "Scan": {"FrameTime": "0.5"},
                "Optics": {"AccelerationVoltage": "200000"},
            }
            group = file.create_group(f"Data/Image/{number:032x}")
            group["Data"] = data
            padded = np.zeros((6000, 1), np.uint8)
            encoded = json.dumps(facts).encode()
            padded[: len(encoded), 0] = list(encoded)
            group["Metadata"] = padded
            display = {
                "display": {"label": title.replace("(", "%28").replace(")", "%29")},
                "dataPath": group.name,
            }
            where = f"Presentation/Displays/ImageDisplay/{number:032x}"
            file.create_dataset(where, data=[json.dumps(display)], dtype=text)


def test_a_velox_file(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "scan.emd"
    stored = np.moveaxis(movie, 0, -1)
    _velox(path, {"Ca": (stored[..., :1], "m"), "DCFI(HAADF)": (stored, "m")})
    image = read(path)
    assert image.channel == "DCFI(HAADF)"
    assert image.signal == Signal.HAADF
    assert image.pixel_size_nm == pytest.approx((0.02, 0.03))
    assert image.frame_time_s == 0.5
    assert image.metadata["beam_energy_kev"] == 200
    np.testing.assert_array_equal(all_frames(image), movie)
    assert read(path, channel="Ca").n_frames == 1


def test_a_pattern_of_velox_is_taken_last(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "scan.emd"
    stored = np.moveaxis(movie, 0, -1)[..., :1]
    _velox(path, {"HAADF pattern": (stored, "1/m"), "Ceta": (stored[:9], "m")})
    assert read(path).channel == "Ceta"
    assert read(path, channel="HAADF pattern").pixel_size_nm is None


@pytest.mark.parametrize(
    ("names", "units", "n_channels", "transposed"),
    [
        (("y", "x"), ("[n_m]", "[n_m]"), 1, False),
        (("R_x", "R_y"), ("[n_m]", "[n_m]"), 1, True),
        (("R_y", "R_x", "angle"), ("[n_m]", "[n_m]", "[mrad]"), 4, False),
    ],
)
def test_an_ncem_file(
    tmp_path: Path, names: tuple[str, ...], units: tuple[str, ...], n_channels: int,
    transposed: bool,
) -> None:  # fmt: skip
    path = tmp_path / "scan.emd"
    data = np.arange(11 * 7 * 4).reshape(11, 7, 4)
    data = data if len(names) == 3 else data[..., 0]
    with h5py.File(path, "w") as file:
        group = file.create_group("signals/simulation")
        group.attrs["emd_group_type"] = 1
        group["data"] = data
        for number, (name, unit) in enumerate(zip(names, units, strict=True), start=1):
            group[f"dim{number}"] = 0.02 * number * np.arange(data.shape[number - 1])
            group[f"dim{number}"].attrs.update({"name": name, "units": unit})
    images = read_channels(path)
    assert len(images) == n_channels
    plane = data if len(names) == 2 else data[..., 0]
    np.testing.assert_array_equal(images[0].frame(0).data, plane.T if transposed else plane)
    expected = (0.04, 0.02) if transposed else (0.02, 0.04)
    assert images[0].pixel_size_nm == pytest.approx(expected)


def test_ncem_units_have_their_letters_apart(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.emd"
    for unit, size_nm, per_nm in (("[µ_m]", 20.0, None), ("[1_/_n_m]", None, 0.02)):
        with h5py.File(path, "w") as file:
            group = file.create_group("signals/scan")
            group.attrs["emd_group_type"] = 1
            group["data"] = scan
            for number, name in enumerate("yx", start=1):
                group[f"dim{number}"] = [0.0, 0.02]
                group[f"dim{number}"].attrs.update({"name": name, "units": unit})
        image = read(path)
        assert image.pixel_size_nm == (None if size_nm is None else (size_nm, size_nm))
        assert image.metadata.get("pixel_size_per_nm") == (None if per_nm is None else (0.02, 0.02))


# --- NSID ---------------------------------------------------------------------------------------


def _nsid(path: Path, channels: dict[str, tuple[NDArray[Any], str]], mode: str) -> None:
    with h5py.File(path, "w") as file:
        for number, (quantity, (data, unit)) in enumerate(channels.items()):
            group = file.create_group(f"Measurement_000/Channel_{number}/image")
            dataset = group.create_dataset("image", data=data)
            dataset.attrs.update(
                {"main_data_name": "image", "data_type": "IMAGE", "quantity": quantity}
            )
            for axis, (name, step) in enumerate([("x", 2e-9), ("y", 3e-9)]):
                group[name] = step * np.arange(data.shape[axis])
                group[name].attrs.update({"units": unit, "name": name})
                group[name].make_scale(name)
                dataset.dims[axis].label = name
                dataset.dims[axis].attach_scale(group[name])
            facts = group.create_group("original_metadata")
            facts.attrs.update({"ImagingMode": mode, "ScanPoints": "23"})


def test_a_piezoresponse_scan(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "pfm.h5"
    stored = np.rot90(scan, -1)  # Igor's order: x first, y upwards
    channels = {
        "HeightRetrace": (stored, "m"),
        "AmplitudeRetrace": (stored, "m"),
        "PhaseRetrace": (stored, "deg"),  # sidpy's slip: the axes carry the data's unit
    }
    _nsid(path, channels, "PFM Mode")
    height, amplitude, phase = read_channels(path)
    assert [i.signal.value for i in (height, amplitude, phase)] == [
        "TOPOGRAPHY", "PFM_AMPLITUDE", "PFM_PHASE",
    ]  # fmt: skip
    for image in (height, amplitude, phase):
        np.testing.assert_array_equal(image.frame(0).data, scan)
        assert image.pixel_size_nm == pytest.approx((3.0, 2.0))
    assert read(path).channel == "AmplitudeRetrace"


def test_an_amplitude_of_tapping_mode_is_no_piezoresponse(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "tapping.h5"
    _nsid(path, {"AmplitudeRetrace": (np.rot90(scan, -1), "m")}, "AC Mode")
    assert read(path).signal == Signal.UNKNOWN

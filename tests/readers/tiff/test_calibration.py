"""Pixel sizes, units and detectors as every maker of TIFF files writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from pixels import all_frames

from scanseg.errors import NoImage
from scanseg.micrograph import Signal
from scanseg.readers import read, read_channels
from scanseg.readers._channel import RECIPROCAL

Scan = NDArray[np.uint16]
DM_TAGS = (
    (65003, "s", 0, "nm", True),
    (65004, "s", 0, "µm".encode(), True),
    (65009, "d", 1, 0.5, True),
    (65010, "d", 1, 0.002, True),
)
JEOL_XML = """<?xml version="1.0"?>
<TemReporter><ElectronGun><AccelerationVoltage>200000</AccelerationVoltage></ElectronGun>
<Eos><EosMode>{eos}</EosMode></Eos>
<IlluminationSystem><ImageField>modeBrightField</ImageField></IlluminationSystem>
<ImageFormingSystem><ModeString>{mode}</ModeString><SelectorValue>{value}</SelectorValue>
<SelectorString>{label}</SelectorString><SelectorUnitString>{unit}</SelectorUnitString>
</ImageFormingSystem></TemReporter>"""


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1.0),
        ("um", 1e3),
        ("micron", 1e3),
        ("\\u00B5m", 1e3),  # as ImageJ escapes the micro sign, and tifffile leaves it
        ("pm", 1e-3),
        ("mm", 1e6),
        ("pixel", None),
        ("1/nm", None),
        ("", None),
    ],
)
def test_imagej_units(tmp_path: Path, scan: Scan, unit: str, nm: float | None) -> None:
    path = tmp_path / "scan.tif"
    # 5 pixels a unit along x, 4 along y
    tifffile.imwrite(
        path, scan, imagej=True, resolution=(5, 4),
        metadata={"unit": unit},
    )  # fmt: skip
    image = read(path)
    expected = None if nm is None else pytest.approx((nm / 4, nm / 5), rel=1e-6)
    assert image.pixel_size_nm == expected


def test_imagej_without_a_scale_is_not_calibrated(tmp_path: Path, scan: Scan) -> None:
    tifffile.imwrite(tmp_path / "scan.tif", scan, imagej=True)
    assert read(tmp_path / "scan.tif").pixel_size_nm is None


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}, (250.0, 500.0)),  # the schema's µm
        (
            {
                "PhysicalSizeX": 12.5, "PhysicalSizeXUnit": "pm",
                "PhysicalSizeY": 0.1, "PhysicalSizeYUnit": "Å",
            },
            (0.01, 0.0125),
        ),
        ({"PhysicalSizeX": 0.5}, None),
        ({"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel", "PhysicalSizeY": 1}, None),
    ],
)  # fmt: skip
def test_ome_units(
    tmp_path: Path, scan: Scan, sizes: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    path = tmp_path / "scan.ome.tif"
    tifffile.imwrite(path, scan, metadata={"axes": "YX", "TimeIncrement": 0.1, **sizes})
    image = read(path)
    assert image.pixel_size_nm == (None if expected is None else pytest.approx(expected))
    assert image.frame_time_s is None  # one frame has no time step


def test_ome_channel_names_give_the_signals(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    values = np.arange(2 * 11 * 7, dtype=np.uint16).reshape(2, 11, 7)
    tifffile.imwrite(path, values, metadata={"axes": "CYX", "Channel": {"Name": ["BF", "HAADF"]}})
    image = read(path)
    assert (image.channel, image.signal) == ("HAADF", Signal.HAADF)
    np.testing.assert_array_equal(all_frames(image)[0], values[1])


def test_digital_micrograph_tags(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, scan, extratags=DM_TAGS)
    assert read(path).pixel_size_nm == pytest.approx((2.0, 0.5))  # (y, x)


@pytest.mark.parametrize(
    ("per_unit", "unit", "expected_nm"),
    [
        (72, "INCH", None),  # a screen
        (4e8, "CENTIMETER", 0.025),
        (0, "CENTIMETER", None),
        (4e8, "NONE", None),
    ],
)
def test_print_resolution_is_a_guess_or_nothing(
    tmp_path: Path, scan: Scan, per_unit: float, unit: str, expected_nm: float | None
) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, scan, resolution=(per_unit, per_unit), resolutionunit=unit)
    image = read(path)
    if expected_nm is None:
        assert image.pixel_size_nm is None
        assert image.warnings == ()
    else:
        assert image.pixel_size_nm == pytest.approx((expected_nm, expected_nm))
        assert any("guess" in warning for warning in image.warnings)


def test_an_fei_data_bar_is_cut_off(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    text = (
        "[Scan]\r\nPixelWidth=2e-11\r\nPixelHeight=3e-11\r\n[Image]\r\nResolutionX=23\r\n"
        "ResolutionY=30\r\n[Detectors]\r\nNumber=1\r\nName=HAADF\r\nMode=None\r\n"
    )
    tifffile.imwrite(path, scan, extratags=[(34682, "s", 0, text, True)])
    image = read(path)
    np.testing.assert_array_equal(image.frame(0).data, scan[:30])
    assert image.pixel_size_nm == pytest.approx((0.03, 0.02))
    assert image.signal == Signal.HAADF
    assert any("7 rows" in warning for warning in image.warnings)


@pytest.mark.parametrize(
    ("entries", "expected_nm"),
    [
        # of a frame 1024 pixels wide; this one has 23
        ("AP_PIXEL_SIZE\r\nPixel Size = 5.75 nm\r\n", 5.75 * 1024 / 23),
        (
            "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 11.5 nm\r\n"
            "AP_PIXEL_SIZE\r\nPixel Size = 5.75 nm\r\n",
            11.5,
        ),
        ("AP_PIXEL_SIZE\r\nPixel Size = 575 pm\r\n", 0.575 * 1024 / 23),
        # the fourth of the unnamed numbers is metres; some versions write nothing else
        ("AP_MAG\r\nMag = 50 K X\r\n", 5.8 * 1024 / 23),
    ],
)
def test_zeiss_pixel_sizes(tmp_path: Path, scan: Scan, entries: str, expected_nm: float) -> None:
    path = tmp_path / "scan.tif"
    header = "\r\n".join(["0", "0", "0", "5.8e-009", *["0"] * 4]) + "\r\n"
    text = (header + entries).encode("cp1252")
    tifffile.imwrite(path, scan, extratags=[(34118, "s", 0, text, True)])
    assert read(path).pixel_size_nm == pytest.approx((expected_nm, expected_nm))


def test_the_navigation_camera_of_an_fei_microscope_has_a_field_of_view(
    tmp_path: Path, scan: Scan
) -> None:
    path = tmp_path / "scan.tif"
    camera = "[Beam]\r\nBeam=IRBeam\r\n[IRBeam]\r\nHFW={}\r\nVFW=0.0037\r\n"
    image = "[Image]\r\nResolutionX=23\r\nResolutionY=37\r\n"
    for width, expected in (("0.0046", pytest.approx((1e5, 2e5))), ("", None), ("wide", None)):
        text = camera.format(width) + image
        tifffile.imwrite(path, scan, extratags=[(34682, "s", 0, text, True)])
        assert read(path).pixel_size_nm == expected


@pytest.mark.parametrize(
    ("optics", "size_nm", "size_per_nm"),
    [
        # 2.54 cm / 100 on the camera, 1e5 times magnified
        ({"mode": "MAG", "value": "100000", "label": "100kX", "unit": "X"}, 2.54, None),
        # the same pixel over 400 mm and the 2.5079 pm of 200 kV electrons
        (
            {"mode": "DIFF", "value": "400", "label": "40cm", "unit": "mm"},
            None,
            2.54e5 / (4e8 * 2.5079e-3),
        ),
        ({"mode": "DIFF", "value": "?", "label": "", "unit": ""}, None, None),
        ({"mode": "MAG", "value": "0", "label": "", "unit": ""}, None, None),
    ],
)
def test_jeol_images_are_magnified_and_patterns_have_a_camera_length(
    tmp_path: Path,
    scan: Scan,
    optics: dict[str, str],
    size_nm: float | None,
    size_per_nm: float | None,
) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(
        path, scan, description=JEOL_XML.format(eos="eosTEM", **optics), metadata=None,
        resolution=(100, 100), resolutionunit="INCH", extratags=[(271, "s", 0, "JEOL Ltd.", True)],
    )  # fmt: skip
    image = read(path)
    assert image.channel.startswith(f"TEM, BrightField, {optics['mode']}")
    assert (RECIPROCAL in image.warnings) == (optics["mode"] == "DIFF")
    if size_nm is None:
        assert image.pixel_size_nm is None
    else:
        assert image.pixel_size_nm == pytest.approx((size_nm, size_nm))
        assert image.metadata["calibration"] == "jeol"
    if size_per_nm is None:
        assert "pixel_size_per_nm" not in image.metadata
    else:
        expected = pytest.approx((size_per_nm, size_per_nm), rel=1e-4)
        assert image.metadata["pixel_size_per_nm"] == expected


@pytest.mark.parametrize(("version", "mode"), [(2, 1), (2, 3), (1, 1)])
def test_tvips_pixel_sizes(tmp_path: Path, scan: Scan, version: int, mode: int) -> None:
    path = tmp_path / "scan.tif"
    first = np.zeros(1, np.dtype(tifffile.TIFF.TVIPS_HEADER_V1))
    first["Version"] = version
    second = np.zeros(1, np.dtype(tifffile.TIFF.TVIPS_HEADER_V2))
    second["PixelSizeX"], second["PixelSizeY"] = 0.25, 0.75
    second["TemMode"], second["Magic"] = mode, 0xAAAAAAAA
    header = first.tobytes() + second.tobytes()
    tifffile.imwrite(
        path, scan, resolution=(2e7, 1e7), resolutionunit="CENTIMETER", byteorder="<",
        extratags=[(37706, "B", len(header), header, True)],
    )  # fmt: skip
    image = read(path)
    if mode == 3:  # diffraction
        assert image.pixel_size_nm is None
        assert RECIPROCAL in image.warnings
    else:
        assert image.pixel_size_nm == pytest.approx((0.75, 0.25) if version == 2 else (1.0, 0.5))
        assert image.metadata["calibration"] == "tvips"
        assert image.warnings == ()


def test_a_fourier_transform_is_told_from_an_image(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    floats = scan.astype(np.float32)
    tifffile.imwrite(path, floats, imagej=True, resolution=(4, 2), metadata={"unit": "1/nm"})
    image = read(path)
    assert image.pixel_size_nm is None
    assert image.metadata["pixel_size_per_nm"] == (0.5, 0.25)
    assert RECIPROCAL in image.warnings
    units = [(65003, "s", 0, "1/nm", True), (65004, "s", 0, "1/nm", True), *DM_TAGS[2:]]
    # the print resolution beside it would be taken for a pixel size
    tifffile.imwrite(path, scan, extratags=units, resolution=(4e8, 4e8), resolutionunit=3)
    image = read(path)
    assert image.pixel_size_nm is None
    assert image.metadata["pixel_size_per_nm"] == (0.002, 0.5)


def test_an_axis_of_energies_is_no_side_of_an_image(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "spectra.tif"
    tags = [(65003, "s", 0, "eV", True), (65004, "s", 0, "nm", True), *DM_TAGS[2:]]
    # the text that hyperspy writes beside the tags has one unit for both sides
    tifffile.imwrite(
        path, movie, description="ImageJ=1.11a\nunit=nm", resolution=(50, 40), metadata=None,
        extratags=tags,
    )  # fmt: skip
    with pytest.raises(NoImage):
        read(path)


def test_every_image_of_an_ome_file_has_its_own_calibration(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for size, image in ((0.5, scan), (2.0, scan[:30])):
            sides = {"PhysicalSizeX": size, "PhysicalSizeY": 2 * size}
            units = {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"}
            tif.write(image, photometric="minisblack", metadata={"axes": "YX", **sides, **units})
    first, second = read_channels(path)
    assert (first.pixel_size_nm, second.pixel_size_nm) == ((1.0, 0.5), (4.0, 2.0))
    assert second.shape == (30, 23)


def test_the_detector_of_a_velox_export(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    # every detector of the microscope is listed beside the one that was used
    xml = (
        '<?xml version="1.0" encoding="utf-8"?><Metadata><Detectors><DetectorName>HAADF'
        "</DetectorName></Detectors><BinaryResult><Detector>BF</Detector></BinaryResult></Metadata>"
    )
    tifffile.imwrite(path, scan, extratags=[(34683, "s", 0, xml, True)])
    assert read(path).signal == Signal.BF


def test_hyperspys_imagej_text_is_believed(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(
        path, scan, description="ImageJ=1.11a\nunit=nm", resolution=(50, 40),
        resolutionunit="INCH", metadata=None, software="hyperspy",
    )  # fmt: skip
    assert read(path).pixel_size_nm == pytest.approx((0.025, 0.02))

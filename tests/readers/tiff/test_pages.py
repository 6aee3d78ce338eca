"""TIFF files of every dialect, written here with known pixels and calibrations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from scanseg.errors import NoImage, TooLarge, Truncated, Unsupported
from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.readers import read, read_channels
from scanseg.readers._channel import RECIPROCAL

Scan = NDArray[np.uint16]
DM_TAGS = (
    (65003, "s", 0, "nm", True),
    (65004, "s", 0, "µm".encode(), True),
    (65009, "d", 1, 0.5, True),
    (65010, "d", 1, 0.002, True),
)


def _frames(image: Micrograph | Stack) -> NDArray[Any]:
    return np.stack([frame.data for frame in image.frames()])


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
    np.testing.assert_array_equal(_frames(read(path)), values)


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
    np.testing.assert_array_equal(_frames(stack), movie)
    with pytest.raises(IndexError):
        stack.frame(5)


@pytest.mark.parametrize("imagej", [True, False])
def test_channels_of_a_hyperstack_are_told_apart(tmp_path: Path, imagej: bool) -> None:
    path = tmp_path / ("hyper.tif" if imagej else "hyper.ome.tif")
    values = np.arange(3 * 2 * 11 * 7, dtype=np.uint16).reshape(3, 2, 11, 7)
    tifffile.imwrite(path, values, imagej=imagej, metadata={"axes": "TCYX"})
    first, second = read_channels(path)
    np.testing.assert_array_equal(_frames(first), values[:, 0])
    np.testing.assert_array_equal(_frames(second), values[:, 1])
    assert first.channel != second.channel


def test_a_stack_that_tifffile_calls_channels_is_a_movie(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, imagej=True)
    stack = read(path)
    np.testing.assert_array_equal(_frames(stack), movie)
    assert any("frames" in warning for warning in stack.warnings)


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
    np.testing.assert_array_equal(_frames(image)[0], values[1])


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


JEOL_XML = """<?xml version="1.0"?>
<TemReporter><ElectronGun><AccelerationVoltage>200000</AccelerationVoltage></ElectronGun>
<Eos><EosMode>{eos}</EosMode></Eos>
<IlluminationSystem><ImageField>modeBrightField</ImageField></IlluminationSystem>
<ImageFormingSystem><ModeString>{mode}</ModeString><SelectorValue>{value}</SelectorValue>
<SelectorString>{label}</SelectorString><SelectorUnitString>{unit}</SelectorUnitString>
</ImageFormingSystem></TemReporter>"""


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
    np.testing.assert_array_equal(_frames(read(path)), movie)


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


def test_pages_of_unequal_shape_are_channels(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in (scan[:10], scan, scan[:5, :9]):
            writer.write(page, metadata=None)
    assert [image.shape for image in read_channels(path)] == [(10, 23), (37, 23), (5, 9)]
    image = read(path)
    np.testing.assert_array_equal(image.frame(0).data, scan)
    assert any("3 channels" in warning for warning in image.warnings)


def test_a_coloured_preview_beside_the_data_is_left_out(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "preview.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((37, 23, 3), np.uint8), photometric="rgb", metadata=None)
        writer.write(scan, metadata=None)
    (image,) = read_channels(path)
    np.testing.assert_array_equal(image.frame(0).data, scan)


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


@pytest.mark.parametrize("dialect", ["imagej", "ome", "shaped"])
@pytest.mark.parametrize("kept", [0.85, 0.6, 0.3])
def test_a_cut_stack_is_refused(tmp_path: Path, movie: Scan, dialect: str, kept: float) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path, movie, imagej=dialect == "imagej", ome=dialect == "ome", metadata={"axes": "TYX"}
    )
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * kept)])
    with pytest.raises(Truncated) as caught:
        read(path)
    assert caught.value.hint


def test_fewer_imagej_frames_than_declared_are_refused(tmp_path: Path, movie: Scan) -> None:
    path = tmp_path / "movie.tif"
    # the description declares 9 frames, 5 pages follow
    with tifffile.TiffWriter(path) as writer:
        for page in movie:
            text = "ImageJ=1.53q\nimages=9\nframes=9\n"
            writer.write(page, description=text, metadata=None, software=None)
    with pytest.raises(Truncated, match="9 frames"):
        read(path)


def test_a_page_that_declares_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for tag in ("ImageWidth", "ImageLength"):
            tif.pages.first.tags[tag].overwrite(60000, dtype="I")
    with pytest.raises((TooLarge, Truncated)):
        read(path)


def test_complex_pages_are_no_image(tmp_path: Path) -> None:
    path = tmp_path / "fft.tif"
    tifffile.imwrite(path, np.zeros((9, 7), np.complex64))
    with pytest.raises(NoImage):
        read(path)


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


WITHOUT_CODECS = """
import sys
sys.modules["imagecodecs"] = None
from scanseg.errors import ExtraMissing
from scanseg.readers import read
for path in sys.argv[1:]:
    try:
        image = read(path).frame(0)
        print(image.shape, image.data.dtype, int(image.data.sum()))
    except ExtraMissing as error:
        print(error.reason, error.hint)
"""


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "jpeg", "jpegxl"])
def test_codecs_of_the_extra(tmp_path: Path, movie: Scan, compression: str) -> None:
    pytest.importorskip("imagecodecs")
    path = tmp_path / "movie.tif"
    smooth = (movie // 20).astype(np.uint8)
    tifffile.imwrite(path, smooth, compression=compression, photometric="minisblack")
    stack = read(path)
    if compression == "jpeg":
        # a level of 95 % alters grey values by a few
        np.testing.assert_allclose(_frames(stack).astype(int), smooth, atol=8)
        assert any("JPEG" in warning for warning in stack.warnings)
    else:
        np.testing.assert_array_equal(_frames(stack), smooth)
        assert stack.warnings == ()


def test_codecs_that_are_not_installed(tmp_path: Path, scan: Scan) -> None:
    pytest.importorskip("imagecodecs")
    paths = []
    for compression in ("lzw", "zstd", "lerc"):
        paths.append(str(tmp_path / f"{compression}.tif"))
        tifffile.imwrite(paths[-1], scan, compression=compression)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_CODECS, *paths], capture_output=True, text=True, check=True
    )
    lzw, zstd, lerc = run.stdout.splitlines()
    assert lzw == zstd == f"{scan.shape} uint16 {int(scan.sum())}"  # by Pillow
    assert "LERC" in lerc
    assert "scanseg[codecs]" in lerc

"""What is written is read back: by scanseg, by OME's rules, and by those of plain TIFF readers."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.readers import read
from scanseg.writers import write, write_array


def scan(dtype: str = "u2", n_frames: int = 1) -> np.ndarray:
    return (np.arange(n_frames * 37 * 23).reshape(n_frames, 37, 23) % 251).astype(dtype)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sides=st.tuples(*[st.floats(1e-4, 1e6, allow_nan=False)] * 2),
    dtype=st.sampled_from(["u1", "u2", "i2", "f4"]),
    signal=st.sampled_from(list(Signal)),
    step_s=st.none() | st.floats(1e-9, 1e5),
)
def test_scanseg_reads_back_what_it_writes(
    tmp_path: Path, sides: tuple[float, float], dtype: str, signal: Signal, step_s: float | None
) -> None:
    path = tmp_path / "movie.tif"
    data = scan(dtype, n_frames=3)
    like = Micrograph(
        data[0],
        pixel_size_nm=sides,
        signal=signal,
        channel="Phase1Retrace",
        frame_time_s=step_s,
        metadata={"unit": "deg"},
    )
    write(Stack(lambda index: data[index], 3, like), path)
    back = read(path)
    np.testing.assert_array_equal(np.stack([frame.data for frame in back.frames()]), data)
    # written as decimal text with all digits
    assert back.pixel_size_nm == pytest.approx(sides, rel=1e-12)
    assert back.frame_time_s == (None if step_s is None else pytest.approx(step_s, rel=1e-12))
    assert (back.signal, back.channel) == (signal, "Phase1Retrace")
    assert back.metadata["unit"] == "deg"
    assert back.metadata["calibration"] == "ome"
    assert back.warnings == ()


def test_no_calibration_stays_none(tmp_path: Path) -> None:
    write(Micrograph(scan()[0]), tmp_path / "scan.tif")
    back = read(tmp_path / "scan.tif")
    assert back.pixel_size_nm is None
    assert back.metadata["calibration"] == "none"
    assert back.signal is Signal.UNKNOWN


def plain_reader(page: tifffile.TiffPage) -> tuple[float, float]:
    """Pixel size (y, x) as ImageJ and others take it that do not know OME: centimetres."""
    assert page.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
    sides = []
    for name in ("YResolution", "XResolution"):
        above, below = page.tags[name].value
        sides.append(1e7 * below / above)
    return sides[0], sides[1]


def ome_reader(text: str) -> tuple[float, float]:
    """Pixel size (y, x) by the schema, as OME programs and napari's readers take it."""
    (pixels,) = ElementTree.fromstring(text).findall("{*}Image/{*}Pixels")
    assert pixels.get("PhysicalSizeXUnit") == pixels.get("PhysicalSizeYUnit") == "nm"
    return float(pixels.get("PhysicalSizeY", "")), float(pixels.get("PhysicalSizeX", ""))


@pytest.mark.parametrize("sides", [(0.0125, 0.0125), (0.004, 0.007), (19.53, 39.06)])
def test_all_kinds_of_readers_find_the_same_calibration(
    tmp_path: Path, sides: tuple[float, float]
) -> None:
    path = tmp_path / "scan.tif"
    write_array(scan()[0], path, pixel_size_nm=sides, signal=Signal.HAADF)
    with tifffile.TiffFile(path) as tif:
        assert ome_reader(tif.ome_metadata or "") == sides
        # fractions of 32-bit integers
        assert plain_reader(tif.pages.first) == pytest.approx(sides, rel=1e-6)
    # what a program leaves of it that drops the description
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages.first.tags["ImageDescription"].overwrite("")
    bare = read(path)
    assert bare.pixel_size_nm == pytest.approx(sides, rel=1e-6)
    assert bare.metadata["calibration"] == "resolution"


def test_a_pixel_too_small_for_the_tags_is_kept_in_the_description(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    write_array(scan()[0], path, pixel_size_nm=(0.001, 0.002))
    assert read(path).pixel_size_nm == (0.001, 0.002)


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(Micrograph(scan()[0]), tmp_path / folder / "scan.tif")
    one, two = ((tmp_path / folder / "scan.tif").read_bytes() for folder in ("one", "two"))
    assert one == two


def test_an_image_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def load(index: int) -> Any:
        if index == 2:
            raise OSError("the disk went away")
        return scan()[0]

    movie = Stack(load, 4, Micrograph(scan()[0]))
    with pytest.raises(OSError, match="went away"):
        write(movie, tmp_path / "movie.tif")
    assert list(tmp_path.iterdir()) == []


def test_another_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.tif"):
        write(Micrograph(scan()[0]), tmp_path / "scan.jpg")


def test_a_scan_keeps_its_channels_signals_and_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    units = {Signal.PFM_PHASE: "deg", Signal.TOPOGRAPHY: "nm", Signal.PFM_AMPLITUDE: "pm"}
    phase, height, amplitude = (
        Micrograph(
            rng.uniform(size=(23, 37)).astype(np.float32),
            pixel_size_nm=(8.0, 6.0),
            signal=signal,
            channel=f"my {number}",  # a name that tells nothing
            metadata={"unit": unit},
        )
        for number, (signal, unit) in enumerate(units.items())
    )
    companions = {each.signal: each for each in (phase, height)}
    image = dataclasses.replace(amplitude, companions=companions)
    write(image, tmp_path / "scan.tif")
    back = read(tmp_path / "scan.tif")
    assert back.warnings == ()
    assert list(back.channels()) == [Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY]
    for signal, each in back.channels().items():
        np.testing.assert_array_equal(each.data, image.channels()[signal].data)
        assert each.pixel_size_nm == (8.0, 6.0)
        assert each.channel == image.channels()[signal].channel
        assert each.metadata["unit"] == units[signal]
    with pytest.raises(ConfigError, match="channels"):
        write(image, tmp_path / "scan.zarr")

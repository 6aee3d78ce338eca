"""Nanosurf, PicoView, WSxM, USID, JPK movies and TopoStats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probe_files import (
    PIXEL_NM,
    SHAPE,
    make_jpk_movie,
    planes,
    write_mi,
    write_nid,
    write_topostats,
    write_usid,
    write_wsxm,
)

from scanseg.errors import NoImage, Truncated, Unsupported
from scanseg.micrograph import Signal, Stack
from scanseg.readers import read, read_channels


@pytest.mark.parametrize("bits", [16, 32])
def test_nanosurf_counts_span_the_range_of_their_axis(tmp_path: Path, bits: int) -> None:
    first, second, third = planes("a", "b", "c", dtype="i4").values()
    write_nid(
        tmp_path / "scan.nid",
        {
            ("Scan forward", "Z-Axis"): first,
            ("Scan forward", "Phase"): second,
            ("Scan backward", "Z-Axis"): third,
        },
        bits,
    )
    found = read_channels(tmp_path / "scan.nid")
    assert [each.channel for each in found] == ["Z-Axis trace", "Phase", "Z-Axis retrace"]
    for image, plane in zip(found, (first, second, third), strict=True):
        # the lowest count is the lower end of the range, -1 µm, and all counts span 4 µm
        truth = -1e-6 + (plane + 2.0 ** (bits - 1)) * 4e-6 / 2.0**bits
        np.testing.assert_allclose(image.frame(0).data, truth, rtol=1e-6)
        assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
        assert image.metadata["unit"] == "m"
    assert found[0].signal is Signal.TOPOGRAPHY


@pytest.mark.parametrize(("kind", "bits"), [("BINARY", 16), ("BINARY_32", 32)])
def test_picoview_buffers(tmp_path: Path, kind: str, bits: int) -> None:
    first, second = planes("a", "b", dtype="i4").values()
    write_mi(
        tmp_path / "scan.mi", {("Topography", "Trace"): first, ("Phase", "Retrace"): second}, kind
    )
    height, phase = read_channels(tmp_path / "scan.mi")
    np.testing.assert_allclose(height.frame(0).data, first * 4 / 2 ** (bits - 1), rtol=1e-6)
    np.testing.assert_allclose(phase.frame(0).data, second * 4 / 2 ** (bits - 1), rtol=1e-6)
    assert height.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert (phase.metadata["direction"], phase.metadata["unit"]) == ("retrace", "um")
    assert (height.signal, phase.signal) == (Signal.TOPOGRAPHY, Signal.PFM_PHASE)


def test_picoview_text_is_refused(tmp_path: Path) -> None:
    write_mi(tmp_path / "scan.mi", {("Topography", "Trace"): planes("a")["a"]}, "ASCII")
    with pytest.raises(Unsupported, match="ASCII"):
        read(tmp_path / "scan.mi")


@pytest.mark.parametrize("kind", ["short", "float", "double"])
def test_wsxm_integers_fill_the_range_and_floats_are_values(tmp_path: Path, kind: str) -> None:
    (plane,) = planes("Topography", dtype="i4").values()
    write_wsxm(tmp_path / "scan.top", "Topography", plane, kind)
    image = read(tmp_path / "scan.top")
    truth = plane * (50 / np.ptp(plane)) if kind == "short" else plane
    np.testing.assert_allclose(image.frame(0).data, truth, rtol=1e-6)
    assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert (image.metadata["unit"], image.metadata["direction"]) == ("nm", "retrace")


def test_usid_positions_make_images_and_movies(tmp_path: Path) -> None:
    movie = np.arange(3 * SHAPE[0] * SHAPE[1], dtype="f4").reshape(3, *SHAPE)
    write_usid(tmp_path / "movie.h5", {"Height": movie})
    stack = read(tmp_path / "movie.h5")
    assert isinstance(stack, Stack)
    np.testing.assert_array_equal(np.stack([each.data for each in stack.frames()]), movie)
    assert stack.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert (stack.signal, stack.metadata["unit"]) == (Signal.TOPOGRAPHY, "V")


def test_usid_spectra_are_no_frames(tmp_path: Path) -> None:
    write_usid(tmp_path / "spectra.h5", {"Height": np.zeros((3, *SHAPE))}, axis="Bias")
    with pytest.raises(NoImage):
        read(tmp_path / "spectra.h5")


def test_jpk_movies_are_calibrated(tmp_path: Path) -> None:
    movie = np.arange(2 * SHAPE[0] * SHAPE[1], dtype="i4").reshape(2, *SHAPE)
    write_usid(tmp_path / "movie.h5-jpk", {"Height": movie, "Phase": movie})
    make_jpk_movie(tmp_path / "movie.h5-jpk", factor=-2e-10, summand=3e-7)
    height, phase = read_channels(tmp_path / "movie.h5-jpk")
    np.testing.assert_allclose(height.frame(1).data, movie[1] * -2e-10 + 3e-7, rtol=1e-5)
    assert (height.metadata["unit"], height.metadata["direction"]) == ("m", "trace")
    assert phase.metadata["direction"] == "retrace"


def test_topostats(tmp_path: Path) -> None:
    (plane,) = planes("image").values()
    write_topostats(tmp_path / "scan.topostats", plane)
    image = read(tmp_path / "scan.topostats")
    np.testing.assert_array_equal(image.frame(0).data, plane)
    assert image.pixel_size_nm == (2.5, 2.5)
    assert image.signal is Signal.TOPOGRAPHY


WRITERS: dict[str, Callable[[Path, Any], None]] = {
    "scan.nid": lambda path, plane: write_nid(path, {("Scan forward", "Z-Axis"): plane}),
    "scan.mi": lambda path, plane: write_mi(path, {("Topography", "Trace"): plane}),
    "scan.stp": lambda path, plane: write_wsxm(path, "Topography", plane),
}


@pytest.mark.parametrize("name", WRITERS)
def test_cut_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, planes("a", dtype="i4")["a"])
    contents = path.read_bytes()
    for keep in (30, len(contents) - 1):
        path.write_bytes(contents[:keep])
        with pytest.raises(Truncated) as caught:
            read(path)
        assert caught.value.format
        assert caught.value.hint

"""Nanonis: which way the scan went decides where a row lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from probe_files import PIXEL_NM, planes, write_sxm

from scanseg.errors import Truncated, Unsupported
from scanseg.micrograph import Signal
from scanseg.readers import read_channels


@pytest.mark.parametrize("scan_dir", ["up", "down"])
@pytest.mark.parametrize("order", [">", "<"])
def test_every_direction_comes_out_as_displayed(tmp_path: Path, scan_dir: str, order: str) -> None:
    forward = planes("Z", "Current", "LI_Phase")
    backward = {name: plane + 0.25 for name, plane in forward.items() if name != "Current"}
    write_sxm(tmp_path / "scan.sxm", forward, backward, scan_dir=scan_dir, order=order)
    found = {each.channel: each for each in read_channels(tmp_path / "scan.sxm")}
    assert list(found) == [
        "Z forward",
        "Z backward",
        "Current forward",
        "LI_Phase forward",
        "LI_Phase backward",
    ]
    for name, truth in {"forward": forward, "backward": backward}.items():
        for key, plane in truth.items():
            np.testing.assert_array_equal(found[f"{key} {name}"].frame(0).data, plane)
    image = found["Z backward"]
    assert image.pixel_size_nm == pytest.approx(PIXEL_NM)
    assert (image.metadata["unit"], image.metadata["direction"]) == ("m", "retrace")
    assert image.signal is Signal.TOPOGRAPHY
    assert found["LI_Phase forward"].metadata["quantity"] == "phase"


def test_what_was_not_scanned_is_not_a_number(tmp_path: Path) -> None:
    forward = planes("Z")
    forward["Z"][20:] = np.nan
    write_sxm(tmp_path / "scan.sxm", forward, {}, scan_dir="down")
    (image,) = read_channels(tmp_path / "scan.sxm")
    valid = image.frame(0).valid()
    assert valid is not None
    assert valid[:20].all()
    assert not valid[20:].any()


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.sxm"
    write_sxm(path, planes("Z"), {})
    contents = path.read_bytes()
    for keep in (60, len(contents) - 1):
        path.write_bytes(contents[:keep])
        with pytest.raises(Truncated):
            read_channels(path)


def test_values_that_are_no_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.sxm"
    write_sxm(path, planes("Z"), {})
    path.write_bytes(path.read_bytes().replace(b"FLOAT ", b"INT   "))
    with pytest.raises(Unsupported, match="INT"):
        read_channels(path)

"""Formats that need the extra: MRC files written here by the published header, and its absence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scanseg.errors import ExtraMissing, LoadError, NoImage
from scanseg.readers import read

Scan = NDArray[np.uint16]


HEADERS = {
    "scan.dm3": b"\0\0\0\x03\0\0\x10\0\0\0\0\x01",
    "scan.dm4": b"\0\0\0\x04" + bytes(8) + b"\0\0\0\x01",
}


@pytest.mark.parametrize("name", HEADERS)
def test_without_the_extra_the_error_names_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [m for m in sys.modules if m.partition(".")[0] == "rsciio"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "rsciio", None)
    path = tmp_path / name
    path.write_bytes(HEADERS[name].ljust(1024, b"\0"))
    with pytest.raises(ExtraMissing) as caught:
        read(path)
    assert "scanseg[em]" in caught.value.hint


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_alone_is_refused(tmp_path: Path, name: str) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / name
    path.write_bytes(HEADERS[name].ljust(1024, b"\0"))
    with pytest.raises(LoadError) as caught:
        read(path)
    assert caught.value.hint


def test_blockfiles_hold_no_image(tmp_path: Path) -> None:
    path = tmp_path / "patterns.blo"
    path.write_bytes(b"IMGBLO".ljust(64, b"\0"))
    with pytest.raises(NoImage, match="diffraction"):
        read(path)


def test_signals_with_axes_of_every_kind() -> None:
    from scanseg.readers._axes import Axis, image_axes

    y, x = Axis(37, "y", "nm", -0.02, False), Axis(23, "x", "Å", 0.3, False)
    found: Any = image_axes([Axis(5, "t", "s", 0.5, True), y, x])
    assert (found.image_shape, found.n_frames) == ((37, 23), 5)
    assert found.pixel_size_nm == pytest.approx((0.02, 0.03))
    assert found.frame_time_s == 0.5
    assert found.selection(found.planes[0], 3) == (3, slice(None), slice(None))
    # two axes of frames, counted through in the file's order
    found = image_axes([Axis(2), Axis(3, "z", "µm", 1, True), y, x])
    assert found.n_frames == 6
    assert found.selection(found.planes[0], 4)[:2] == (1, 1)
    energy, momentum = Axis(9, "Energy", "eV"), Axis(9, "k", "1/nm")
    position = Axis(4, "", "nm", 1.0, True)
    assert image_axes([position, position, energy]) is None
    assert image_axes([position, position, momentum, momentum]) is None
    assert image_axes([position, position, y, x]) is None
    assert image_axes([energy]) is None

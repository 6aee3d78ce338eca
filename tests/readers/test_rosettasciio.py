"""Formats that need the extra: MRC files written here by the published header, and its absence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scanseg.errors import ExtraMissing, LoadError, NoImage, Truncated
from scanseg.readers import look_into, read

Scan = NDArray[np.uint16]


def write_mrc(path: Path, data: NDArray[np.uint16], cell_angstrom: tuple[float, float]) -> None:
    """Write shape (n, height, width) as MRC mode 6; the cell is that of the whole image (y, x)."""
    n, height, width = data.shape
    header = np.zeros(256, "<i4")
    header[:4] = (width, height, n, 6)
    header[7:10] = (width, height, n)
    header[10:13] = np.array([cell_angstrom[1], cell_angstrom[0], n], "<f4").view("<i4")
    header[16:19] = (1, 2, 3)
    header[52] = int.from_bytes(b"MAP ", "little")
    header[53] = int.from_bytes(b"DD\0\0", "little")
    path.write_bytes(header.tobytes() + data.astype("<u2").tobytes())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_mrc_image(tmp_path: Path, scan: Scan) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / "scan.mrc"
    write_mrc(path, scan[None], (37 * 0.2, 23 * 0.3))
    image = read(path)
    np.testing.assert_array_equal(image.frame(0).data, scan)
    assert image.pixel_size_nm == pytest.approx((0.02, 0.03))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_mrc_stack(tmp_path: Path, movie: Scan) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / "movie.mrc"
    write_mrc(path, movie, (37 * 0.2, 23 * 0.3))
    stack = read(path)
    np.testing.assert_array_equal(np.stack([f.data for f in stack.frames()]), movie)


HEADERS = {
    "scan.dm3": b"\0\0\0\x03\0\0\x10\0\0\0\0\x01",
    "scan.dm4": b"\0\0\0\x04" + bytes(8) + b"\0\0\0\x01",
    "scan.mrc": bytes(208) + b"MAP ",
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


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_mrc_stack_that_ends_early_is_refused_before_it_is_loaded(
    tmp_path: Path, movie: Scan
) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / "movie.mrc"
    write_mrc(path, movie, (37 * 0.2, 23 * 0.3))
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(Truncated, match="a part is missing"):
        look_into(path)

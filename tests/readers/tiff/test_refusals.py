"""TIFF files that are cut, declare too much, or hold what is no image."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from scanseg.errors import NoImage, TooLarge, Truncated
from scanseg.readers import read

Scan = NDArray[np.uint16]
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

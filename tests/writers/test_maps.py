"""Maps as TIFF: the same pixels, the same calibration, the same bytes each time."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from scanseg.writers import MapWriter


def _write(path, planes, *, channel_names=(), pixel_size_nm=(0.01, 0.025), title="map"):
    planes = np.asarray(planes)
    scratch = path.with_suffix(".tiles")
    with MapWriter(
        scratch, shape=planes.shape[1:], dtype=planes.dtype, channel_names=channel_names
    ) as writer:
        for plane in planes:
            writer.add_plane(lambda start, stop, plane=plane: plane[start:stop])
        writer.write(path, pixel_size_nm=pixel_size_nm, title=title)
    assert not scratch.exists()


@pytest.mark.parametrize("shape", [(20, 33), (512, 1024), (700, 1100)])
def test_planes_come_back(tmp_path, shape):
    rng = np.random.default_rng(1)
    plane = (rng.uniform(size=shape) > 0.9).astype(np.uint8)
    _write(tmp_path / "map.tif", [plane])
    with tifffile.TiffFile(tmp_path / "map.tif") as tiff:
        page = tiff.pages[0]
        assert page.is_tiled
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        # Noise that no compression likes needs 0.47 bit a pixel; 8 are stored without.
        assert (tmp_path / "map.tif").stat().st_size < plane.size / 2 + 2000
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "map.tif"), plane)


def test_frames_and_channels_have_their_axes(tmp_path):
    rng = np.random.default_rng(1)
    planes = rng.uniform(size=(6, 40, 50)).astype(np.float32)
    _write(tmp_path / "map.tif", planes, channel_names=("background", "column"))
    with tifffile.TiffFile(tmp_path / "map.tif") as tiff:
        assert tiff.series[0].axes == "TCYX"
        assert 'Name="column"' in tiff.ome_metadata
        np.testing.assert_array_equal(tiff.asarray(), planes.reshape(3, 2, 40, 50))


def test_calibration_is_kept_along_each_axis_or_absent(tmp_path):
    plane = np.zeros((30, 40), np.uint8)
    _write(tmp_path / "with.tif", [plane])
    _write(tmp_path / "without.tif", [plane], pixel_size_nm=None)
    with tifffile.TiffFile(tmp_path / "with.tif") as tiff:
        assert 'PhysicalSizeX="0.025"' in tiff.ome_metadata
        assert 'PhysicalSizeY="0.01"' in tiff.ome_metadata
        # Pixels a centimetre, for readers without OME.
        assert tiff.pages[0].resolution[1] == pytest.approx(1e7 / 0.01)
    with tifffile.TiffFile(tmp_path / "without.tif") as tiff:
        assert "PhysicalSize" not in tiff.ome_metadata


def test_the_same_map_gives_the_same_bytes(tmp_path):
    plane = np.eye(40, 50, dtype=np.uint8)
    for name in ("one.tif", "two.tif"):
        _write(tmp_path / name, [plane])
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()

"""Real files of microscopes, where they are at hand: what was read is what others read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixels import all_frames

from scanseg.errors import LoadError, NoImage, Unsupported
from scanseg.readers import read, read_channels

FOLDER = Path(os.environ.get("SCANSEG_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
EXPECTED_FILE = FOLDER / "vendor" / "expected.json"
EXPECTED = json.loads(EXPECTED_FILE.read_text("utf-8")) if EXPECTED_FILE.is_file() else {}

# Read by other people's programs as one thing, by us on purpose as another.
REFUSED = {
    "dm4/test_fft_packed_complex8.dm4": Unsupported,  # complex
    "emd_velox/fei_example_complex_fft.emd": Unsupported,
    "dm4/EELS_SI.dm4": NoImage,  # a spectrum at every position
    "blo/test1.blo": NoImage,  # a diffraction pattern at every position
    "tiff_em/optical_Zeiss_AxioVision_RGB.tif": Unsupported,  # colours
    "tiff_em/test_rgba16.tif": Unsupported,
    "png/bruker1.png": Unsupported,
}
SCANNING_PROBE = (
    "gsf", "gwy", "ibw", "jpk", "mdt", "mi", "nanonis", "nanoscope", "nid", "sur", "tiff_park",
    "topostats", "wsxm",
)  # fmt: skip
# rows of a burnt-in data bar, which we cut off
DATA_BAR = {"FEI-Helios-Ebeam-16bits.tif", "FEI-Helios-navcam.tif",
            "FEI-Helios-navcam-with-no-IRBeam-bad-floats.tif"}  # fmt: skip
READABLE = sorted(
    name
    for name, entry in EXPECTED.items()
    if name not in REFUSED
    and name.partition("/")[0] not in (*SCANNING_PROBE, "h5_nsid")
    and any("mean" in image for image in entry["images"])
)

pytestmark = pytest.mark.skipif(not EXPECTED, reason="the shared data are not here")


@pytest.fixture
def _rosettasciio(request: pytest.FixtureRequest) -> None:
    if request.getfixturevalue("name").startswith(("dm3", "dm4")):
        pytest.importorskip("rsciio")


@pytest.mark.usefixtures("_rosettasciio")
@pytest.mark.parametrize("name", READABLE)
def test_a_vendor_file_reads_as_its_manifest_says(name: str) -> None:
    expected = [
        each
        for each in EXPECTED[name]["images"]
        if "mean" in each and len(each["shape"]) >= 2 and each["dtype"] != "complex64"
    ]
    found = read_channels(FOLDER / "vendor" / name)
    if name == "emd_ncem/Si100_3D.emd":
        # detector rings are channels, not the frames of a movie
        assert len(found) == expected[0]["shape"][0]
        ring = {"shape": expected[0]["shape"][1:], "mean": None, "name": found[0].channel}
        expected = [{**expected[0], **ring}]
        found = found[:1]
    assert len(found) == len(expected)
    for image, truth in zip(_in_order(found), _in_order(expected), strict=True):
        _compare(image, truth, name)


def _in_order(images: Any) -> list[Any]:
    """Sort by name: Velox files hold their images under random numbers."""
    return sorted(images, key=lambda i: i["name"] if isinstance(i, dict) else i.channel)


def _compare(image: Any, truth: dict[str, Any], name: str) -> None:
    height, width = truth["shape"][-2:]
    n_frames = int(np.prod(truth["shape"][:-2]))
    data = all_frames(image)
    assert image.n_frames == n_frames
    assert image.metadata["dtype"] == truth["dtype"]
    if truth["name"] not in ("", "__unnamed__"):
        assert image.channel == truth["name"]
    top_left, top_right = truth["first_plane_corners_TL_TR_BL_BR"][:2]
    if name.partition("/")[2] in DATA_BAR:
        assert data.shape[2] == width
        assert data.shape[1] < height
    else:
        assert data.shape == (n_frames, height, width)
        # float32 holds 24 bits; the manifest's numbers are of float64
        for key in ("mean", "min", "max") if truth["mean"] is not None else ():
            found = getattr(data.astype(float), key)()
            assert found == pytest.approx(truth[key], rel=1e-6), key
        assert np.isnan(data.astype(float)).sum() == truth["n_nan"]
        corners = data[0][[0, 0, -1, -1], [0, -1, 0, -1]]
        np.testing.assert_allclose(
            corners, truth["first_plane_corners_TL_TR_BL_BR"], rtol=1e-6, atol=0
        )
    np.testing.assert_allclose(data[0, 0, [0, -1]], [top_left, top_right], rtol=1e-6, atol=0)
    _compare_pixel_size(image, truth)


def _compare_pixel_size(image: Any, truth: dict[str, Any]) -> None:
    per_nm = truth.get("px_inv_nm")
    if per_nm is None and truth["units"][-1] in ("1 / nm", "1/nm"):
        per_nm = truth["scale"][-2:]
    if per_nm is not None:
        assert image.pixel_size_nm is None
        assert image.metadata["pixel_size_per_nm"] == pytest.approx(tuple(per_nm), rel=5e-3)
    elif not truth.get("px_nm"):
        assert image.pixel_size_nm is None
        assert image.metadata["calibration"] == "none"
    else:
        # the manifest allows 0.5 % for N or N - 1 pixels in the field of view
        assert image.pixel_size_nm == pytest.approx(tuple(truth["px_nm"]), rel=5e-3)
        assert image.metadata["calibration"] != "none"


@pytest.mark.parametrize("name", [n for n in sorted(REFUSED) if n in EXPECTED])
def test_what_is_no_image_is_refused_with_a_reason(name: str) -> None:
    if name.startswith(("dm4", "blo")):
        pytest.importorskip("rsciio")
    with pytest.raises(REFUSED[name]) as caught:
        read(FOLDER / "vendor" / name)
    assert caught.value.hint


STEM_FILES = sorted(
    path
    for path in (FOLDER / "stem").rglob("*.*")
    if path.suffix in {".tif", ".png", ".npy", ".hspy", ".hdf5", ".dm3"}
)


def test_every_stem_image_is_read() -> None:
    pytest.importorskip("rsciio")
    refused = set()
    for path in STEM_FILES:
        try:
            image = read(path)
        except LoadError as error:
            refused.add((path.name, type(error).__name__))
            continue
        assert min(image.shape) > 100, path.name
    assert refused == {("atom_positions1.npy", "NoImage")}  # a table of 465 positions

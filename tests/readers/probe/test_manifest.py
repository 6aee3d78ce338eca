"""Real scanning probe files, where they are at hand: every number of their manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scanseg.errors import LoadError, NoImage, Truncated, Unsupported
from scanseg.readers import read_channels

FOLDER = Path(os.environ.get("SCANSEG_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
MANIFEST = FOLDER / "vendor" / "expected.json"
EXPECTED = json.loads(MANIFEST.read_text("utf-8")) if MANIFEST.is_file() else {}

FORMATS = (
    "gsf", "gwy", "h5_nsid", "ibw", "jpk", "mdt", "mi", "nanonis", "nanoscope", "nid", "sur",
    "tiff_park", "topostats", "wsxm",
)  # fmt: skip
REFUSED: dict[str, type[LoadError]] = {
    "gwy/GwiddionReader_chip.gwy": Unsupported,  # Gwyddion 1
    "ibw/IgorIBWReader_ForceCurve.ibw": NoImage,
    "nanoscope/BrukerReader_ForceCurve_Sapphire_TAP525.001": NoImage,
    "nanoscope/di_corrupted.di": Truncated,
    "nanonis/NanonisReader_STS_grid_lockin.3ds": Unsupported,  # a spectrum at every position
    "mdt/test_mdt.mdt": Unsupported,  # no second reader to tell which way is up
    "sur/test_surface.sur": Unsupported,
}
NAMES = sorted(name for name in EXPECTED if name.partition("/")[0] in FORMATS)

pytestmark = pytest.mark.skipif(not EXPECTED, reason="the shared data are not here")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_scan_reads_as_its_manifest_says(name: str) -> None:
    found = read_channels(FOLDER / "vendor" / name)
    assert len({each.channel for each in found}) == len(found)
    taken = []
    if name.endswith(".h5-jpk"):
        _compare_movies(found, EXPECTED[name]["images"])
        return
    for truth in EXPECTED[name]["images"]:
        image = next(each for each in found if _is(each, truth) and each not in taken)
        taken.append(image)
        _compare(image, truth, name)


def _is(image: Any, truth: dict[str, Any]) -> bool:
    """Whether a channel is that of the manifest, by name, direction and line.

    The manifest writes "Trace Main" and "Retrace Interleave" for Nanoscope, "forward" for Nanonis,
    "Height (measured, retrace)" for JPK, "Default" for WSxM.
    """
    name, direction = truth["name"], truth.get("direction", "")
    if name == "Default":  # WSxM
        return True
    if name.startswith("Scan "):  # Nanosurf: "Scan forward (Z-Axis)"
        direction, name = name.removeprefix("Scan ").rstrip(")").split(" (")
    line = "nap" if "Interleave" in direction else "main"
    if name.endswith("retrace)"):
        name, direction = name.replace(", retrace)", ")").replace(" (retrace)", ""), "retrace"
    direction = {"forward": "trace", "backward": "retrace"}.get(direction, direction)
    facts = image.metadata
    return (
        facts["name"] == name
        and (not direction or direction.lower().startswith(facts["direction"] or "?"))
        and (not truth.get("direction") or facts["line"] == line)
    )


def _compare(image: Any, truth: dict[str, Any], name: str) -> None:
    data = image.frame(0).data
    assert data.shape == tuple(truth["shape"])
    assert image.metadata["dtype"] == np.dtype(truth["dtype"]).newbyteorder("=").name
    corners = truth["first_plane_corners_TL_TR_BL_BR"]
    if name.startswith("h5_nsid"):  # the manifest has the stored order, [x, y] with y upwards
        corners = [corners[1], corners[3], corners[0], corners[2]]
    found = data[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(found, corners, rtol=1e-6, atol=0)
    # float32 keeps 24 bits of what was computed in float64; a mean near 0 has its range for scale
    assert data.min() == pytest.approx(truth["min"], rel=1e-6)
    assert data.max() == pytest.approx(truth["max"], rel=1e-6)
    span = max(abs(truth["min"]), abs(truth["max"]))
    assert data.mean(dtype=float) == pytest.approx(truth["mean"], rel=1e-6, abs=1e-7 * span)
    if "value_unit" in truth:
        assert image.metadata["unit"] == truth["value_unit"]
    if truth["px_nm"]:
        # the manifest allows 0.5 % for N or N - 1 pixels in the field of view
        assert image.pixel_size_nm == pytest.approx(tuple(truth["px_nm"]), rel=5e-3)
    else:
        assert image.pixel_size_nm is None


def _compare_movies(found: Any, truths: Any) -> None:
    """Compare with the stored counts, (positions, frames): the values are a scale away."""
    for image, truth in zip(found, truths, strict=True):
        n_positions, n_frames = truth["shape"]
        assert (image.shape[0] * image.shape[1], image.n_frames) == (n_positions, n_frames)
        assert image.metadata["name"] == truth["name"]
        assert image.pixel_size_nm == pytest.approx(tuple(truth["px_nm"]), rel=5e-3)
        movie = np.stack([frame.data.astype(float) for frame in image.frames()])
        # first and last position, in the first and the last frame
        corners = [movie[0, -1, 0], movie[-1, -1, 0], movie[0, 0, -1], movie[-1, 0, -1]]
        counts = truth["first_plane_corners_TL_TR_BL_BR"]
        scale, offset = np.polyfit(counts, corners, 1)
        np.testing.assert_allclose(np.polyval([scale, offset], counts), corners, rtol=1e-5)
        ends = np.polyval([scale, offset], [truth["min"], truth["max"]])
        assert sorted(ends) == pytest.approx([movie.min(), movie.max()], rel=1e-4)
        span = abs(movie).max()
        assert movie.mean() == pytest.approx(scale * truth["mean"] + offset, abs=1e-5 * span)


@pytest.mark.parametrize("name", [name for name in NAMES if name in REFUSED])
def test_what_is_no_image_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(REFUSED[name]) as caught:
        read_channels(FOLDER / "vendor" / name)
    assert caught.value.format
    assert caught.value.hint


PFM = sorted(p for p in (FOLDER / "pfm").glob("*/*") if p.suffix in {".ibw", ".h5"})


@pytest.mark.parametrize("path", PFM, ids=lambda path: path.name)
def test_every_pfm_scan_has_amplitude_phase_and_topography(path: Path) -> None:
    if path.name.startswith("BEPS"):
        pytest.skip("spectra at every position")
    channels = read_channels(path)
    signals = {each.signal.value for each in channels}
    assert signals >= {"PFM_AMPLITUDE", "PFM_PHASE", "TOPOGRAPHY"}
    for each in channels:
        assert each.pixel_size_nm is not None
        assert 3 < each.pixel_size_nm[0] < 20
        if each.metadata["quantity"] == "phase":
            assert each.metadata["unit"] == "deg"

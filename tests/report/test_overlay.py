"""Overlays: marks where the atoms are, at every scale."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from scanseg.micrograph import Micrograph
from scanseg.report import draw_atoms

CLASSES = {"column": "#ffb000", "dopant": "#33d6ff"}


def _picture(shape, positions, *, spacing_px=None, classes=None, fit_ok=None, data=None, **options):
    rng = np.random.default_rng(2)
    atoms = pd.DataFrame(np.reshape(positions, (-1, 2)), columns=["y_px", "x_px"])
    atoms["class"] = classes if classes is not None else "column"
    atoms["fit_ok"] = True if fit_ok is None else fit_ok
    data = rng.poisson(50, shape).astype(np.uint16) if data is None else data
    image = Micrograph(data, **options)
    picture = draw_atoms(image, atoms, colours=CLASSES, spacing_px=spacing_px)
    return np.asarray(picture).astype(int)


def _coloured(picture):
    """Pixels that are not grey and lie in the image, (y, x)."""
    return np.argwhere(np.ptp(picture, axis=2) > 60)


@pytest.mark.parametrize("shape", [(60, 90), (512, 640), (2300, 1150)])
@pytest.mark.parametrize("spacing_px", [8, 40, None])
def test_a_mark_is_centred_on_its_atom(shape, spacing_px):
    position = np.array([0.62 * shape[0] + 0.3, 0.37 * shape[1] + 0.1])
    picture = _picture(shape, position, spacing_px=spacing_px)
    scale = picture.shape[1] / shape[1]
    image_rows = round(shape[0] * scale)
    drawn = _coloured(picture)
    drawn = drawn[drawn[:, 0] < image_rows]  # below is the legend
    centre = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
    # Half a pixel of the canvas on either side of a symmetric mark.
    np.testing.assert_allclose(centre, (position + 0.5) * scale - 0.5, atol=0.75)


def test_classes_and_flags_have_their_colours():
    positions = [(20, 30), (20, 90), (60, 60)]
    classes, fit_ok = ["column", "dopant", "column"], [True, True, False]
    picture = _picture((100, 120), positions, spacing_px=25, classes=classes, fit_ok=fit_ok)
    scale = picture.shape[1] / 120
    for (y, x), colour in zip(positions, ("#ffb000", "#33d6ff", "#ff3df2"), strict=True):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        top, left = int((y - 12) * scale), int((x - 12) * scale)
        near = picture[top : top + int(24 * scale), left : left + int(24 * scale)]
        # Within 40 of 255 a channel: lines are blended with what is below them.
        assert (np.abs(near - rgb).max(axis=2) < 40).any(), colour


def test_large_images_are_reduced_and_narrow_spacings_enlarged():
    large = np.zeros((4096, 3000), np.uint8)
    assert _picture(large.shape, [(5, 5)], data=large).shape[1] == 1500
    assert _picture((512, 400), [(5, 5)], spacing_px=6).shape[1] == 800
    assert _picture((512, 400), [(5, 5)], spacing_px=30).shape[1] == 400


def test_extreme_images_can_be_drawn():
    data = np.full((40, 70), np.nan, np.float32)
    data[:20] = np.arange(70)
    nan = _picture(data.shape, [(10.5, 20), (np.nan, np.nan)], data=data)
    assert np.ptp(nan[200], axis=1).max() > 20  # unmeasured rows are bluish, not grey
    _picture((16, 900), [])
    _picture((30, 40), [(0, 0), (29.4, 39.4), (-0.4, 5)], spacing_px=4)
    _picture((30, 40), [(3, 3)], data=np.full((30, 40), 7.0), pixel_size_nm=(2e-4, 2e-4))
    _picture((64, 64), [(3, 3)], pixel_size_nm=(1e4, 1e4), spacing_px=float("nan"))


def test_a_usual_image_is_drawn_in_a_moment():
    positions = np.mgrid[10:512:18, 10:512:18].reshape(2, -1).T
    _picture((512, 512), positions, spacing_px=18)  # imports and fonts
    started = time.process_time()
    for _ in range(5):
        _picture((512, 512), positions, spacing_px=18, pixel_size_nm=(0.02, 0.02))
    # 10 ms on a free core, and a factor of 10 for a busy one.
    assert (time.process_time() - started) / 5 < 0.1


def test_tables_in_parts_give_the_same_picture():
    rng = np.random.default_rng(9)
    atoms = pd.DataFrame(rng.uniform(5, 85, (60, 2)), columns=["y_px", "x_px"])
    atoms["class"] = pd.Categorical.from_codes(np.arange(60) % 2, categories=list(CLASSES))
    atoms["fit_ok"] = np.arange(60) % 7 > 0
    image = Micrograph(rng.poisson(50, (90, 100)).astype(np.uint16))
    # Of the first part no atom is a dopant.
    parts = [atoms[atoms["class"] == "column"], atoms[atoms["class"] == "dopant"]]
    pictures = [draw_atoms(image, each, colours=CLASSES) for each in (atoms, parts, iter(parts))]
    for picture in pictures[1:]:
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(pictures[0]))

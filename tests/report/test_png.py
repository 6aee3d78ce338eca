"""PNG files: others read the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from scanseg.report import write_png


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (640, 513)])
def test_pixels_come_back(tmp_path, shape):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    write_png(tmp_path / "picture.png", pixels)
    with Image.open(tmp_path / "picture.png") as picture:
        picture.verify()
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), pixels)

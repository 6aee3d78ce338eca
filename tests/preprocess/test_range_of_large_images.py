import numpy as np
import pytest

from scanseg.bundle import Normalisation
from scanseg.preprocess import measure_range


@pytest.mark.parametrize("spacing_px", [4, 8, 16, 12.3])
def test_no_lattice_hides_from_the_sample(spacing_px):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:1000, :1600]
    lattice = np.cos(2 * np.pi * y / spacing_px) + np.cos(2 * np.pi * x / spacing_px)
    image = (lattice + rng.normal(scale=0.3, size=y.shape)).astype(np.float32)
    found = measure_range(image, Normalisation())
    expected = np.percentile(image, (1, 99))
    # 65,536 pixels fix a 1 % quantile to 0.3 % of the range; this leaves four of those.
    assert (found.low, found.high) == pytest.approx(expected, abs=0.012 * np.ptp(expected))

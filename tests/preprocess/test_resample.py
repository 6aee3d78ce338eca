"""Windows of a resampled image: equal to the whole, and in the right place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanseg.bundle import Normalisation
from scanseg.preprocess import Grid, Window, measure_range, resample_window
from scanseg.simulate.imaging import render_columns

SHAPE = (67, 91)
IMAGE = np.random.default_rng(4).poisson(60, SHAPE).astype(np.float32)
INTENSITY = measure_range(IMAGE, Normalisation())


def whole(data, grid):
    intensity = measure_range(data, Normalisation())
    return resample_window(data, grid, Window(0, 0, *grid.shape), intensity)


def centroid(image):
    weight = image.astype(float) - np.median(image)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weight * y).sum(), (weight * x).sum()]) / weight.sum()


def test_the_own_grid_changes_nothing():
    grid = Grid(SHAPE, SHAPE)
    np.testing.assert_array_equal(whole(IMAGE, grid), IMAGE)
    part = resample_window(IMAGE, grid, Window(11, 7, 30, 40), INTENSITY)
    np.testing.assert_array_equal(part, IMAGE[11:41, 7:47])


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(20, 160),
    width=st.integers(20, 160),
    top=st.floats(0, 1),
    left=st.floats(0, 1),
    side=st.integers(1, 40),
)
def test_windows_equal_the_whole(height, width, top, left, side):
    grid = Grid(SHAPE, (height, width))
    start = int(top * (height - 1)), int(left * (width - 1))
    size = min(side, height - start[0]), min(side, width - start[1])
    part = resample_window(IMAGE, grid, Window(*start, *size), INTENSITY)
    expected = whole(IMAGE, grid)[start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    # The weights of the kernel are computed in another order: the last digits of 60 counts.
    np.testing.assert_allclose(part, expected, atol=2e-3)


@pytest.mark.parametrize("shape", [(140, 91), (67, 200), (45, 60), (30, 182), (150, 201)])
def test_positions_follow_the_grid(shape):
    truth = np.array([[33.2, 41.7]])
    spot = render_columns(SHAPE, truth, np.array([100.0]), 4.0, np.zeros(SHAPE[0]))
    grid = Grid(SHAPE, shape)
    found = centroid(whole(spot, grid))
    # The kernel is symmetric; a spot of four pixels is sampled well at every one of these steps.
    np.testing.assert_allclose(grid.to_image(found[None]), truth, atol=0.01)
    np.testing.assert_allclose(grid.to_grid(truth), found[None], atol=0.03)
    assert Grid.at_scale(SHAPE, grid.scale).shape == shape


def test_coarser_grids_average():
    grid = Grid(SHAPE, (SHAPE[0] // 4, SHAPE[1] // 4))
    coarse = whole(IMAGE, grid)
    assert coarse.mean() == pytest.approx(IMAGE.mean(), rel=0.01)
    # 16 pixels to one, by a kernel with lobes: the noise falls to about a quarter, not to one.
    assert coarse.std() < 0.45 * IMAGE.std()


def test_constants_stay():
    data = np.full(SHAPE, 5.0, np.float32)
    data[0, 0] = 6.0
    found = resample_window(
        data, Grid(SHAPE, (133, 50)), Window(30, 10, 40, 30), measure_range(data, Normalisation())
    )
    np.testing.assert_allclose(found, 5.0, rtol=1e-6)


def test_beyond_the_border_the_image_is_mirrored():
    grid = Grid(SHAPE, SHAPE)
    found = resample_window(IMAGE, grid, Window(-4, -3, 75, 100), INTENSITY)
    np.testing.assert_array_equal(found, np.pad(IMAGE, ((4, 4), (3, 6)), mode="symmetric"))
    with pytest.raises(ValueError, match="misses the grid"):
        resample_window(IMAGE, grid, Window(70, 0, 10, 10), INTENSITY)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_any_type_of_number_gives_the_same(dtype):
    grid = Grid(SHAPE, (101, 77))
    np.testing.assert_array_equal(whole(IMAGE.astype(dtype), grid), whole(IMAGE, grid))


def test_spikes_and_gaps_do_not_spread():
    data = IMAGE.copy()
    data[30, 40] = 1e6
    data[50, 20] = np.nan
    found = resample_window(data, Grid(SHAPE, (134, 182)), Window(0, 0, 134, 182), INTENSITY)
    assert np.isfinite(found).all()
    assert found.max() < 1.5 * IMAGE.max()

import numpy as np
import pytest

from scanseg.preprocess import Grid


def test_both_samplings_cover_the_same_area():
    grid = Grid((40, 60), (120, 90))
    assert grid.scale == (3.0, 1.5)
    corners = np.array([[-0.5, -0.5], [39.5, 59.5]])
    np.testing.assert_allclose(grid.to_grid(corners), [[-0.5, -0.5], [119.5, 89.5]])
    position = np.random.default_rng(0).uniform(-5, 60, (50, 2))
    np.testing.assert_allclose(grid.to_image(grid.to_grid(position)), position, atol=1e-12)
    # The first grid pixel is a third of the first image pixel, on its upper edge.
    np.testing.assert_allclose(grid.to_image([[0.0, 0.0]]), [[-1 / 3, -1 / 6]])


@pytest.mark.parametrize(
    ("scale", "shape"), [(2, (80, 122)), ((0.5, 2.0), (20, 122)), (1e-3, (1, 1))]
)
def test_grids_at_a_scale(scale, shape):
    assert Grid.at_scale((40, 61), scale).shape == shape

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scanseg.inference.tiles import plan_spans, plan_tiles
from scanseg.preprocess import Grid


@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(1, 3000),
    tile_px=st.integers(1, 700),
    halo_px=st.integers(0, 120),
    multiple_px=st.sampled_from([1, 4, 16, 32]),
)
def test_spans_cover_the_axis_once_with_a_halo_inside_every_cut(
    size, tile_px, halo_px, multiple_px
):
    spans = plan_spans(size, tile_px=tile_px, halo_px=halo_px, multiple_px=multiple_px)
    assert spans[0].first == 0
    assert spans[-1].stop == size
    assert len({span.length for span in spans}) == 1
    for span in spans:
        assert span.start % multiple_px == 0
        assert span.length % multiple_px == 0
        assert span.first < span.stop
    for earlier, later in pairwise(spans):
        assert earlier.stop == later.first
        # A halo rounded down: the cut lies on a pixel.
        assert earlier.start + earlier.length - earlier.stop >= halo_px
        assert later.first - later.start >= halo_px
    # Longer than asked only where the halos leave no room.
    longest = max(tile_px, 2 * halo_px + 2 * multiple_px)
    assert spans[0].length <= longest


def test_a_small_image_is_one_tile():
    (span,) = plan_spans(500, tile_px=512, halo_px=100, multiple_px=16)
    assert (span.start, span.length, span.first, span.stop) == (0, 512, 0, 500)


def test_tiles_cover_a_grid_once():
    grid = Grid((90, 333), (90, 333))
    covered = np.zeros(grid.shape, int)
    for tile in plan_tiles(grid, tile_px=64, halo_px=8, multiple_px=4):
        covered[tile.kept_of_grid] += 1
        kept = np.zeros((tile.window.height, tile.window.width))[tile.kept_of_tile]
        assert kept.shape == covered[tile.kept_of_grid].shape
    assert (covered == 1).all()

"""Damaged files: whatever happens inside a library, a LoadError comes out, and soon."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from damaged import WRITERS, damaged

from scanseg.errors import LoadError
from scanseg.readers import read_channels

N_VARIANTS = 40


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # RosettaSciIO leaves what fails open
@pytest.mark.parametrize("name", WRITERS)
def test_nothing_but_a_load_error_comes_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    contents = path.read_bytes()
    (*_, image) = read_channels(path)
    np.testing.assert_array_equal(image.shape, (37, 23))
    rng = np.random.default_rng(20261122)
    n_refused = 0
    for variant in range(N_VARIANTS):
        path.write_bytes(damaged(contents, variant, rng))
        try:
            for channel in read_channels(path):
                for frame in channel.frames():
                    assert frame.shape == channel.shape
        except LoadError:
            n_refused += 1
    # a quarter of the variants are cut; half of those lose more than a trailer
    assert n_refused >= N_VARIANTS // 8
    gc.collect()

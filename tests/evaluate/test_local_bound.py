"""The bound of each column, against that of the whole scene, and against a fit that reaches it."""

import numpy as np
import pandas as pd
import pytest

from scanseg.evaluate import column_bounds_px, cramer_rao_bound_px, score_columns

SIGMA, PEAK, BACKGROUND = 2.0, 300.0, 30.0


def _lattice(rows=5, columns=7, spacing=8.0):
    y, x = np.mgrid[:rows, :columns].reshape(2, -1) * spacing + 12.0
    return np.stack([y, x], 1), (int(rows * spacing + 24), int(columns * spacing + 24))


def _table(position, *, gain=1.0, amplitude=PEAK, background=BACKGROUND):
    return pd.DataFrame(
        {
            "y_px": position[:, 0], "x_px": position[:, 1], "amplitude": amplitude / gain,
            "sigma_px": SIGMA, "background": background / gain,
        }
    )  # fmt: skip


def test_windows_give_the_bound_of_the_whole_scene():
    position, shape = _lattice()
    whole = cramer_rao_bound_px(
        position, amplitude=PEAK, sigma_px=SIGMA, background=BACKGROUND, shape=shape,
        known=("width",),
    )  # fmt: skip
    index = np.arange(len(position))
    local = column_bounds_px(_table(position), index, counts_per_unit=1.0, shape=shape)
    # Neighbours are four widths away; the second ones are left out.
    np.testing.assert_allclose(local, whole, rtol=0.03)


def test_the_dose_sets_the_bound():
    position, shape = _lattice(2, 3)
    index = np.arange(6)
    one = column_bounds_px(_table(position), index, counts_per_unit=1.0, shape=shape)
    scaled = column_bounds_px(_table(position, gain=50), index, counts_per_unit=50.0, shape=shape)
    np.testing.assert_allclose(scaled, one)
    four = column_bounds_px(_table(position), index, counts_per_unit=4.0, shape=shape)
    np.testing.assert_allclose(four, one / 2)


def test_dark_columns_have_a_bound_and_impossible_ones_none():
    position, shape = _lattice(2, 3)
    table = _table(position, amplitude=-200.0, background=300.0)
    table.loc[0, "background"] = 10.0  # less than the column takes away
    table.loc[1, "amplitude"] = np.nan
    bound = column_bounds_px(table, np.arange(6), counts_per_unit=1.0, shape=shape)
    assert np.isnan(bound[:2]).all()
    assert (bound[2:] > 0.01).all()


def test_offsets_as_large_as_the_bound_have_a_ratio_of_one():
    rng = np.random.default_rng(5)
    position, shape = _lattice(12, 17, spacing=16.0)
    single = cramer_rao_bound_px(
        [(15.0, 15.0)], amplitude=PEAK, sigma_px=SIGMA, background=BACKGROUND, shape=(31, 31),
        known=("width",),
    )[0, 0]  # fmt: skip
    found = _table(position + rng.normal(0, single, position.shape))
    truth = pd.DataFrame(position, columns=["y_px", "x_px"])
    score = score_columns(found, truth, shape=shape, counts_per_unit=1.0)
    # 408 coordinates fix the ratio to 3.5 %.
    assert score.n_bounded == 408
    assert score.rms_over_bound == pytest.approx(1, abs=0.1)
    twice = score_columns(found, truth, shape=shape, counts_per_unit=4.0)
    assert twice.rms_over_bound == pytest.approx(2 * score.rms_over_bound, rel=1e-6)
    assert np.isnan(score_columns(found, truth, shape=shape).rms_over_bound)

"""Intervals over images, against the standard error that is known."""

import numpy as np
import pytest

from scanseg.evaluate import bootstrap_intervals


def _mean(values):
    return {"mean": float(np.mean(values))}


def test_the_interval_of_a_mean_is_two_standard_errors_either_way():
    values = list(np.random.default_rng(2).normal(5, 2, 400))
    (interval,) = bootstrap_intervals(values, _mean, rng=np.random.default_rng(1)).values()
    error = np.std(values) / np.sqrt(400)
    # 1,000 resamples fix a percentile to 5 % of its distance from the middle.
    assert interval.high - np.mean(values) == pytest.approx(1.96 * error, rel=0.15)
    assert np.mean(values) - interval.low == pytest.approx(1.96 * error, rel=0.15)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(120):
        values = list(rng.normal(0, 1, 30))
        interval = bootstrap_intervals(values, _mean, rng=rng, n_resamples=200)["mean"]
        held += interval.low <= 0 <= interval.high
    # 95 % of 120 are 114, within 5 (two standard errors); 30 images make it a little less.
    assert 104 <= held <= 120


def test_two_images_have_no_interval_and_unknown_figures_none():
    rng = np.random.default_rng(0)
    assert bootstrap_intervals([1.0, 2.0], _mean, rng=rng) == {}
    nothing = bootstrap_intervals([1.0] * 5, lambda _: {"f": float("nan")}, rng=rng)
    assert nothing == {}

"""Scores, thresholds and calibration of probability maps whose quality is known."""

import numpy as np
import pytest

from scanseg.train.atom_patches import AtomPatch
from scanseg.train.atom_score import score_detection
from scanseg.train.calibration import best_threshold, fit_temperature, reliability
from scanseg.train.labels import IGNORED

SHAPE = (96, 120)


def grid_positions():
    return np.mgrid[12:90:12, 12:114:12].reshape(2, -1).T.astype(float)


def bumps(position, heights):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bump = np.zeros(SHAPE)
    for (cy, cx), height in zip(position, heights, strict=True):
        bump = np.maximum(bump, height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18))
    return bump.astype(np.float32)


def patch_of(position, *, visible=None, snr=20.0, class_map=None):
    return AtomPatch(
        image=np.zeros((1, *SHAPE), np.float32),
        class_map=np.zeros(SHAPE, np.uint8) if class_map is None else class_map,
        position_px=position,
        visible=np.ones(len(position), bool) if visible is None else visible,
        spacing_px=12.0,
        snr=snr,
    )


def test_scores_by_hand():
    truth = grid_positions()
    n = len(truth)
    # 40 columns of which 4 are missed, and 6 finds where none is.
    extra = truth[:6] + 6.0
    seen = np.concatenate([truth[4:] + np.array([0.0, 0.5]), extra])
    score = score_detection([patch_of(truth)], [bumps(seen, np.ones(len(seen)))], threshold=0.5)
    assert score.precision == pytest.approx((n - 4) / (n + 2))
    assert score.recall == pytest.approx((n - 4) / n)
    assert score.f1 == pytest.approx(2 * (n - 4) / (2 * n + 2))
    # Half a pixel along one of two axes; neighbouring bumps pull a little.
    assert score.rms_px == pytest.approx(0.5 / np.sqrt(2), abs=0.03)


def test_hidden_columns_count_neither_way():
    truth = grid_positions()
    visible = np.arange(len(truth)) % 3 > 0
    for seen in (truth, truth[visible]):
        score = score_detection(
            [patch_of(truth, visible=visible)], [bumps(seen, np.ones(len(seen)))], threshold=0.5
        )
        assert (score.precision, score.recall, score.f1) == (1, 1, 1)


def test_clear_patches_are_scored_apart():
    truth = grid_positions()
    patches = [patch_of(truth, snr=20.0), patch_of(truth, snr=2.0)]
    found = [bumps(truth, np.ones(len(truth))), np.zeros(SHAPE, np.float32)]
    score = score_detection(patches, found, threshold=0.5)
    assert score.f1_clear == 1
    assert score.f1 == pytest.approx(2 / 3)


def test_empty_patches():
    empty = patch_of(np.empty((0, 2)))
    score = score_detection([empty], [np.zeros(SHAPE, np.float32)], threshold=0.5)
    assert score.f1 == 0
    assert np.isfinite(score.rms_px)


def test_the_threshold_parts_columns_from_the_rest():
    truth = grid_positions()
    wrong = truth[::2] + 6.0
    heights = np.r_[np.full(len(truth), 0.75), np.full(len(wrong), 0.45)]
    map_ = bumps(np.concatenate([truth, wrong]), heights)
    patch = patch_of(truth)
    found = best_threshold(lambda at: score_detection([patch], [map_], threshold=at).f1)
    # Smoothing by a pixel lowers a top of width 3 by a tenth: 0.41 and 0.68.
    assert 0.40 < found < 0.68


def test_the_temperature_is_found():
    rng = np.random.default_rng(2)
    margin = rng.normal(0, 2, (3, *SHAPE))
    class_maps = (rng.uniform(size=margin.shape) < 1 / (1 + np.exp(-margin))).astype(np.uint8)
    class_maps[:, :10] = IGNORED
    logits = [np.stack([-1.6 * m / 2, 1.6 * m / 2]).astype(np.float32) for m in margin]
    patches = [patch_of(np.empty((0, 2)), class_map=class_map) for class_map in class_maps]
    # 31,000 pixels of 0.2 nats information each fix it to about 1 %.
    assert fit_temperature(patches, logits) == pytest.approx(1.6, rel=0.05)
    probability = [1 / (1 + np.exp(-m))[None] for m in margin]
    for stated, frequency, share in reliability(patches, probability):
        # Binomial, four standard deviations of the smallest bin.
        assert frequency == pytest.approx(stated, abs=4 * np.sqrt(0.25 / (share * 30_960)))


def test_the_temperature_of_an_ensemble_is_that_of_the_mean():
    rng = np.random.default_rng(2)
    margin = rng.normal(0, 2, SHAPE)
    patch = patch_of(
        np.empty((0, 2)),
        class_map=(rng.uniform(size=SHAPE) < 1 / (1 + np.exp(-margin))).astype(np.uint8),
    )
    alone = np.stack([-1.6 * margin / 2, 1.6 * margin / 2]).astype(np.float32)
    # Members that agree are one network.
    twice = np.concatenate([alone, alone])
    expected = fit_temperature([patch], [alone])
    assert fit_temperature([patch], [twice], n_members=2) == pytest.approx(expected, rel=1e-4)
    # A member that knows nothing halves what the mean is sure of: the other must be surer.
    half = np.concatenate([alone, np.zeros_like(alone)])
    assert fit_temperature([patch], [half], n_members=2) < 0.8 * expected

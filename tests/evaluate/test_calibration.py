import numpy as np
import pytest

from scanseg.evaluate import measure_calibration


def test_frequencies_that_are_stated_are_calibrated():
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=(300, 400)).astype(np.float32)
    truth = rng.uniform(size=probability.shape) < probability
    result = measure_calibration(probability, truth)
    # 8,000 pixels a bin fix a frequency to 0.6 %.
    assert result.expected_error < 0.01
    assert result.brier == pytest.approx(1 / 6, abs=0.003)  # the mean of p (1 - p)
    assert len(result.reliability) == 15


def test_being_too_sure_costs():
    rng = np.random.default_rng(1)
    probability = np.full((200, 300), 0.9, np.float32)
    truth = rng.uniform(size=probability.shape) < 0.6
    result = measure_calibration(probability, truth)
    assert result.expected_error == pytest.approx(0.3, abs=0.01)
    assert result.brier == pytest.approx(0.09 + 0.24, abs=0.01)  # bias squared, and 0.6 x 0.4


def test_images_add_and_pixels_can_be_left_out():
    probability = np.full((10, 20), 0.5, np.float32)
    truth = np.zeros((10, 20), bool)
    truth[:5] = True
    ignored = truth.copy()
    total = measure_calibration(probability, truth) + measure_calibration(
        probability, truth, ignored=ignored
    )
    assert total.n_pixels.sum() == 300
    assert total.expected_error == pytest.approx(abs(0.5 - 100 / 300))
    assert total.brier == pytest.approx(0.25)

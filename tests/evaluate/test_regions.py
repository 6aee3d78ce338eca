import numpy as np
import pytest
from skimage.metrics import adapted_rand_error as reference

from scanseg.evaluate import adapted_rand_error, polarity_agreement, regions_of


def test_regions_do_not_leak_over_corners():
    diagonal = np.eye(20, 30, dtype=bool)
    diagonal[19, 19:] = True
    labels = regions_of(diagonal)
    assert labels[diagonal].max() == 0
    assert labels.max() == 2


def test_the_rand_error_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    for _ in range(5):
        found, truth = rng.integers(0, 5, (2, 40, 50)).astype(np.int32)
        found[truth == 0] = 0
        # scikit-image leaves out what is 0 in the truth alone, and counts 0 of the found as one
        # more domain; with none of these the two agree.
        found[(found == 0) & (truth > 0)] = 1
        expected = reference(truth, found, ignore_labels=(0,))[0]
        assert adapted_rand_error(found, truth) == pytest.approx(expected, abs=2e-3)


def test_a_missing_wall_merges_two_domains():
    truth = np.ones((20, 40), np.int32)
    truth[:, 20:] = 2
    assert adapted_rand_error(truth, truth) == 0
    # All pairs together, half of which belong together: precision 1/2, recall 1.
    assert adapted_rand_error(np.ones_like(truth), truth) == pytest.approx(1 / 3, abs=1e-3)


def test_polarity_is_known_up_to_its_sign():
    truth = np.ones((10, 20), np.int8)
    truth[:, 5:] = -1
    found = -truth
    found[0] *= -1
    assert polarity_agreement(found, truth) == pytest.approx(0.9)
    assert np.isnan(polarity_agreement(np.zeros_like(truth), truth))

"""Which fits are trusted, and which leave a column where the network saw it."""

import numpy as np

from scanseg.atoms import Refinement, refine_columns
from scanseg.simulate.imaging import render_columns

SPACING_PX = 10.0
NETWORK_ERROR_PX = 0.6


def noisy_lattice(peak):
    """Columns so wide that they overlap, on a background; (image, truth, where a network is)."""
    rng = np.random.default_rng(8)
    shape = (93, 124)
    truth = np.mgrid[9:86:SPACING_PX, 8:118:SPACING_PX].reshape(2, -1).T
    truth = truth + rng.uniform(-0.5, 0.5, truth.shape)
    mean = 1 + render_columns(shape, truth, np.full(len(truth), peak), 3.0, np.zeros(shape[0]))
    start = truth + rng.normal(0, NETWORK_ERROR_PX, truth.shape)
    return rng.poisson(mean).astype(float), truth, start


def test_a_column_is_left_where_the_network_saw_it_if_the_fit_knows_it_worse():
    image, truth, start = noisy_lattice(peak=1.5)
    loose = refine_columns(image, start, spacing_px=SPACING_PX, config=Refinement(max_error=0.35))
    kept = refine_columns(image, start, spacing_px=SPACING_PX)
    uncertain = loose.position_err_px.max(axis=1) > 0.08 * SPACING_PX
    assert uncertain.sum() > 20
    assert not kept.fit_ok[uncertain].any()
    np.testing.assert_array_equal(kept.position_px[uncertain], start[uncertain])
    certain = loose.fit_ok & ~uncertain
    np.testing.assert_array_equal(kept.position_px[certain], loose.position_px[certain])
    offset = np.abs(loose.position_px - truth)[uncertain]
    assert np.sqrt((offset**2).mean()) > NETWORK_ERROR_PX


def test_no_column_of_usual_dose_is_left_where_it_was():
    image, _, start = noisy_lattice(peak=15.0)
    columns = refine_columns(image, start, spacing_px=SPACING_PX)
    assert columns.fit_ok.all()
    assert columns.position_err_px.max() < 0.04 * SPACING_PX

"""The bound against its closed form, and against what overlap is known to cost."""

import numpy as np
import pytest

from scanseg.evaluate import cramer_rao_bound_px, isolated_bound_px

SHAPE = (41, 37)
CENTRE = [(20.3, 17.8)]


@pytest.mark.parametrize("peak", [30.0, 3000.0])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_bound_agrees_with_the_closed_form(peak, share):
    bound = cramer_rao_bound_px(
        CENTRE, amplitude=peak, sigma_px=2.0, background=share * peak, shape=SHAPE
    )
    formula = isolated_bound_px(2 * np.pi * 4 * peak, sigma_px=2.0, background=share * peak)
    # The closed form is an interpolation good to 1-2 % (checked by its authors numerically).
    assert bound == pytest.approx(np.full((1, 2), formula), rel=0.02)


def test_bound_without_background_is_width_over_root_counts():
    counts = 2 * np.pi * 4 * 100
    bound = cramer_rao_bound_px(
        CENTRE, amplitude=100, sigma_px=2.0, background=1e-9, shape=SHAPE, known=("background",)
    )
    # F = N / s² exactly, up to the sampling of the sum: better than 1e-3 at s = 2 px.
    assert bound == pytest.approx(np.full((1, 2), 2 / np.sqrt(counts)), rel=1e-3)


def test_amplitude_width_and_background_do_not_move_a_symmetric_column():
    centre = [(20.0, 18.0)]
    settings = {"amplitude": 50, "sigma_px": 2.0, "background": 5.0, "shape": SHAPE}
    free = cramer_rao_bound_px(centre, **settings)
    fixed = cramer_rao_bound_px(centre, known=("amplitude", "width", "background"), **settings)
    # Positions are odd, the others even: their information does not mix. Rounding only.
    assert free == pytest.approx(fixed, rel=1e-9)


def test_more_unknowns_never_help():
    pair = [(20.0, 15.0), (20.0, 21.0)]
    settings = {"amplitude": (50, 20), "sigma_px": 2.0, "background": 5.0, "shape": SHAPE}
    free = cramer_rao_bound_px(pair, **settings)
    fixed = cramer_rao_bound_px(pair, known=("amplitude", "width", "background"), **settings)
    assert (free >= fixed * (1 - 1e-9)).all()
    assert free[0, 1] > fixed[0, 1] * 1.01  # along the pair it costs


@pytest.mark.parametrize(("ratio", "penalty"), [(3.0, 1.76), (4.0, 1.10), (5.0, 1.00)])
def test_overlap_in_a_square_lattice_costs_what_it_should(ratio, penalty):
    sigma = 2.0
    grid = np.stack(np.meshgrid(*[np.arange(5)] * 2, indexing="ij"), -1).reshape(-1, 2)
    positions = 12 + ratio * sigma * grid
    side = int(24 + 4 * ratio * sigma) + 1
    bound = cramer_rao_bound_px(
        positions, amplitude=100, sigma_px=sigma, background=10, shape=(side, side + 3)
    )[12].mean()
    alone = isolated_bound_px(2 * np.pi * sigma**2 * 100, sigma_px=sigma, background=10)
    # Published to two decimals against the closed form; a 5x5 patch stands for the lattice, which
    # leaves 0.01 at 3 sigma (7x7: 1.80 instead of 1.79 times the numerical bound).
    assert bound / alone == pytest.approx(penalty, abs=0.02)


def test_read_noise_costs_precision():
    settings = {"amplitude": 50, "sigma_px": 2.0, "background": 5.0, "shape": SHAPE}
    quiet = cramer_rao_bound_px(CENTRE, **settings)
    # Variance 30 on top of 5 to 55 counts: somewhere between unchanged and sqrt(35 / 5).
    ratio = cramer_rao_bound_px(CENTRE, read_variance=30, **settings) / quiet
    assert ((ratio > 1.1) & (ratio < 2.7)).all()

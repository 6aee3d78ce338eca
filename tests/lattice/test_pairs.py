"""Pair distributions of points whose distribution is known."""

import numpy as np
import pandas as pd
import pytest

from scanseg.errors import ScansegError
from scanseg.lattice import pair_distribution


def test_random_points_have_g_of_one_up_to_the_border(rng):
    shape = (140, 310)
    place = rng.uniform(-0.5, np.array(shape) - 0.5, (1300, 2))
    atoms = pd.DataFrame(place, columns=["y_px", "x_px"])
    pairs = pair_distribution(atoms, shape=shape, longest_px=100, step_px=2)
    # From 12 px on a bin holds 1,000 pairs and more: 3 % each, and density varies by chance.
    # Without the correction g would be 0.6 at the far end.
    assert (pairs.loc[pairs["r_px"] > 12, "g"] - 1).abs().max() < 0.12
    assert pairs["g"].tail(20).mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("name", "shells"),
    [("square", [4, 8]), ("triangular", [6, 12]), ("honeycomb", [3, 9])],
)
def test_shells_hold_their_neighbours(rng, crystals, draw_crystal, name, shells):
    shape = (330, 291)
    drawn = draw_crystal(rng, *crystals[name][:2], noise=0.3)
    pairs = pair_distribution(drawn.atoms, shape=shape, longest_px=60)
    second = 14 * (np.sqrt(2) if name == "square" else np.sqrt(3))
    third = 28.0
    for expected, limit in zip(shells, (0.5 * (14 + second), 0.5 * (second + third)), strict=True):
        within = pairs.loc[pairs["r_px"] < limit, "neighbours"].iloc[-1]
        # The number of columns in the image varies by a row in twenty.
        assert within == pytest.approx(expected, rel=0.06)
    first = pairs[pairs["r_px"] < 18]
    peak = first.loc[first["g"].idxmax(), "r_px"]
    assert peak == pytest.approx(14, abs=0.5)


def test_partial_functions_and_calibration(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["perovskite A, B"]
    drawn = draw_crystal(
        rng, vectors, sites, amplitude=amplitude, noise=0.3, pixel_size_nm=(0.014, 0.014)
    )
    named = drawn.atoms.assign(site=np.where(drawn.index[:, 2] == 0, "A", "B"))
    pairs = pair_distribution(named, by="site", longest_px=50)
    assert pairs["pair"].unique().tolist() == ["all", "A-A", "A-B", "B-B"]
    assert pairs["r_nm"].to_numpy() == pytest.approx(0.014 * pairs["r_px"])
    for pair, first in (("A-A", 14 * np.sqrt(2)), ("A-B", 14.0), ("B-B", 14 * np.sqrt(2))):
        own = pairs[pairs["pair"] == pair]
        assert own.loc[own["g"] > 1, "r_px"].iloc[0] == pytest.approx(first, abs=1.2), pair
        limit = 0.5 * (first + (14 * np.sqrt(5) if pair == "A-B" else 28.0))
        assert own.loc[own["r_px"] < limit, "neighbours"].iloc[-1] == pytest.approx(4, rel=0.1)


def test_one_atom_has_no_distance():
    with pytest.raises(ScansegError, match="Fewer than two atoms"):
        pair_distribution(pd.DataFrame({"y_px": [1.0], "x_px": [2.0]}))

"""Classes by brightness, against what was drawn; a network with errors is stood in for."""

import numpy as np
import pandas as pd
import pytest

from scanseg.atoms import refine_columns
from scanseg.lattice import class_by_intensity, count_agreeing
from scanseg.simulate.imaging import render_columns

NAMES = ["heavy", "light"]
SHAPE = (250, 305)
SIGMA_PX = 2.9


@pytest.fixture
def measured(rng, draw_crystal):
    """Refined columns of an image of a crystal, named with errors, and their true classes."""

    def measure(crystal, *, counts=3000, wrong=0.08, wedge=0.0, dark=False, n_dopants=0, alloy=0.0):
        vectors, sites, amplitude = crystal
        drawn = draw_crystal(
            rng, vectors, sites, amplitude=amplitude, spread=0.03, shape=SHAPE, noise=0.05
        )
        place = drawn.atoms[["y_px", "x_px"]].to_numpy()
        light = drawn.atoms["amplitude"].to_numpy() / 100
        truth = np.minimum(drawn.index[:, 2], 1)
        if n_dopants:
            truth = np.ones(len(place), int)
            truth[rng.choice(len(place), n_dopants, replace=False)] = 0
            light[truth == 0] *= 3
        light[(truth == 0) & (rng.uniform(size=len(place)) < alloy)] *= 0.6
        peak = counts / (2 * np.pi * SIGMA_PX**2)
        signal = peak * light * np.exp(wedge * (place[:, 1] / SHAPE[1] - 0.5))
        clear = 1.5 * peak * (-1 if dark else 1)
        image = render_columns(SHAPE, place, signal * np.sign(clear), SIGMA_PX, np.zeros(SHAPE[0]))
        counted = rng.poisson(image + (1.6 * peak if dark else 0.2 * peak))
        named = np.where(rng.uniform(size=len(place)) < wrong, 1 - truth, truth)
        found = refine_columns(
            counted.astype(float), place + rng.uniform(-0.4, 0.4, place.shape),
            class_index=named, spacing_px=14,
        )  # fmt: skip
        atoms = pd.DataFrame(
            {
                "y_px": found.position_px[:, 0], "x_px": found.position_px[:, 1],
                "class": pd.Categorical.from_codes(named, NAMES),
                "amplitude": found.amplitude, "fit_ok": found.fit_ok,
            }
        )  # fmt: skip
        return atoms, truth

    return measure


def right(atoms, truth):
    """Part of the columns with a class by brightness whose class is the true one."""
    code = atoms["intensity_class"].cat.codes.to_numpy()
    return float((code == truth)[code >= 0].mean())


@pytest.mark.parametrize("name", ["MX2", "perovskite A, B", "perovskite A, B, O"])
@pytest.mark.parametrize("wedge", [0.0, 1.2])
def test_brightness_mends_what_the_network_mistakes(measured, crystals, name, wedge):
    atoms, truth = measured(crystals[name], wedge=wedge)
    found = class_by_intensity(atoms)
    # Groups are at least ten of their widths apart, behind a wedge of 1 to 3.3 as well.
    assert right(found, truth) == 1
    # Columns that the border cuts may be off by more.
    assert found["intensity_class"].notna().mean() > 0.99
    assert found["intensity_probability"].median() > 0.999
    mistaken = (found["class"].cat.codes != truth).sum()
    assert mistaken > 10
    told = found["intensity_class"].notna()
    assert count_agreeing(found) == (told.sum() - mistaken, told.sum())


def test_probabilities_are_right_where_groups_overlap(measured, crystals):
    vectors, sites, _ = crystals["perovskite A, B"]
    atoms, truth = measured((vectors, sites, [1, 0.75]), counts=700)
    found = class_by_intensity(atoms)
    told = found["intensity_class"].notna()
    share = right(found, truth)
    assert 0.9 < share < 0.995
    # 400 columns fix a share of 0.96 to 0.01; three of those.
    assert found.loc[told, "intensity_probability"].mean() == pytest.approx(share, abs=0.03)


def test_columns_that_are_dark(measured, crystals):
    atoms, truth = measured(crystals["perovskite A, B"], dark=True)
    assert (atoms["amplitude"] < 0).mean() > 0.99
    assert right(class_by_intensity(atoms), truth) == 1


def test_an_alloy_keeps_its_class(measured, crystals):
    """Columns of 0.6 lie nearer to the light ones, 0.4, and belong to the heavy ones."""
    atoms, truth = measured(crystals["MX2"], alloy=0.3)
    assert right(class_by_intensity(atoms), truth) > 0.99


@pytest.mark.parametrize("n_dopants", [1, 4])
def test_a_dopant_that_the_network_names(measured, crystals, n_dopants):
    atoms, truth = measured(crystals["honeycomb"], wrong=0.0, n_dopants=n_dopants)
    found = class_by_intensity(atoms)
    assert right(found, truth) == 1
    assert (found["intensity_class"] == "heavy").sum() == n_dopants


def test_dopants_that_the_network_misses_are_told(measured, crystals):
    atoms, truth = measured(crystals["honeycomb"], wrong=0.0, n_dopants=8)
    codes = truth.copy()
    codes[np.flatnonzero(truth == 0)[:5]] = 1
    found = class_by_intensity(atoms.assign(**{"class": pd.Categorical.from_codes(codes, NAMES)}))
    assert right(found, truth) == 1
    n_agreeing, n_told = count_agreeing(found)
    assert n_told - n_agreeing == 5


def test_what_fits_no_group_or_was_not_fitted_has_no_class(measured, crystals):
    atoms, _ = measured(crystals["MX2"])
    atoms.loc[30, "amplitude"] *= 4
    atoms.loc[[40, 41], "fit_ok"] = False
    found = class_by_intensity(atoms)
    assert found.loc[[30, 40, 41], "intensity_class"].isna().all()
    assert found.loc[30, "intensity_probability"] < 0.01
    assert found.loc[[40, 41], "intensity_probability"].isna().all()
    # Columns that the border cuts may be off as well.
    assert found["intensity_class"].isna().sum() < 3 + 0.01 * len(atoms)


def test_a_network_that_sees_classes_where_there_are_none(measured, crystals):
    """Every column is as bright as the others: brightness knows one class."""
    atoms, _ = measured(crystals["honeycomb"], wrong=0.0)
    codes = (np.arange(len(atoms)) % 25 != 0).astype(int)
    found = class_by_intensity(atoms.assign(**{"class": pd.Categorical.from_codes(codes, NAMES)}))
    assert found["intensity_class"].value_counts()["light"] > 0.98 * len(atoms)


@pytest.mark.parametrize("count", [0, 5])
def test_too_few_columns(count):
    atoms = pd.DataFrame(
        {
            "y_px": np.arange(count) * 9.0, "x_px": np.arange(count) * 5.0, "amplitude": 1.0,
            "class": pd.Categorical.from_codes(np.zeros(count, int), NAMES),
        }
    )  # fmt: skip
    found = class_by_intensity(atoms)
    assert found["intensity_class"].isna().all()
    assert list(found["intensity_class"].cat.categories) == NAMES
    assert count_agreeing(found) == (0, 0)

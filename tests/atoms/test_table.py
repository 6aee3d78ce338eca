"""The table of columns: its columns, its units, its truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scanseg.atoms import find_atoms
from scanseg.bundle import Model, ModelClass, ModelContract, Sampling
from scanseg.inference import Prediction
from scanseg.inference.sampling import Spacing
from scanseg.micrograph import Micrograph
from scanseg.preprocess import Grid
from scanseg.simulate.imaging import render_columns

SHAPE = (110, 150)
SPACING_PX = 14.0
COLUMNS = [
    "atom", "y_px", "x_px", "y_nm", "x_nm", "class", "probability", "y_err_px", "x_err_px",
    "amplitude", "sigma_px", "background", "at_edge", "fit_ok",
    "intensity_class", "intensity_probability",  # the model has two classes
]  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(2)
    position = np.mgrid[8:104:SPACING_PX, 9:144:SPACING_PX].reshape(2, -1).T
    return position + rng.uniform(-1, 1, position.shape)


def predicted(truth, *, pixel_size_nm=None, spacing=None, grid_shape=SHAPE, n_hidden=0, ridges=0):
    """An image of columns of 400 counts, and a map that places them to half a pixel."""
    rng = np.random.default_rng(5)
    n = len(truth)
    peak = np.full(n, 400.0)
    peak[:n_hidden] = 0.0
    image = rng.poisson(30 + render_columns(SHAPE, truth, peak, 2.6, np.zeros(SHAPE[0])))
    grid = Grid(SHAPE, grid_shape)
    seen = grid.to_grid(truth + rng.uniform(-0.4, 0.4, truth.shape))
    if ridges:  # the last columns are outside: the network puts them on the last pixels
        seen[-ridges:] = seen[-ridges:].clip(0, np.array(grid_shape) - 1)
    y, x = np.mgrid[: grid_shape[0], : grid_shape[1]]
    maps = np.zeros((2, *grid_shape))
    for index, (cy, cx) in enumerate(seen):
        maps[index % 2] += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.5**2))
    contract = ModelContract(
        name="by-hand", version="1", task="atoms", modality="STEM",
        classes=tuple(
            ModelClass(name=name, colour="#000000") for name in ("background", "heavy", "light")
        ),
        sampling=Sampling(spacing_px=12.0), halo_px=0, recipe="", seed=0, data="",
        scanseg_version="0",
    )  # fmt: skip
    return Prediction(
        image=Micrograph(image.astype(np.uint16), pixel_size_nm=pixel_size_nm),
        model=Model(Path("by-hand"), contract),
        grid=grid,
        spacing=spacing,
        intensity=None,
        foreground=np.round(255 * maps.clip(0, 1)).astype(np.uint8),
    )


def matched(atoms, truth):
    """Index of the true column of each row."""
    distance = np.hypot(
        atoms.y_px.to_numpy()[:, None] - truth[:, 0], atoms.x_px.to_numpy()[:, None] - truth[:, 1]
    )
    index = distance.argmin(axis=1)
    assert sorted(index) == list(range(len(truth)))
    return index


def test_the_columns_of_the_table(truth):
    atoms = find_atoms(predicted(truth, spacing=Spacing(SPACING_PX, "lattice")))
    assert list(atoms.columns) == COLUMNS
    assert len(atoms) == len(truth)
    np.testing.assert_array_equal(atoms.atom, np.arange(len(truth)))
    assert set(atoms["class"]) == {"heavy", "light"}
    assert atoms.at_edge.dtype == atoms.fit_ok.dtype == bool
    assert atoms.probability.between(0, 1).all()


def test_positions_and_their_errors_are_true(truth):
    atoms = find_atoms(predicted(truth, spacing=Spacing(SPACING_PX, "lattice")))
    index = matched(atoms, truth)
    np.testing.assert_array_equal(atoms["class"] == "light", index % 2 == 1)
    inner = (atoms.fit_ok & ~atoms.at_edge).to_numpy()
    assert inner.sum() > 40
    for name, axis in (("y", 0), ("x", 1)):
        error = (atoms[f"{name}_px"] - truth[index, axis])[inner]
        pull = error / atoms[f"{name}_err_px"][inner]
        # Some 50 columns fix the rms to 10 %; three of those.
        assert np.sqrt((pull**2).mean()) == pytest.approx(1, abs=0.3)
        # 17,000 counts of width 2.6.
        assert np.sqrt((error**2).mean()) < 2 * 2.6 / np.sqrt(17_000)
    assert atoms.amplitude[inner].median() == pytest.approx(400, rel=0.03)
    assert atoms.sigma_px[inner].median() == pytest.approx(2.6, rel=0.02)
    assert atoms.background[inner].median() == pytest.approx(30, rel=0.1)


def test_nanometres_along_each_axis(truth):
    atoms = find_atoms(predicted(truth, pixel_size_nm=(0.02, 0.013)))
    np.testing.assert_allclose(atoms.y_nm, 0.02 * atoms.y_px)
    np.testing.assert_allclose(atoms.x_nm, 0.013 * atoms.x_px)
    uncalibrated = find_atoms(predicted(truth))
    assert uncalibrated[["y_nm", "x_nm"]].isna().all(axis=None)
    np.testing.assert_array_equal(uncalibrated.y_px, atoms.y_px)


def test_without_a_measured_spacing_the_grid_tells_it(truth):
    """On a grid of 12 px a spacing, what the model expects is the spacing of the image."""
    finer = tuple(round(side * 12 / SPACING_PX) for side in SHAPE)
    told = find_atoms(predicted(truth, grid_shape=finer, spacing=Spacing(SPACING_PX, "lattice")))
    found = find_atoms(predicted(truth, grid_shape=finer))
    # Within a per mille of the same spacing the fits end at the same place.
    np.testing.assert_allclose(found.y_px, told.y_px, atol=0.01)
    assert found.fit_ok.mean() > 0.9


def test_what_cannot_be_fitted_keeps_its_place_without_errors(truth):
    atoms = find_atoms(predicted(truth, spacing=Spacing(SPACING_PX, "lattice"), n_hidden=3))
    bad = ~atoms.fit_ok
    assert 1 <= bad.sum() <= 6
    assert atoms[bad][["y_err_px", "x_err_px"]].isna().all(axis=None)
    assert atoms[bad][["y_px", "x_px"]].notna().all(axis=None)
    assert atoms[~bad][["y_err_px", "x_err_px"]].gt(0).all(axis=None)


def test_flanks_of_columns_outside_are_left_out(truth):
    beyond = np.array([(114.0, 40.0), (60.0, 154.5)])
    atoms = find_atoms(
        predicted(np.vstack([truth, beyond]), spacing=Spacing(SPACING_PX, "lattice"), ridges=2)
    )
    assert len(atoms) == len(truth)
    np.testing.assert_array_equal(atoms.atom, np.arange(len(truth)))
    matched(atoms, truth)


def test_a_table_without_rows():
    atoms = find_atoms(predicted(np.empty((0, 2))))
    assert list(atoms.columns) == COLUMNS
    assert len(atoms) == 0


def test_vacancies_have_a_place_and_no_fit(truth):
    seen = predicted(truth)
    contract = seen.model.contract
    classes = (*contract.classes[:2], ModelClass(name="vacancy", colour="#000000", empty=True))
    model = replace(seen.model, contract=contract.model_copy(update={"classes": classes}))
    found = find_atoms(replace(seen, model=model))
    every = find_atoms(seen)
    assert len(found) == len(every) == len(truth)
    np.testing.assert_array_equal(found["atom"], np.arange(len(truth)))
    assert found["y_px"].is_monotonic_increasing
    gap = (found["class"] == "vacancy").to_numpy()
    assert gap.sum() == len(truth) // 2
    assert not found["fit_ok"][gap].any()
    assert found.loc[gap, ["y_err_px", "amplitude", "sigma_px"]].isna().all(axis=None)
    assert found.loc[~gap, ["y_err_px", "amplitude", "sigma_px"]].notna().all(axis=None)
    # Each second column was called a vacancy, and has the place that the network gave: its error
    # is drawn from 0.4 px on either side, and the top of a map is read to less than 0.2 px.
    distance, _ = cKDTree(truth).query(found.loc[gap, ["y_px", "x_px"]])
    assert distance.max() < np.hypot(0.6, 0.6)

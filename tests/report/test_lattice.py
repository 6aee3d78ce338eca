"""Figures of lattices: they draw what the tables hold, and every one can be saved."""

import io

import numpy as np
import pandas as pd
import pytest

from scanseg import Micrograph
from scanseg.lattice import (
    find_missing_sites,
    find_rings,
    geometric_phase,
    group_by_intensity,
    index_atoms,
    link_neighbours,
    measure_polarisation,
    measure_strain,
    pair_distribution,
)
from scanseg.report import lattice as figures
from scanseg.simulate.imaging import render_columns

SHAPE = (150, 221)


@pytest.fixture(scope="module")
def crystal():
    """A perovskite on pixels of 0.02 by 0.025 nm with one column missing."""
    rng = np.random.default_rng(6)
    steps = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10), indexing="ij"), -1)
    corner = steps.reshape(-1, 2) * np.array([20.0, 16.0]) + np.array([70, 110])
    middle = corner + np.array([10.0, 8.0])
    place = np.concatenate([corner, middle]) + rng.normal(0, 0.2, (2 * len(corner), 2))
    light = np.repeat([100.0, 55.0], len(corner))
    inside = ((place > 0) & (place < np.array(SHAPE) - 1)).all(1)
    inside[np.hypot(*(place - [70, 110]).T).argmin()] = False
    place, light = place[inside], light[inside]
    image = rng.poisson(render_columns(SHAPE, place, light, 2.5, np.zeros(SHAPE[0])) + 20)
    atoms = pd.DataFrame(
        {
            "y_px": place[:, 0], "x_px": place[:, 1],
            "y_nm": 0.02 * place[:, 0], "x_nm": 0.025 * place[:, 1],
            "y_err_px": 0.2, "x_err_px": 0.2, "amplitude": light * rng.normal(1, 0.05, len(light)),
        }
    )  # fmt: skip
    return Micrograph(image, pixel_size_nm=(0.02, 0.025)), index_atoms(atoms, shape=SHAPE)


def saved(figure):
    file = io.BytesIO()
    figure.savefig(file, dpi=40)
    assert len(file.getvalue()) > 2000
    return figure


def test_lattice(crystal):
    image, indexed = crystal
    missing = find_missing_sites(indexed)
    assert len(missing) == 1
    figure = saved(figures.draw_lattice(image, indexed, missing=missing))
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    n_bright = (indexed.atoms["sublattice"] == "A").sum()
    assert labels[0] == f"A ({n_bright})"
    assert labels[-1] == "empty site (1)"
    # A pixel is higher than it is wide by 0.02 over 0.025.
    assert figure.axes[0].get_aspect() == pytest.approx(0.8)
    saved(figures.draw_lattice(image, indexed, by="grain"))


def test_maps(crystal):
    image, indexed = crystal
    strain = measure_strain(indexed)
    figure = saved(figures.draw_strain(strain, shape=SHAPE, limit_percent=2))
    points = figure.axes[0].collections[0]
    assert points.get_clim() == (-2, 2)
    assert np.ma.getdata(points.get_array()) == pytest.approx(100 * strain["exx"].to_numpy())
    saved(figures.draw_strain_comparison(strain, geometric_phase(image, indexed.lattice())))


def test_arrows(crystal):
    image, indexed = crystal
    moved = measure_polarisation(indexed)
    figure = saved(figures.draw_polarisation(image, moved, magnify=20))
    arrows = figure.axes[0].collections[0]
    drawn = np.column_stack([arrows.U, arrows.V])
    assert drawn == pytest.approx(20 * moved[["dx_px", "dy_px"]].to_numpy())
    saved(figures.draw_displacements(image, indexed))


def test_charts(crystal):
    image, indexed = crystal
    saved(figures.draw_intensity_groups(group_by_intensity(indexed)))
    pairs = pair_distribution(indexed.atoms, by="sublattice", shape=SHAPE)
    assert saved(figures.draw_pair_distribution(pairs)).axes[0].get_xlabel() == "r (nm)"
    graph = link_neighbours(indexed.atoms)
    rings = find_rings(graph)
    saved(figures.draw_rings(image, rings, indexed.atoms[["y_px", "x_px"]].to_numpy()))


def test_an_image_without_a_lattice_or_calibration():
    atoms = pd.DataFrame({"y_px": [5.0, 30.0], "x_px": [8.0, 22.0]})
    image = Micrograph(np.random.default_rng(0).poisson(9, (40, 50)))
    figure = saved(figures.draw_lattice(image, index_atoms(atoms)))
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["on no site (2)"]

"""Figures of lattices: they draw what the tables hold, and every one can be saved."""

import io
from dataclasses import replace

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
    measure_dumbbells,
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
    label = indexed.atoms["sublattice"].cat.rename_categories({"A": "Ba", "B": "OTi"})
    named = replace(indexed, atoms=indexed.atoms.assign(label=label))
    figure = figures.draw_lattice(image, named, by="label")
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == f"Ba ({n_bright})"


def test_maps(crystal):
    image, indexed = crystal
    strain = measure_strain(indexed)
    figure = saved(
        figures.draw_strain(strain, shape=SHAPE, pixel_size_nm=image.pixel_size_nm, limit_percent=2)
    )
    assert figure.axes[0].get_aspect() == pytest.approx(0.8)
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
    # By themselves four of five arrows are as long as the spacing at most, which is 12.8 px.
    arrows = figures.draw_polarisation(image, moved).axes[0].collections[0]
    length = np.percentile(np.hypot(arrows.U, arrows.V), 80)
    assert 12.8 / 2.51 < length <= 12.81


def test_defects(crystal):
    image, indexed = crystal
    atoms = indexed.atoms.copy()
    bright, dark = np.flatnonzero(atoms["sublattice"] == "B")[[20, 40]]
    atoms.iloc[bright, atoms.columns.get_loc("amplitude")] *= 2
    atoms.iloc[dark, atoms.columns.get_loc("amplitude")] *= 0.4
    indexed = index_atoms(atoms, shape=SHAPE)
    groups = group_by_intensity(indexed)
    figure = saved(
        figures.draw_defects(image, indexed, missing=find_missing_sites(indexed), groups=groups)
    )
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    counts = groups.atoms["substitution"].value_counts()
    assert counts["brighter"] >= 1
    assert labels == [
        "empty site (1)", f"brighter ({counts['brighter']})", f"darker ({counts['darker']})"
    ]  # fmt: skip
    for number, row in ((1, bright), (2, dark)):
        drawn = np.array(axes.collections[number].get_offsets())
        assert np.abs(drawn - atoms[["x_px", "y_px"]].to_numpy()[row]).sum(1).min() < 1e-9


def test_pairs_of_columns_as_lines(crystal):
    image, indexed = crystal
    pairs = measure_dumbbells(indexed)
    figure = saved(figures.draw_dumbbells(image, pairs))
    lines = figure.axes[0].collections[0]
    assert np.ma.getdata(lines.get_array()) == pytest.approx(pairs["length_pm"].to_numpy())
    # On pixels of 0.02 by 0.025 nm the lines are as long as the pairs.
    ends = np.array([path.vertices for path in lines.get_paths()])
    apart = (ends[:, 1] - ends[:, 0]) * np.array([25.0, 20.0])
    assert np.hypot(*apart.T) == pytest.approx(pairs["length_pm"].to_numpy(), rel=1e-6)


def test_coordination(crystal):
    image, indexed = crystal
    atoms = link_neighbours(indexed.atoms).table(indexed.atoms)
    figure = saved(figures.draw_coordination(image, atoms))
    drawn = sum(len(each.get_offsets()) for each in figure.axes[0].collections)
    assert drawn == len(atoms)


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

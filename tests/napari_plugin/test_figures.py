"""Figures show what is in the tables, and can be taken along."""

from __future__ import annotations

import numpy as np
import pytest

from scanseg.napari_plugin.figure_panel import DISPLACEMENTS, ORIENTATIONS, SPACINGS
from scanseg.napari_plugin.figures import draw_orientations, nearest_distances
from scanseg.napari_plugin.inspection import InspectWidget


@pytest.fixture
def widget(viewer):
    widget = InspectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Inspect")
    return widget


@pytest.mark.parametrize("name", ["probability", SPACINGS, DISPLACEMENTS])
def test_atoms_have_figures_that_are_saved(widget, shown, wait, tmp_path, name):
    atoms = shown("stem.tif")["atoms"]
    widget.layer_choice.choose(atoms)
    widget.figures.choice.setCurrentText(name)
    widget.figures._make_ready()
    wait(lambda: widget.figures.figure is not None and not widget.figures.note.text())
    widget.figures.save(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    if name == SPACINGS:  # spots every 10 px, of 0.02 nm along y and 0.03 along x
        assert "median 0.2" in widget.figures.figure.axes[0].get_xlabel()


def test_walls_have_a_rose(widget, shown, wait, tmp_path):
    walls = shown("scan.tif")["walls"]
    widget.layer_choice.choose(walls)
    widget.figures.choice.setCurrentText(ORIENTATIONS)
    widget.figures._make_ready()
    wait(lambda: widget.figures.figure is not None and not widget.figures.note.text())
    widget.figures.save(tmp_path / "rose.pdf")
    assert (tmp_path / "rose.pdf").read_bytes().startswith(b"%PDF")


def test_neighbours_are_those_of_the_same_frame():
    position = np.array([[0, 0, 0], [0, 3, 0], [1, 0, 0], [1, 0, 4.0], [2, 0, 0]])
    np.testing.assert_allclose(nearest_distances(position, (0.5, 0.25)), [1.5, 1.5, 1, 1])
    assert nearest_distances(position[:1], None).size == 0


def test_rose_points_along_walls_clicked_by_hand():
    lines = [("a", np.array([[0.0, 0], [0, 100]])), ("b", np.array([[0.0, 0], [40, 0]]))]
    figure = draw_orientations(lines, (2.0, 1.0), {"a": "#ff5a36", "b": "#38d6ff"})
    (axes,) = figure.axes
    bars = [bar for bar in axes.patches if bar.get_height() > 1]
    angles = sorted({round(np.rad2deg(bar.get_x() + bar.get_width() / 2)) % 360 for bar in bars})
    assert angles == [0, 90, 180, 270]
    # Pixels are twice as high as wide; steadying shortens a straight line by nothing.
    assert sorted({round(bar.get_height()) for bar in bars}) == [80, 100]

"""Plots as SVG: where points lie, and what is said where there are none."""

import math
import re
from xml.etree import ElementTree

import pytest

from scanseg.report.plots import Series, draw_bars, draw_plot
from scanseg.report.standalone import render_page, table


def _circles(svg):
    return [
        (float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    ]


def _well_formed(figure):
    ElementTree.fromstring(figure)
    return figure


def test_points_keep_their_order_and_proportions():
    svg = _well_formed(draw_plot([Series([0, 1, 4], [1.0, 2.0, 5.0])], title="a < b"))
    first, second, third = _circles(svg)
    # A quarter of the way along both axes; y grows upward. Coordinates have a tenth of a pixel.
    assert (second[0] - first[0]) / (third[0] - first[0]) == pytest.approx(0.25, abs=1e-3)
    assert (first[1] - second[1]) / (first[1] - third[1]) == pytest.approx(0.25, abs=1e-3)


def test_a_logarithmic_axis_gives_factors_equal_widths():
    svg = _well_formed(draw_plot([Series([1e-4, 1e-3, 1e-2], [0, 0, 0])], title="t", log_x=True))
    x = [place for place, _ in _circles(svg)]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)


def test_values_that_are_not_known_are_left_out():
    svg = draw_plot([Series([0, 1, 2], [1.0, math.nan, 2.0], text=("a", "b", "c"))], title="t")
    assert len(_circles(svg)) == 2
    assert "<title>c</title>" in svg
    assert "<title>b</title>" not in svg
    assert "no values" in draw_plot([Series([0], [math.nan])], title="t")


def test_intervals_and_steps_are_drawn():
    series = Series([0, 1], [1.0, 2.0], "steps", low=[0.5, 1.5], high=[1.5, 2.5], label="best")
    svg = _well_formed(draw_plot([series], title="t", names=("x", "y")))
    assert svg.count('stroke-width="1.2"') == 2
    assert re.search(r"M[\d.]+ [\d.]+H[\d.]+V", svg)
    assert ">best</text>" in svg
    assert ">x</text>" in svg


def test_the_longest_bar_comes_first():
    svg = _well_formed(draw_bars(["low", "high"], [0.2, 0.8], title="importance"))
    assert svg.index(">high<") < svg.index(">low<")
    assert "80%" in svg
    assert "no values" in draw_bars([], [], title="importance")


def test_a_page_stands_alone_and_shows_texts_as_they_are():
    page = render_page("<run>", "kind", [table(("a",), [("<b>",)])])
    assert "<title>&lt;run&gt; – kind</title>" in page
    assert "<td>&lt;b&gt;</td>" in page
    assert "--ink" in page
    assert not re.search(r"(src|href)=|@import|url\(", page)

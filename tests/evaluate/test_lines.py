import numpy as np
import pytest

from scanseg.evaluate import displacement_error_px, position_error_px


def horizontal(y, *, start=5.0, end=54.0):
    return np.array([[y, start], [y, end]])


def circle(radius, centre=(30.0, 41.0)):
    angle = np.linspace(0, 2 * np.pi, 200)
    return np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], 1)


def test_a_shifted_wall_has_its_offset():
    offset = position_error_px([horizontal(20.37)], [horizontal(20)], reach_px=2)
    # Along +x with y downward, the right-hand side is +y.
    np.testing.assert_allclose(offset, 0.37, atol=1e-9)
    turned = position_error_px([horizontal(20.37)], [horizontal(20)[::-1]], reach_px=2)
    np.testing.assert_allclose(turned, -0.37, atol=1e-9)


def test_a_larger_circle_is_off_by_its_radius_all_round():
    offset = position_error_px([circle(20.6)], [circle(20)])
    # Chords of 200 points lie inside their circle by 2.5e-3 px.
    np.testing.assert_allclose(np.abs(offset), 0.6, atol=0.01)
    assert len(offset) == pytest.approx(2 * np.pi * 20, abs=2)


def test_what_was_not_found_has_no_offset():
    offset = position_error_px([horizontal(20, end=29)], [horizontal(20)])
    assert np.isnan(offset).mean() == pytest.approx(0.5, abs=0.04)
    assert np.isnan(position_error_px([], [horizontal(20)])).all()


def test_displacements_are_compared_where_the_wall_was():
    before, after = [circle(15)], [circle(18)]
    found_before, found_after = [circle(15.2)], [circle(18.1)]
    error = displacement_error_px(found_before, found_after, before, after)
    sign = np.sign(position_error_px(after, before, reach_px=10))
    np.testing.assert_allclose(error * sign, -0.1, atol=0.01)

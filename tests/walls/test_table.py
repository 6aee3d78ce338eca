from dataclasses import replace

import numpy as np
import pytest

from scanseg.walls import TracedWall, wall_points_table, walls_table

NAMES = ("background", "ferroelectric", "ferroelastic")


def wall(line, *, index=1, start=0, end=1):
    n = len(line)
    return TracedWall(
        position_px=np.asarray(line, float), position_err_px=np.full(n, 0.1),
        class_index=np.full(n, index), probability=np.full(n, 0.9), half_width_px=3.0,
        half_width_err_px=0.2, dip=0.1, dip_err=0.01, start=start, end=end,
    )  # fmt: skip


def table(*walls, pixel_size_nm=(5.0, 10.0)):
    return walls_table(walls, class_names=NAMES, shape=(60, 90), pixel_size_nm=pixel_size_nm)


def test_a_horizontal_wall():
    line = np.stack([np.full(41, 20.0), np.arange(10.0, 51.0)], 1)
    row = table(wall(line)).iloc[0]
    assert (row["class"], row["length_px"], row["length_nm"]) == ("ferroelectric", 40, 400)
    assert (row["tortuosity"], row["orientation_deg"], row["curvature_per_nm"]) == (1, 0, 0)
    assert row["width_nm"] == pytest.approx(2 * 3.0 * 5.0)  # across it runs y
    assert row["width_err_nm"] == pytest.approx(2 * 0.2 * 5.0)
    assert not row["touches_edge"]


def test_a_circle_in_anisotropic_pixels():
    angle = np.linspace(0, 2 * np.pi, 400)
    circle_nm = 150.0 * np.stack([np.sin(angle), np.cos(angle)], 1) + 300
    row = table(wall(circle_nm / (5.0, 10.0), index=2, start=-1, end=-1)).iloc[0]
    assert row["curvature_per_nm"] == pytest.approx(1 / 150, rel=1e-3)
    assert row["length_nm"] == pytest.approx(2 * np.pi * 150, rel=1e-3)
    assert row["tortuosity"] == np.inf
    assert row["class"] == "ferroelastic"


@pytest.mark.parametrize("radius_px", [10.0, 25.0, 60.0])
def test_noise_of_a_fifth_of_a_pixel_is_no_curvature(radius_px):
    rng = np.random.default_rng(3)
    curvature = []
    for _ in range(20):
        angle = np.linspace(0, 2 * np.pi, round(2 * np.pi * radius_px) + 1)
        circle = radius_px * np.stack([np.sin(angle), np.cos(angle)], 1)
        noise = rng.normal(0, 0.2, circle.shape)
        noise[-1] = noise[0]
        found = table(wall(circle + noise, start=-1, end=-1), pixel_size_nm=(7.0, 7.0))
        curvature.append(found["curvature_per_nm"][0] * 7.0)
    assert np.mean(curvature) == pytest.approx(1 / radius_px, rel=0.03)


def test_a_noisy_straight_wall_is_hardly_curved():
    rng = np.random.default_rng(3)
    line = np.stack([np.full(120, 20.0), np.arange(120.0)], 1) + rng.normal(0, 0.2, (120, 2))
    assert table(wall(line), pixel_size_nm=(1.0, 1.0))["curvature_per_nm"][0] < 0.004


def test_direction_is_from_x_towards_y_and_has_no_sign():
    line = np.stack([2.0 * np.arange(20.0), np.arange(20.0)], 1)  # 45° in nm
    for ordered in (line, line[::-1]):
        assert table(wall(ordered)).iloc[0]["orientation_deg"] == pytest.approx(45)
    assert table(wall(line)).iloc[0]["touches_edge"]


def test_without_a_calibration_nanometres_are_empty():
    line = np.stack([np.full(41, 20.0), np.arange(10.0, 51.0)], 1)
    row = table(wall(line), pixel_size_nm=None).iloc[0]
    assert row[["length_nm", "width_nm", "curvature_per_nm"]].isna().all()
    assert (row["tortuosity"], row["length_px"]) == (1, 40)


def test_points_are_in_order_and_in_both_units():
    line = np.stack([np.full(5, 20.0), np.arange(5.0)], 1)
    points = wall_points_table(
        [wall(line), wall(line + 1)], class_names=NAMES, pixel_size_nm=(5, 10)
    )
    assert list(points["branch"]) == [0] * 5 + [1] * 5
    assert list(points["point"]) == [0, 1, 2, 3, 4] * 2
    np.testing.assert_allclose(points["y_nm"][:5], 100)
    np.testing.assert_allclose(points["x_nm"][:5], 10 * np.arange(5))
    assert set(points["class"]) == {"ferroelectric"}


def test_width_and_dip_have_their_errors():
    line = np.stack([np.full(41, 20.0), np.arange(10.0, 51.0)], 1)
    row = table(wall(line), pixel_size_nm=None).iloc[0]
    assert (row["width_px"], row["dip"], row["dip_err"]) == (6.0, 0.1, 0.01)


def test_a_wall_is_as_probable_as_its_points():
    line = np.stack([np.full(41, 20.0), np.arange(10.0, 51.0)], 1)
    unsure = replace(wall(line), probability=np.linspace(0.2, 0.6, 41))
    assert table(unsure).iloc[0]["probability"] == pytest.approx(0.4)


def test_no_wall_is_an_empty_table():
    assert list(table().columns)[:2] == ["branch", "class"]
    assert len(wall_points_table([], class_names=NAMES, pixel_size_nm=None)) == 0

import numpy as np
import pytest

from scanseg.walls import orientation_rose, wall_lengths
from scanseg.walls.directions import line_orientations

SIZE = (5.0, 10.0)


def test_lengths_and_densities_by_class(straight, walls_of):
    walls = walls_of(
        straight((10, 10), (10, 110)), straight((20, 30), (100, 30), index=2),
        straight((20, 50), (100, 50), index=2), shape=(120, 150), pixel_size_nm=SIZE,
    )  # fmt: skip
    table = wall_lengths(walls, pixel_size_nm=SIZE).set_index("class")
    assert list(table["n_walls"]) == [2, 1]
    np.testing.assert_allclose(table["length_px"], [160, 100])
    np.testing.assert_allclose(table["length_um"], [0.8, 1.0])
    np.testing.assert_allclose(table["density_um_per_um2"], np.array([0.8, 1.0]) / (0.6 * 1.5))
    np.testing.assert_allclose(table["density_per_px"], np.array([160, 100]) / 18000)


def test_density_is_by_what_was_measured(straight, walls_of):
    walls = walls_of(straight((10, 10), (10, 110)))
    walls.domain_map[60:] = 0
    table = wall_lengths(walls, pixel_size_nm=None)
    assert table["density_per_px"][0] == pytest.approx(100 / 9000)
    assert table[["length_um", "density_um_per_um2"]].isna().all(axis=None)


def test_a_rose_holds_all_length_at_the_right_direction(straight, walls_of):
    # 45° in nm runs two rows a column of pixels twice as wide.
    walls = walls_of(
        straight((10, 10), (90, 50)), straight((20, 20), (20, 120)),
        straight((100, 30), (20, 30), index=2), pixel_size_nm=SIZE,
    )  # fmt: skip
    rose = orientation_rose(walls, pixel_size_nm=SIZE, n_bins=24)
    shown = rose[rose["length"] > 0].set_index(["class", "orientation_deg"])["length"]
    assert shown.to_dict() == pytest.approx(
        {
            ("ferroelastic", 90): 80 * 5,
            ("ferroelectric", 0): 100 * 10,
            ("ferroelectric", 45): np.hypot(80 * 5, 40 * 10),
        }
    )


def test_directions_just_below_180_are_near_0(straight, walls_of):
    walls = walls_of(straight((50, 10), (49, 110)))
    rose = orientation_rose(walls, pixel_size_nm=None)
    assert list(rose[rose["length"] > 0]["orientation_deg"]) == [0]


def test_no_wall_is_an_empty_rose(walls_of):
    assert len(orientation_rose(walls_of(), pixel_size_nm=None)) == 0
    assert len(wall_lengths(walls_of(), pixel_size_nm=None)) == 0


def test_lines_of_whole_pixels_pile_up_nowhere():
    rng = np.random.default_rng(0)
    lines = []
    for angle in np.deg2rad(np.arange(0.25, 180, 0.5)):
        along = np.arange(0, 120, 0.2)[:, None] * [np.sin(angle), np.cos(angle)]
        pixel = np.rint(along + rng.uniform(0, 1, 2))
        moved = np.append(True, (np.diff(pixel, axis=0) != 0).any(1))
        lines.append(("wall", pixel[moved]))
    rose = line_orientations(lines, pixel_size_nm=None).set_index("orientation_deg")["length"]
    # Ten lines a bin, and directions right within 1.1 degrees, which a bin of 5 hardly feels.
    assert (rose / rose.mean()).between(0.8, 1.2).all()

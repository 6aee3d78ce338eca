import numpy as np
import pytest

from scanseg.simulate.domains import (
    Grains,
    Lamellae,
    add_lamellae,
    draw_grains,
    pole_box,
    relax,
    sample_mesh,
    uniform_domain,
)
from scanseg.simulate.piezoresponse import Cantilever, Response, Tip, blur, piezoresponse, resonance
from scanseg.simulate.wall_lines import Wall, draw_walls, zero_lines


def grid(shape):
    return tuple(axis.astype(np.float32) for axis in np.indices(shape))


def test_a_field_drives_a_flat_wall_as_theory_says():
    x = np.arange(200, dtype=np.float32)
    down_and_up = np.tanh((x - 50) / np.sqrt(2)) - np.tanh((x - 150) / np.sqrt(2)) - 1
    start = np.tile(down_and_up.astype(np.float32), (6, 1))
    field, time = 0.02, 100.0
    moved = relax(start, np.full_like(start, field), round(time / 0.2))
    # A kink of P - P³ + lap P + E moves at 3 E / sqrt(2); a mesh of one cell brakes it by 7 %.
    grown = (np.interp(0, moved[0, 60:20:-1][::-1], x[21:61]) - 50) * -1
    assert grown == pytest.approx(3 / np.sqrt(2) * field * time, rel=0.1)


def test_a_wall_without_a_field_stays():
    x = np.arange(100, dtype=np.float32)
    start = np.tile((np.tanh(x - 25.4) - np.tanh(x - 74.6) - 1).astype(np.float32), (5, 1))
    moved = relax(start, np.zeros_like(start), 200)
    np.testing.assert_array_equal(moved > 0, start > 0)


def test_a_mesh_is_periodic_and_exact_for_its_mean():
    rng = np.random.default_rng(0)
    mesh = rng.normal(size=(9, 12)).astype(np.float32)
    y, x = (
        rng.uniform(0, 9, (7, 8)).astype(np.float32),
        rng.uniform(0, 12, (7, 8)).astype(np.float32),
    )
    once = sample_mesh(mesh, y, x)
    np.testing.assert_allclose(sample_mesh(mesh, y + 9, x - 12), once, atol=1e-4)
    flat = sample_mesh(np.full((5, 5), 3.0, np.float32), y, x)
    np.testing.assert_allclose(flat, 3.0, rtol=1e-6)  # the weights of B-splines sum to 1


def one_lamella(**changes):
    settings = {
        "angle_rad": np.zeros(1, np.float32), "period_px": np.full(1, 400, np.float32),
        "offset": np.full(1, -0.1, np.float32), "shift": np.zeros((1, 1), np.float32),
        "half_width_px": np.full((1, 1), 6.5, np.float32),
        "start_px": np.full((1, 1), -1e4, np.float32), "end_px": np.full((1, 1), 1e4, np.float32),
        "taper_px": 20.0, "boundary_taper_px": 0.0,
    }  # fmt: skip
    return Lamellae(**{**settings, **changes})


def test_the_walls_of_a_lamella_are_where_it_ends():
    domains = uniform_domain(*grid((50, 90)))
    single = Grains(domains.grain, domains.grain_distance, 1)
    twinned = add_lamellae(domains, single, one_lamella(), shear=0.0)
    left, right = sorted(zero_lines(twinned.twin), key=lambda line: line[0, 1])
    # The normal is along x, and the lamella's centre 0.1 periods = 40 px from the origin.
    np.testing.assert_allclose(left[:, 1], 33.5, atol=1e-4)
    np.testing.assert_allclose(right[:, 1], 46.5, atol=1e-4)


def test_a_needle_ends_in_a_tip():
    domains = uniform_domain(*grid((90, 80)))
    single = Grains(domains.grain, domains.grain_distance, 1)
    needle = one_lamella(end_px=np.full((1, 1), 60, np.float32))
    (line,) = zero_lines(add_lamellae(domains, single, needle, shear=0.0).twin)
    assert line[:, 0].max() == pytest.approx(60, abs=1.5)


def test_180_walls_kink_at_lamellae():
    domains = uniform_domain(*grid((60, 90)))
    single = Grains(domains.grain, domains.grain_distance, 1)
    sheared = add_lamellae(domains, single, one_lamella(), shear=0.5)
    (line,) = zero_lines(sheared.y - 30)
    y, x = line[np.argsort(line[:, 1])].T
    slope = np.gradient(y, x)
    inside, outside = np.abs(x - 40) < 5, np.abs(x - 40) > 9
    assert np.median(slope[inside]) == pytest.approx(-0.5 * (1 - 13 / 400), abs=0.02)
    assert np.median(slope[outside]) == pytest.approx(0.5 * 13 / 400, abs=0.01)


def test_grains_know_how_far_their_boundary_is():
    y, x = grid((60, 70))
    grains = draw_grains(y, x, np.random.default_rng(2), size_px=25, form="round")
    boundary = grains.label[:, 1:] != grains.label[:, :-1]
    assert grains.distance[:, 1:][boundary].max() <= 1.0
    assert grains.distance.min() >= 0


def test_a_written_box_has_four_straight_walls():
    domains = uniform_domain(*grid((100, 120)))
    boxed = pole_box(domains, np.random.default_rng(1), size_px=(30, 40), up=False)
    (line,) = zero_lines(boxed.level)
    assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(140, rel=0.03)


def test_zero_lines_of_a_circle():
    y, x = grid((50, 60))
    (line,) = zero_lines(12.3 - np.hypot(y - 24.2, x - 31.7))
    radius = np.hypot(line[:, 0] - 24.2, line[:, 1] - 31.7)
    # Linear interpolation between pixels errs by at most 1 / 8R.
    np.testing.assert_allclose(radius, 12.3, atol=1 / (8 * 12.3))
    assert zero_lines(np.ones((5, 6), np.float32)) == []


def test_a_drawn_wall_has_its_class_and_width():
    line = np.stack([np.full(30, 10.0), np.arange(30.0)], 1)
    seen = Wall(line, "ferroelastic", np.full(30, 9.0))
    faint = Wall(line + np.array([20, 0]), "ferroelectric", np.full(30, 0.1))
    drawn = draw_walls([seen, faint], (40, 50), radius_px=1.2, visible_contrast=1.0)
    np.testing.assert_array_equal(np.flatnonzero(drawn[:, 15]), [9, 10, 11, 29, 30, 31])
    assert drawn[10, 15] == 2
    assert drawn[30, 15] == 255


def test_a_background_shifts_the_minimum_and_leaves_the_wall():
    domains = uniform_domain(*grid((32, 128)))
    _, x = grid((32, 128))
    level = 20.0 - np.abs(x - 63.5)  # walls at 43.5 and 83.5
    domains = type(domains)(
        **{**{k: getattr(domains, k) for k in domains.__slots__}, "level": level}
    )
    tip = Tip(half_width_px=4.0)
    plain = piezoresponse(domains, tip, Response())
    shifted = piezoresponse(domains, tip, Response(background=0.3))
    at = np.abs(plain[16, 64:104]).argmin() + 64, np.abs(shifted[16, 64:104]).argmin() + 64
    assert at[0] in (83, 84)
    # 4 atanh(0.3) = 1.2 px outward, towards where the response is as large as the background.
    assert at[1] == pytest.approx(83.5 + 4 * np.arctanh(0.3), abs=0.6)
    np.testing.assert_allclose(shifted - plain, 0.3, atol=1e-6)


def test_blur_keeps_the_mean_and_moves_nothing():
    image = np.zeros((40, 50), np.float32)
    image[20, 25] = 1
    blurred = blur(image, Tip(half_width_px=3.0, tail_fraction=0.2, tail_px=5.0))
    assert blurred.sum() == pytest.approx(1, rel=1e-4)
    assert np.unravel_index(blurred.argmax(), image.shape) == (20, 25)
    doubled = blur(image, Tip(half_width_px=1.0, twin_fraction=0.3, twin_shift_px=(6.0, -9.0)))
    assert doubled[26, 16] / doubled[20, 25] == pytest.approx(0.3 / 0.7, rel=1e-3)


def test_a_resonance_turns_the_phase_with_the_topography():
    ramp = np.tile(np.linspace(-1, 1, 60, dtype=np.float32), (40, 1))
    gain = resonance(ramp, Cantilever(topography_detuning=1.0))
    eta = (ramp - ramp.mean()) / ramp.std()
    np.testing.assert_allclose(np.angle(gain), np.arctan(eta), atol=1e-4)
    np.testing.assert_allclose(np.abs(gain), 1 / np.sqrt(1 + eta**2), atol=1e-4)

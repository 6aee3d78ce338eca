"""Artefacts put on measured images: what they change, by how much, and that labels follow."""

import numpy as np
import pytest

from scanseg.errors import ConfigError
from scanseg.micrograph import Signal
from scanseg.preprocess import Window
from scanseg.simulate import PfmScene, StemScene, simulate, simulate_pfm
from scanseg.simulate.files import write_pfm, write_stem
from scanseg.simulate.imaging import Drift, draw_drift
from scanseg.train.atom_artefacts import disturb_atoms
from scanseg.train.labelled_check import check_labelled
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import AtomRecipe, WallRecipe
from scanseg.train.scan_warp import ScanWarp, draw_warp
from scanseg.train.task import task_of
from scanseg.train.wall_artefacts import disturb_scan

SHAPE = (96, 140)


def spots(position, sigma=2.0):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.zeros(SHAPE, np.float32)
    for at in position:
        image += np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * sigma**2))
    return image


def centroid(image, near):
    top, left = (round(value) - 7 for value in near)
    window = image[top : top + 15, left : left + 15]
    y, x = np.mgrid[top : top + 15, left : left + 15]
    return np.array([(window * y).sum(), (window * x).sum()]) / window.sum()


@pytest.fixture
def lattice():
    rng = np.random.default_rng(3)
    return np.mgrid[14:90:20, 14:130:20].reshape(2, -1).T + rng.uniform(-1, 1, (24, 2))


@pytest.mark.parametrize("seed", range(4))
def test_drift_can_be_undone(seed):
    rng = np.random.default_rng(seed)
    drift = draw_drift(SHAPE, rng, shear=0.02)
    position = rng.uniform(0, 90, (50, 2))
    np.testing.assert_allclose(drift.undone(drift.moved(position)), position, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_positions_move_with_the_image(lattice, seed):
    rng = np.random.default_rng(seed)
    # Slow jitter: what differs within a spot deforms it, and then no single shift is right.
    warp = ScanWarp(
        draw_drift(SHAPE, rng, shear=0.015), 1.5 * np.sin(np.arange(96) / 15 + rng.uniform(0, 6))
    )
    image, moved = warp.drawn(spots(lattice)), warp.moved(lattice)
    assert np.abs(moved - lattice).max() > 0.8
    inside = ((moved > 8) & (moved < np.array(SHAPE) - 9)).all(axis=1)
    assert inside.sum() >= 18
    found = np.array([centroid(image, at) for at in moved[inside]])
    # Shear and fly-back across a spot move its centroid by second differences, some hundredths.
    np.testing.assert_allclose(found, moved[inside], atol=0.06)


def test_jitter_moves_rows_and_nothing_else(lattice):
    warp = draw_warp(
        SHAPE, np.random.default_rng(1), drift=False, jitter=True, spacing_px=40.0
    )  # fmt: skip
    image = spots(lattice)
    drawn = warp.drawn(image)
    for row in (15, 34, 53):
        x = np.arange(SHAPE[1]) + warp.row_shift_px[row]
        expected = np.interp(x, np.arange(SHAPE[1]), image[row])
        # Straight lines between pixels of spots of width 2 px: 1/8 of the curvature, 0.03.
        np.testing.assert_allclose(drawn[row, 4:-4], expected[4:-4], atol=0.04)
    assert warp.row_shift_px.std() > 0.2


def test_class_maps_move_with_the_image(lattice):
    warp = ScanWarp(Drift(SHAPE, 0.05, -0.08, 2.0), np.zeros(96))
    class_map = (spots(lattice) > 0.5).astype(np.uint8) * 2
    moved = warp.labels(class_map)
    assert (moved == IGNORED).any()  # what the scan did not see
    assert set(np.unique(moved)) == {0, 2, IGNORED}
    drawn = warp.drawn(spots(lattice)) > 0.5
    inside = moved != IGNORED
    # The threshold may fall to either side of it in pixels at the rim.
    assert ((moved == 2) == drawn)[inside].mean() > 0.99


def disturbed(image, name, seed=0, **options):
    return disturb_atoms(
        image, np.random.default_rng(seed), {name: 1.0}, spacing_px=8.0, **options
    )  # fmt: skip


def test_nothing_is_drawn_with_probability_0(lattice):
    image = spots(lattice)
    same, warp = disturb_atoms(image, np.random.default_rng(1), {"dose": 0.0}, spacing_px=8.0)
    np.testing.assert_array_equal(same, image)
    assert warp is None


def test_fewer_electrons_are_poisson_noise():
    image = np.tile(np.linspace(0, 1000, 140, dtype=np.float32), (96, 1))
    for seed in range(3):
        noisy, warp = disturbed(image, "dose", seed)
        assert warp is None
        error = (noisy - image)[:, 20:-20]
        assert abs(error.mean()) < 6 * error.std() / np.sqrt(error.size)
        # Variance in proportion to the signal above the low end: twice as much at twice of it.
        near, far = error[:, 15:35].var(), error[:, 70:100].var()
        signal = image[0, 20:-20] - np.percentile(image, 0.1)
        assert far / near == pytest.approx(signal[70:100].mean() / signal[15:35].mean(), rel=0.25)


@pytest.mark.parametrize("dark", [False, True])
def test_dirt_is_of_the_columns_side(lattice, dark):
    image = spots(lattice)
    for seed in range(5):
        dirty, _ = disturbed(image, "contamination", seed, dark_columns=dark)
        change = (dirty - image) * (-1 if dark else 1)
        assert change.min() >= -1e-6
        assert np.abs(np.diff(change, axis=1)).max() < 0.3 * max(change.max(), 1e-3)


def test_lag_smears_rows_and_moves_nothing(lattice):
    slow, _ = disturbed(spots(lattice), "lag")
    found = np.array([centroid(slow, at) for at in lattice])
    np.testing.assert_allclose(found, lattice, atol=0.02)
    assert slow.max() < spots(lattice).max()


@pytest.fixture
def scan():
    """A wall at x = 60: the phase turns over and the amplitude dips."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    across = np.tanh((x - 60) / 3)
    channels = {
        Signal.PFM_AMPLITUDE: (100 * np.abs(across) + 1).astype(np.float32),
        Signal.PFM_PHASE: np.where(across > 0, 30, -150).astype(np.float32),
        Signal.TOPOGRAPHY: (0.1 * y).astype(np.float32),
    }
    class_map = (np.abs(x - 60) <= 1.5).astype(np.uint8)
    return channels, class_map


def turned_by(before, after):
    """Difference of two phases in degrees, -180 to 180."""
    return (after - before + 180) % 360 - 180


def test_a_phase_offset_turns_the_phase_alone(scan):
    channels, class_map = scan
    new, labels = disturb_scan(channels, class_map, np.random.default_rng(2), {"phase_offset": 1})
    np.testing.assert_allclose(
        new[Signal.PFM_AMPLITUDE], channels[Signal.PFM_AMPLITUDE], rtol=1e-4
    )  # fmt: skip
    turn = turned_by(channels[Signal.PFM_PHASE], new[Signal.PFM_PHASE])
    assert np.ptp(turn, axis=1).max() < 0.01  # the same along a row
    assert abs(turn[0, 0]) > 1
    drift = np.diff(turn[:, 0])
    np.testing.assert_allclose(drift, drift[0], atol=1e-3)
    np.testing.assert_array_equal(labels, class_map)
    np.testing.assert_array_equal(new[Signal.TOPOGRAPHY], channels[Signal.TOPOGRAPHY])


def test_rows_jump_as_a_whole(scan):
    channels, class_map = scan
    new, labels = disturb_scan(channels, class_map, np.random.default_rng(2), {"row_jumps": 1})
    gain = new[Signal.PFM_AMPLITUDE] / channels[Signal.PFM_AMPLITUDE]
    assert np.ptp(gain, axis=1).max() < 1e-3
    assert np.ptp(gain[:, 0]) > 0.1
    np.testing.assert_array_equal(labels, class_map)


def test_noise_is_that_of_both_quadratures(scan):
    channels, class_map = scan
    new, _ = disturb_scan(channels, class_map, np.random.default_rng(2), {"noise": 1})
    right = np.s_[:, 90:]
    error = new[Signal.PFM_AMPLITUDE][right] - channels[Signal.PFM_AMPLITUDE][right]
    typical = 100.0
    assert 0.04 < error.std() / typical < 0.32
    turn = np.deg2rad(turned_by(channels[Signal.PFM_PHASE], new[Signal.PFM_PHASE]))[right]
    assert turn.std() == pytest.approx(error.std() / typical, rel=0.15)


@pytest.mark.parametrize("name", ["drift", "line_jitter"])
def test_walls_move_with_their_labels(scan, name):
    channels, class_map = scan
    new, labels = disturb_scan(channels, class_map, np.random.default_rng(4), {name: 1})
    x = np.arange(SHAPE[1])
    for row in range(8, 88, 16):
        at_wall = x[labels[row] == 1].mean()
        assert x[np.argmin(new[Signal.PFM_AMPLITUDE][row, 20:100]) + 20] == pytest.approx(
            at_wall, abs=1.0
        )  # fmt: skip
        turned = turned_by(new[Signal.PFM_PHASE][row, 20], new[Signal.PFM_PHASE][row])
        assert x[np.argmax(np.abs(turned) > 90)] == pytest.approx(at_wall, abs=1.5)


def test_what_is_missing_stays_missing(scan):
    channels, class_map = scan
    amplitude = channels[Signal.PFM_AMPLITUDE].copy()
    amplitude[:10] = np.nan
    every = dict.fromkeys(("noise", "lag", "row_jumps", "phase_offset"), 1.0)
    rng = np.random.default_rng(1)
    new, labels = disturb_scan({Signal.PFM_AMPLITUDE: amplitude}, class_map, rng, every)
    assert list(new) == [Signal.PFM_AMPLITUDE]
    assert np.isnan(new[Signal.PFM_AMPLITUDE][:10]).all()
    assert np.isfinite(new[Signal.PFM_AMPLITUDE][10:]).all()
    assert (labels[:10] == IGNORED).all()
    np.testing.assert_array_equal(labels[10:], class_map[10:])


@pytest.fixture
def view_of(tmp_path):
    """Views of a simulated labelled image, with these artefacts always."""

    def make(modality, artefacts):
        rng = np.random.default_rng(5)
        if modality == "atoms":
            scene = StemScene(layouts={"crystal": 1}, disorder=0.0, spacing_px=(9.0, 9.5))
            write_stem(simulate(rng, shape=(180, 210), config=scene), tmp_path / "a")
            recipe = AtomRecipe(name="x", artefacts=dict.fromkeys(artefacts, 1.0))
        else:
            pfm = PfmScene(layouts={"domains": 1}, disorder=0.0, missing={})
            write_pfm(simulate_pfm(rng, shape=(180, 210), config=pfm), tmp_path / "a", config=pfm)
            recipe = WallRecipe(name="x", artefacts=dict.fromkeys(artefacts, 1.0))
        (labelled,) = check_labelled(tmp_path, task=modality).images
        return task_of(recipe).view(labelled, None, None)

    return make


WINDOW = Window(20, 10, 120, 150)


@pytest.mark.parametrize("modality", ["atoms", "walls"])
def test_crops_of_labelled_images_keep_their_labels_in_place(view_of, modality):
    view = view_of(modality, ("drift", "line_jitter"))
    plain = view.patch(view.grid, WINDOW)
    shifted = []
    for seed in range(6):
        patch = view.patch(view.grid, WINDOW, np.random.default_rng(seed))
        assert patch.image.shape == plain.image.shape
        # Columns are bright, and walls are where the amplitude is small, as before.
        assert contrast(patch) == pytest.approx(contrast(plain), rel=0.25)
        shifted.append((patch.class_map != plain.class_map).mean())
    assert max(shifted) > 0.03


def contrast(patch):
    plane, inside = patch.image[0], patch.class_map == 1
    return plane[inside].mean() - plane[patch.class_map == 0].mean()


@pytest.mark.parametrize(
    ("modality", "artefacts"),
    [("atoms", ("dose", "contamination", "lag")), ("walls", ("noise", "row_jumps", "lag"))],
)
def test_crops_of_labelled_images_are_disturbed(view_of, modality, artefacts):
    view = view_of(modality, artefacts)
    plain = view.patch(view.grid, WINDOW)
    patch = view.patch(view.grid, WINDOW, np.random.default_rng(3))
    np.testing.assert_array_equal(patch.class_map, plain.class_map)
    assert not np.allclose(patch.image, plain.image, atol=0.1)
    again = view.patch(view.grid, WINDOW, np.random.default_rng(3))
    np.testing.assert_array_equal(again.image, patch.image)


def test_an_unknown_artefact_is_said():
    with pytest.raises(ConfigError, match="row_jump"):
        WallRecipe.from_settings({"name": "x", "artefacts": {"row_jump": 0.5}})

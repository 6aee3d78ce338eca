"""Scans of known crystals whose lines start off and whose sample drifts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d

from scanseg.distortion import (
    DistortionEstimation,
    drift_from_cell,
    fit_lines,
    measure_distortion,
    measure_series,
)
from scanseg.errors import ScansegError
from scanseg.lattice import index_atoms

SHAPE = (260, 380)
SPACING_PX, SIGMA_PX, ERR_PX = 14.0, 2.5, 0.03
SQUARE = SPACING_PX * np.eye(2)
HEXAGONAL = np.sqrt(3) * SPACING_PX * np.array([[0, 1], [np.sqrt(3) / 2, 0.5]])


def scan(rng, *, vectors=HEXAGONAL, jitter_px=0.0, stretch=0.0, shear=0.0, static=None):
    """Table of a scan, and where an undistorted one would have shown its columns.

    ``static`` moves places of the crystal: (N, 2) to (N, 2).
    """
    turn = 0.11
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    vectors = vectors @ rotation
    steps = np.stack(np.meshgrid(*[np.arange(-50, 50)] * 2, indexing="ij"), -1).reshape(-1, 2)
    sites = steps @ vectors
    if not np.allclose(vectors[0] @ vectors[1], 0):
        sites = np.concatenate([sites, sites + vectors.sum(0) / 3])
    middle = (np.array(SHAPE) - 1) / 2
    true = sites + middle
    true = true[(np.abs(sites) < 0.7 * np.array(SHAPE)).all(1)]
    if static is not None:
        true = true + static(true)
    y, x = (true - middle).T
    seen = np.stack([(1 + stretch) * y, x + shear * y], 1) + middle
    # A column averages the shifts of the lines under it.
    lines = np.arange(-100, SHAPE[0] + 100)
    shift = rng.normal(0, jitter_px, (len(lines), 2))
    weight = np.exp(-((seen[:, :1] - lines) ** 2) / (2 * SIGMA_PX**2))
    shift = weight @ shift / weight.sum(1, keepdims=True)
    measured = seen + shift + rng.normal(0, ERR_PX, seen.shape)
    inside = ((measured > 0) & (measured < np.array(SHAPE) - 1)).all(1)
    y_px, x_px = measured[inside].T
    table = pd.DataFrame(
        {"y_px": y_px, "x_px": x_px, "y_err_px": ERR_PX, "x_err_px": ERR_PX, "sigma_px": SIGMA_PX,
         "y_nm": 0.01 * y_px, "x_nm": 0.01 * x_px}
    )  # fmt: skip
    return table, true[inside], shift[inside]


def left_over(found, truth, *, free="affine"):
    """Rms error along (y, x) after the best affine map, or similarity, of truth onto found."""
    if free == "affine":
        design = np.column_stack([np.ones(len(truth)), truth])
        error = found - design @ np.linalg.lstsq(design, found, rcond=None)[0]
        return np.sqrt((error**2).mean(0))
    a, b = found @ np.array([1j, 1]), truth @ np.array([1j, 1])
    design = np.column_stack([np.ones(len(b), complex), b])
    error = a - design @ np.linalg.lstsq(design, a, rcond=None)[0]
    return np.sqrt([(error.imag**2).mean(), (error.real**2).mean()])


@pytest.mark.parametrize("vectors", [SQUARE, HEXAGONAL], ids=["square", "honeycomb"])
@pytest.mark.parametrize("jitter_px", [0.1, 0.5])
def test_jitter_and_drift_are_taken_out(vectors, jitter_px):
    rng = np.random.default_rng(3)
    table, truth, shift = scan(rng, vectors=vectors, jitter_px=jitter_px, stretch=0.01, shear=-0.02)
    found = measure_distortion(index_atoms(table, shape=SHAPE), shape=SHAPE)
    # The lattice vectors know it to 3e-5 without jitter; the mean of a line's 27 columns is off
    # by jitter that stays the same over some lines.
    assert found.drift.stretch == pytest.approx(0.01, abs=2e-3 * jitter_px + 2e-4)
    assert found.drift.shear == pytest.approx(-0.02, abs=2e-3 * jitter_px + 2e-4)
    for axis, line in enumerate((found.along_y, found.along_x)):
        true_rms = np.sqrt((shift[:, axis] ** 2).mean())
        assert line.rms_px == pytest.approx(true_rms, rel=0.2)
    place = found.correct(table)[["y_scan_px", "x_scan_px"]].to_numpy()
    before = left_over(table[["y_px", "x_px"]].to_numpy(), truth)
    after = left_over(place, truth, free="similarity")
    # What changes over more than eight spacings stays: up to a third of what columns see.
    assert (after < ERR_PX * 1.05 + 0.05 * jitter_px).all()
    assert (after < before).all()


def test_where_lines_are_straight_nothing_is_taken_out():
    rng = np.random.default_rng(4)
    table, truth, _ = scan(rng)
    found = measure_distortion(index_atoms(table, shape=SHAPE), shape=SHAPE)
    assert found.along_x.rms_px < 0.3 * ERR_PX
    place = found.correct(table)[["y_scan_px", "x_scan_px"]].to_numpy()
    assert (left_over(place, truth) < 1.02 * ERR_PX).all()


def test_error_bars_of_lines():
    pulls = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        y = rng.uniform(0, 199, 1500)
        # What columns three pixels wide see of lines that start off independently.
        lines = gaussian_filter1d(rng.normal(0, 0.3, 240), 3.0)
        shift = np.interp(y, np.arange(240) - 20, lines)
        fit = fit_lines(y, shift + rng.normal(0, 0.05, 1500), np.full(1500, 0.05), n_rows=200,
                        sigma_px=3.0)  # fmt: skip
        at = np.linspace(5, 190, 60)
        error = fit.at(at) - np.interp(at, np.arange(240) - 20, lines)
        pulls.append(error / fit.err_at(at))
    # 360 numbers, some ten of each fit independent: 0.1.
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1, abs=0.25)


def test_strain_stays_and_jitter_goes():
    def wave(place):
        moved = np.zeros_like(place)
        moved[:, 1] = 0.5 * np.sin(2 * np.pi * place[:, 0] / 400)
        return moved

    rng = np.random.default_rng(5)
    table, truth, _ = scan(rng, jitter_px=0.3, static=wave)
    indexed = index_atoms(table, shape=SHAPE)
    kept = measure_distortion(indexed, shape=SHAPE)
    removed = measure_distortion(
        indexed, shape=SHAPE, config=DistortionEstimation(slow_changes="scan")
    )
    ideal = truth - wave(truth)
    for found, wanted, other in ((kept, truth, ideal), (removed, ideal, truth)):
        place = found.corrected(table[["y_px", "x_px"]].to_numpy())
        assert left_over(place, wanted)[1] < 0.07
        assert left_over(place, wanted)[1] < left_over(place, other)[1]


def test_a_series_tells_strain_and_displaced_atoms_from_lines():
    def static(place):
        key = np.round(place / 3).astype(int)
        one = np.array([np.random.default_rng(abs(a * 7919 + b)).normal(0, 0.2, 2) for a, b in key])
        return one + 0.5 * np.sin(2 * np.pi * place[:, :1] / 90)

    frames, truths = [], []
    for number in range(6):
        table, truth, _ = scan(np.random.default_rng(100 + number), jitter_px=0.4, static=static)
        frames.append(table)
        truths.append(truth)
    every = np.unique(np.concatenate([np.round(truth, 6) for truth in truths]), axis=0)
    number = {tuple(place): n for n, place in enumerate(every)}
    points = pd.concat(
        [
            table.assign(frame=n, track=[number[tuple(p)] for p in np.round(truth, 6)])
            for n, (table, truth) in enumerate(zip(frames, truths, strict=True))
        ],
        ignore_index=True,
    )
    found = measure_series(points, shape=SHAPE, pixel_size_nm=(0.01, 0.01))
    assert sorted(found) == list(range(6))
    before, after = [], []
    for n, (table, truth) in enumerate(zip(frames, truths, strict=True)):
        place = table[["y_px", "x_px"]].to_numpy()
        before.append(left_over(place, truth))
        after.append(left_over(found[n].corrected(place), truth))
    # The mean of six frames keeps 1 / sqrt(6) of the jitter.
    assert np.mean(before) > 0.1
    assert np.mean(after) < 0.5 * np.mean(before)


def test_a_series_of_two_frames_is_refused():
    table, _, _ = scan(np.random.default_rng(1))
    points = pd.concat([table.assign(frame=n, track=np.arange(len(table))) for n in (0, 1)])
    with pytest.raises(ScansegError, match="2 frames"):
        measure_series(points, shape=SHAPE)


def test_cells_that_do_not_tell_the_drift():
    rng = np.random.default_rng(6)
    oblong = SPACING_PX * np.array([[0, 1.3], [1, 0]])
    table, _, _ = scan(rng, vectors=oblong, shear=0.01)
    indexed = index_atoms(table, shape=SHAPE)
    assert measure_distortion(indexed, shape=SHAPE).drift is None
    table, _, _ = scan(rng, vectors=SQUARE, shear=0.01)
    lattice = index_atoms(table, shape=SHAPE).lattice()
    assert drift_from_cell(lattice, "none") is None
    assert drift_from_cell(lattice).cell == "square"


def test_drift_on_pixels_that_are_not_square():
    rng = np.random.default_rng(7)
    table, truth, _ = scan(rng, vectors=SQUARE, stretch=0.02, shear=0.03)
    table["x_px"] /= 2
    table["x_err_px"] /= 2
    table["x_nm"] = 0.02 * table["x_px"]
    narrow = (SHAPE[0], SHAPE[1] // 2)
    found = measure_distortion(index_atoms(table, shape=narrow), shape=narrow)
    assert found.drift.stretch == pytest.approx(0.02, abs=2e-4)
    assert found.drift.shear == pytest.approx(0.03 / 2, abs=2e-4)
    place = found.corrected(table[["y_px", "x_px"]].to_numpy()) * (1, 2)
    assert (left_over(place, truth, free="similarity") < 1.1 * ERR_PX).all()


def test_too_few_columns_are_refused():
    table, _, _ = scan(np.random.default_rng(8))
    few = table[(table["y_px"] < 60) & (table["x_px"] < 70)]
    with pytest.raises(ScansegError, match="columns are on a lattice"):
        measure_distortion(index_atoms(few, shape=SHAPE), shape=SHAPE)

"""The sample scans and their truth belong together, and are what their script makes today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scanseg.micrograph import Signal
from scanseg.readers import read
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.files import true_points_table

FOLDER = Path(__file__).resolve().parents[1] / "sample_data"
LARGEST_BYTES = 400_000
ALL_BYTES = 3_000_000


def _script():
    spec = importlib.util.spec_from_file_location("make_sample_data", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = _script()


@pytest.mark.parametrize("name", MAKE.SCANS)
def test_a_scan_is_what_the_script_makes(name):
    """A simulator that has changed leaves the samples behind: run sample_data/make.py then."""
    shape, seed, settings = MAKE.SCANS[name]
    scene = PfmScene.from_settings({**MAKE.GOOD_SCAN, **settings})
    made = simulate_pfm(np.random.default_rng(seed), shape=shape, config=scene)
    scan = read(FOLDER / f"{name}.tif")
    assert scan.pixel_size_nm == pytest.approx((made.pixel_size_nm, made.pixel_size_nm))
    assert list(scan.channels()) == [Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY]
    # Values are kept to 12 bits, and single precision differs from machine to machine.
    np.testing.assert_allclose(scan.data, made.amplitude_pm, rtol=1e-3, atol=1e-3)
    class_map = read(FOLDER / f"{name}_class_map.tif").data
    assert (class_map == made.class_map).mean() > 0.999


@pytest.mark.parametrize("name", MAKE.SCANS)
def test_true_walls_lie_in_the_true_class_map(name):
    class_map = read(FOLDER / f"{name}_class_map.tif").data
    points = pd.read_csv(FOLDER / f"{name}_wall_points.csv")
    at = np.rint(points.loc[points["visible"], ["y_px", "x_px"]].to_numpy()).astype(int)
    number = points.loc[points["visible"], "class"].map({"ferroelectric": 1, "ferroelastic": 2})
    found = class_map[at[:, 0], at[:, 1]]
    assert (found > 0).all()
    # Where two walls cross, the nearer one has the pixel.
    assert (found == number.to_numpy()).mean() > 0.9


@pytest.mark.parametrize("name", MAKE.SCANS)
def test_true_walls_are_kept_to_a_thousandth_of_a_pixel(name):
    shape, seed, settings = MAKE.SCANS[name]
    scene = PfmScene.from_settings({**MAKE.GOOD_SCAN, **settings})
    made = simulate_pfm(np.random.default_rng(seed), shape=shape, config=scene)
    kept = pd.read_csv(FOLDER / f"{name}_wall_points.csv")
    exact = true_points_table(made, config=scene)
    for unit, size in (("px", 1.0), ("nm", made.pixel_size_nm)):
        names = [f"y_{unit}", f"x_{unit}"]
        off = (kept[names].to_numpy() - exact[names].to_numpy()) / size
        # Rounding takes half of it, single precision of another machine less than the rest.
        assert np.abs(off).max() < 1e-3


@pytest.mark.parametrize("path", sorted(FOLDER.glob("pfm_*")), ids=lambda path: path.name)
def test_scans_stay_small(path):
    assert path.stat().st_size < LARGEST_BYTES


def test_all_samples_stay_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < ALL_BYTES

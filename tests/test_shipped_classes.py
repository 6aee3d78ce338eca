"""Models that tell classes apart: loose floors, that notice swapped classes and spoilt weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scanseg.atoms import find_atoms
from scanseg.bundle import load_model
from scanseg.evaluate import match_positions
from scanseg.inference import open_engine, predict
from scanseg.readers import read
from scanseg.simulate import StemScene, simulate

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not all((ROOT / "models" / name).exists() for name in ("stem-graphene", "stem-sublattices")),
    reason="the models are not in this checkout",
)


@pytest.fixture(scope="module")
def graphene():
    model = load_model("stem-graphene")
    return model, open_engine(model, device="cpu", precision="f32")


@pytest.fixture(scope="module")
def sublattices():
    model = load_model("stem-sublattices")
    return model, open_engine(model, device="cpu", precision="f32")


def found_in(image, opened):
    model, engine = opened
    return find_atoms(predict(image, model, engine=engine))


def test_silicon_is_told_from_carbon(graphene):
    path = ROOT / "sample_data" / "graphene_silicon_dopants.tif"
    truth = pd.read_csv(path.with_name(f"{path.stem}_atoms.csv"))
    truth = truth[truth["visible"]]
    atoms = found_in(read(path), graphene)
    for name, floor in (("Si", 0.8), ("C", 0.8)):
        true = truth.loc[truth["species"] == name, ["y_px", "x_px"]].to_numpy()
        found = atoms.loc[atoms["class"] == name, ["y_px", "x_px"]].to_numpy()
        hits = len(match_positions(found, true, radius_px=3.0).found_index)
        assert 2 * hits / (len(true) + len(found)) >= floor, name


def test_bright_contamination_is_no_silicon(graphene):
    image = read(ROOT / "sample_data" / "graphene_silicon_dopants.tif")
    data = np.asarray(image.data, np.float32).copy()
    y, x = np.mgrid[: data.shape[0], : data.shape[1]]
    blob = np.clip(2.0 * np.exp(-((y - 60) ** 2 + (x - 90) ** 2) / (2 * 28.0**2)), 0, 1)
    brightest = float(np.percentile(data, 99.9))  # as bright as silicon
    rng = np.random.default_rng(3)
    dirty = data + rng.poisson(3 * brightest * blob).astype(np.float32)
    atoms = found_in(dirty, graphene)
    silicon = atoms.loc[atoms["class"] == "Si", ["y_px", "x_px"]].to_numpy()
    inside = blob[tuple(np.rint(silicon).astype(int).clip(0, np.array(data.shape) - 1).T)] > 0.9
    assert inside.sum() <= 1


@pytest.mark.parametrize(
    ("material", "signal"),
    [
        ("SrTiO3[001]", "dark-field"),
        ("LaMnO3[001]", "dark-field"),
        ("SrTiO3[001]", "bright-field"),
        ("MoS2", "dark-field"),
        ("WSe2", "dark-field"),
    ],
)
def test_heavy_and_light_columns_are_told_apart(sublattices, material, signal):
    scene = StemScene(
        materials=(material,), random_lattice_fraction=0.0, layouts={"crystal": 1}, signal=signal,
        counts_per_column=(1000, 2000), disorder=0.2, spacing_px=(12, 16),
        sigma_of_spacing=(0.18, 0.24), background_of_peak=(0.05, 0.5),
    )  # fmt: skip
    right = judged = 0
    for seed in range(2):
        drawn = simulate(np.random.default_rng(seed), shape=(150, 170), config=scene)
        atoms = found_in(drawn.micrograph(), sublattices)
        told = drawn.visible & (drawn.sublattice != "")
        matches = match_positions(
            atoms[["y_px", "x_px"]].to_numpy(), drawn.position_px[told], radius_px=3.0
        )
        names = atoms["class"].to_numpy().astype(str)[matches.found_index]
        right += (names == drawn.sublattice[told][matches.truth_index]).sum()
        judged += len(names)
        assert len(names) > 0.8 * told.sum()
    assert right / judged >= 0.9

"""What is packed in models/: that it is whole, and that it still sees atoms.

Floors here are loose. They notice weights without their normalisation, swapped classes or a grid
that is off; how good a model is, benchmarks/ tell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from scanseg.atoms import find_atoms
from scanseg.bundle import load_model, model_names, self_test
from scanseg.evaluate import match_positions
from scanseg.inference import open_engine, predict
from scanseg.micrograph import Micrograph
from scanseg.preprocess import Grid
from scanseg.readers import read
from scanseg.train.recipe import read_recipe

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted(
    path
    for path in (ROOT / "sample_data").glob("*.tif")
    if path.with_name(f"{path.stem}_atoms.csv").exists()
)
FOLDERS = sorted(path.parent for path in (ROOT / "models").glob("*/model.yaml"))
# Twice what weights of 3 MB take as safetensors and as ONNX: a checkpoint would be larger.
LARGEST_BYTES = 15_000_000
# Over all samples together. Columns that the simulator calls visible reach down to the limit of
# what can be seen, so a good model misses some; a spoilt one invents columns or finds few.
RECALL_FLOOR = 0.9
PRECISION_FLOOR = 0.9

needs_atoms = pytest.mark.skipif(
    not (ROOT / "models" / "stem-atoms").exists(), reason="the model is not in this checkout"
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_is_whole(folder):
    model = load_model(folder, verify=True)
    assert model.name == folder.name
    assert model.name in model_names()
    assert self_test(model).passed
    assert sum(path.stat().st_size for path in folder.rglob("*")) < LARGEST_BYTES
    assert read_recipe(ROOT / "configs" / model.contract.recipe).name == model.name
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("#")


@pytest.fixture(scope="module")
def model():
    return load_model("stem-atoms")


@pytest.fixture(scope="module")
def engine(model):
    return open_engine(model, device="cpu", precision="f32")


@needs_atoms
def test_columns_of_the_samples_are_found(model, engine):
    n_visible = n_recalled = n_judged = n_right = 0
    for path in SAMPLES:
        image = read(path)
        truth = pd.read_csv(path.with_name(f"{path.stem}_atoms.csv"))
        found = find_atoms(predict(image, model, engine=engine))
        found_px = found[["y_px", "x_px"]].to_numpy()
        # The truth ends at the image; a column beyond it may be found by its flank.
        limits_px = np.array(image.shape) - 0.5
        found_px = found_px[((found_px > -0.5) & (found_px < limits_px)).all(axis=1)]
        every_px = truth[["y_px", "x_px"]].to_numpy()
        visible_px = every_px[truth["visible"].to_numpy(bool)]
        radius_px = np.median(cKDTree(visible_px).query(visible_px, k=2)[0][:, 1]) / 4
        n_visible += len(visible_px)
        n_recalled += len(match_positions(found_px, visible_px, radius_px=radius_px).found_index)
        # To find a column that is lost in noise is no mistake.
        n_judged += len(found_px)
        n_right += len(match_positions(found_px, every_px, radius_px=radius_px).found_index)
    assert n_recalled / n_visible >= RECALL_FLOOR
    assert n_right / n_judged >= PRECISION_FLOOR


@pytest.fixture(scope="module")
def seen(model, engine):
    """A sample and its prediction, on the grid that was found for it."""
    image = read(ROOT / "sample_data" / "silicon_dumbbells.tif")
    data = np.asarray(image.data, np.float32)[:, :290]
    return predict(Micrograph(data), model, engine=engine)


def _foreground(seen, data, engine):
    """Probability of an atom on the grid of ``seen``, turned if the image is."""
    shape = seen.grid.shape if data.shape == seen.image.shape else seen.grid.shape[::-1]
    found = predict(data, seen.model, grid=Grid(data.shape, shape), engine=engine)
    return found.foreground[0] / 255


@needs_atoms
def test_gain_and_offset_change_nothing(seen, engine):
    found = _foreground(seen, 7 * seen.image.data + 300, engine)
    assert np.abs(found - seen.foreground[0] / 255).max() <= 0.02


@needs_atoms
def test_a_turned_image_is_predicted_turned(seen, engine):
    found = np.rot90(_foreground(seen, np.rot90(seen.image.data), engine), -1)
    # On average: a network learns that direction means nothing, and flanks differ by more.
    assert np.abs(found - seen.foreground[0] / 255).mean() <= 0.02


@needs_atoms
@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_bad_pixels_are_forgiven(seen, engine, value):
    data = seen.image.data.copy()
    data[np.random.default_rng(5).random(data.shape) < 0.001] = value
    found = _foreground(seen, data, engine)
    # A pixel in a thousand, and each is part of what some 5 x 5 pixels of the grid show.
    assert np.abs(found - seen.foreground[0] / 255).mean() <= 0.025


def strange_images():
    """What an electron microscope for surfaces, a camera and a noisy amplifier give."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:400, :500]
    particles = np.zeros((400, 500))
    for _ in range(60):  # bright edges, as secondary electrons make them
        row, column, radius = rng.uniform(0, 400), rng.uniform(0, 500), rng.lognormal(2.9, 0.6)
        distance = np.hypot(y - row, x - column) / radius
        particles = np.where(distance < 1, 0.4 + 0.6 * distance**4, particles)
    yield "particles", ndimage.gaussian_filter(particles, 1) + rng.normal(0, 0.05, particles.shape)
    for power in (0.0, 1.0, 2.0, 3.0):  # of its spectrum; 2 is that of photographs
        frequency = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.fftfreq(260))
        frequency[0, 0] = 1
        spectrum = np.fft.fft2(rng.normal(size=frequency.shape)) * frequency ** (-power / 2)
        yield f"noise of 1/f^{power:g}", np.fft.ifft2(spectrum).real


@needs_atoms
@pytest.mark.parametrize(
    ("name", "image"), [pytest.param(*each, id=each[0]) for each in strange_images()]
)
def test_an_image_unlike_the_training_data_is_warned_of(name, image, model, engine):
    said = " ".join(predict(image, model, engine=engine).warnings)
    assert any(each in said for each in ("unlike", "No atom column", "Only")), name


@needs_atoms
def test_crystals_are_no_reason_to_warn(model, engine):
    for path in SAMPLES:
        assert not any(
            "unlike" in each for each in predict(read(path), model, engine=engine).warnings
        )

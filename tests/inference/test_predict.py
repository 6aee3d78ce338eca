import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from scanseg import mapped
from scanseg.bundle import foreground_probability
from scanseg.errors import ConfigError, ScansegError
from scanseg.inference import InferenceConfig, OpenvinoEngine, Prediction, predict
from scanseg.inference.tiles import plan_tiles
from scanseg.micrograph import Micrograph, Stack
from scanseg.preprocess import Grid, measure_range, normalise

ONE_STEP = 1  # of uint8: two roundings to 1/255 of numbers that differ in the seventh digit
# Surroundings are blurred over more than the halo; what lies beyond it may move a probability by
# 0.01 (the tolerance halos are measured with), and that is rounded to 1/255 twice.
HALO_STEPS = 3


def lattice(shape, *, spacing=9.0, dtype=np.uint16, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    spots = (2 + np.cos(2 * np.pi * (y + 0.2 * x) / spacing) + np.cos(2 * np.pi * x / spacing)) / 4
    return rng.poisson(20 + 100 * spots**3).astype(dtype)


def identity(shape):
    return Grid(shape, shape)


@pytest.fixture(scope="module")
def engine(model):
    return OpenvinoEngine(model, n_threads=1)


def test_the_plain_case_is_the_network_and_nothing_else(model, engine):
    image = lattice((64, 96))
    normalisation = model.contract.normalisation
    intensity = measure_range(image, normalisation)
    tile = normalise(image.astype(np.float32), intensity, normalisation)
    expected = foreground_probability(engine.logits(tile[None, None]))[0, 0]
    found = predict(image, model, grid=identity(image.shape), engine=engine)
    # Half a step of the rounding to 1/255.
    np.testing.assert_allclose(found.probability[1], expected, atol=0.51 / 255)
    np.testing.assert_allclose(found.probability.sum(axis=0), 1, atol=1e-6)
    decided = np.abs(expected - 0.5) > 1 / 255
    assert ((found.class_map == 1) == (expected > 0.5))[decided].all()


def test_tiles_equal_the_whole_image(model, engine):
    image = lattice((210, 333))
    whole = predict(image, model, grid=identity(image.shape), engine=engine)
    tiled = predict(
        image,
        model,
        grid=identity(image.shape),
        engine=engine,
        config=InferenceConfig(tile_px=96, batch_tiles=3),
    )
    difference = np.abs(tiled.foreground.astype(int) - whole.foreground)
    assert difference.max() <= HALO_STEPS


@pytest.mark.parametrize("shape", [(430, 517), (150, 171)])
def test_tiles_equal_the_whole_image_on_another_grid(model, engine, shape):
    image = lattice((287, 345))
    grid = Grid(image.shape, shape)
    whole = predict(image, model, grid=grid, engine=engine)
    tiled = predict(image, model, grid=grid, engine=engine, config=InferenceConfig(tile_px=96))
    difference = np.abs(tiled.foreground.astype(int) - whole.foreground)
    assert difference.max() <= HALO_STEPS


def test_seams_cannot_be_found(model, engine):
    rng = np.random.default_rng(8)
    image = rng.poisson(50, size=(400, 420)).astype(np.float32)
    grid = identity(image.shape)
    config = InferenceConfig(tile_px=96)
    found = predict(image, model, grid=grid, engine=engine, config=config).probability[1]
    tiles = plan_tiles(
        grid,
        tile_px=96,
        halo_px=model.contract.halo_px,
        multiple_px=model.contract.size_multiple_px,
    )
    cuts = sorted({tile.columns.first for tile in tiles} - {0})
    assert len(cuts) > 3
    steps = np.abs(np.diff(found, axis=1)).mean(axis=0)  # step i is between columns i and i + 1
    phase = (np.arange(steps.size) + 1) % model.contract.size_multiple_px
    at_cuts = steps[np.array(cuts) - 1].mean()
    elsewhere = np.setdiff1d(np.arange(steps.size), np.array(cuts) - 1)
    same_phase = steps[[i for i in elsewhere if phase[i] in phase[np.array(cuts) - 1]]]
    # The mean over a few hundred rows and a few cuts scatters by some per cent.
    assert at_cuts == pytest.approx(same_phase.mean(), rel=0.1)


def test_a_large_prediction_lies_in_a_file_and_is_the_same(model, engine, monkeypatch, tmp_path):
    image = lattice((150, 217))
    grid = Grid(image.shape, (170, 171))
    config = InferenceConfig(tile_px=96, augment="flips")
    options = {"grid": grid, "engine": engine, "config": config}
    found = predict(image, model, **options)
    monkeypatch.setattr(mapped, "LARGE_BYTES", 20_000)
    stored = tmp_path / "image.npy"
    np.save(stored, image)
    large = predict(np.load(stored, mmap_mode="r"), model, scratch=tmp_path, **options)
    assert not mapped.is_mapped(found.foreground)
    assert mapped.is_mapped(large.foreground)
    assert mapped.is_mapped(large.spread)
    np.testing.assert_array_equal(large.foreground, found.foreground)
    np.testing.assert_array_equal(large.probability, found.probability)
    np.testing.assert_array_equal(large.uncertainty, found.uncertainty)


def test_augmentation_makes_the_prediction_symmetric(model, engine):
    image = lattice((48, 64))
    config = InferenceConfig(augment="dihedral")
    found = predict(image, model, grid=identity(image.shape), engine=engine, config=config)
    turned = predict(np.rot90(image), model, grid=identity((64, 48)), engine=engine, config=config)
    difference = np.rot90(found.foreground[0]).astype(int) - turned.foreground[0]
    assert np.abs(difference).max() <= ONE_STEP
    assert found.spread.shape == (48, 64)
    assert (found.uncertainty >= found.spread / 255 - 1e-6).all()
    plain = predict(image, model, grid=identity(image.shape), engine=engine)
    assert plain.spread is None


def test_temperature_softens(model, engine):
    image = lattice((40, 56))
    softer = type(model)(model.folder, model.contract.model_copy(update={"temperature": 3.0}))
    hard, soft = (
        predict(image, each, grid=identity(image.shape), engine=engine) for each in (model, softer)
    )
    np.testing.assert_array_equal(hard.class_map, soft.class_map)
    assert soft.uncertainty.mean() > hard.uncertainty.mean()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_any_type_of_number_gives_the_same(model, engine, dtype):
    image = lattice((45, 61), dtype=dtype)
    expected = predict(image.astype(np.float32), model, grid=identity(image.shape), engine=engine)
    found = predict(image, model, grid=identity(image.shape), engine=engine)
    np.testing.assert_array_equal(found.foreground, expected.foreground)


def test_gain_and_offset_do_not_matter(model, engine):
    image = lattice((45, 61), dtype=np.float32)
    expected = predict(image, model, grid=identity(image.shape), engine=engine)
    found = predict(3 * image + 1000, model, grid=identity(image.shape), engine=engine)
    difference = np.abs(found.foreground.astype(int) - expected.foreground)
    assert difference.max() <= ONE_STEP


def test_hot_and_missing_pixels_stay_local(model, engine):
    image = lattice((90, 110), dtype=np.float32)
    expected = predict(image, model, grid=identity(image.shape), engine=engine).foreground[0]
    image[40, 50] = 20 * image.max()
    image[60, 20] = np.nan
    found = predict(image, model, grid=identity(image.shape), engine=engine).foreground[0]
    y, x = np.mgrid[:90, :110]
    far = (np.hypot(y - 40, x - 50) > 20) & (np.hypot(y - 60, x - 20) > 20)
    assert np.abs(found.astype(int) - expected)[far].max() <= 5


@pytest.mark.parametrize("shape", [(1, 2), (3, 50), (17, 19)])
def test_tiny_images_are_padded(model, engine, shape):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = predict(image, model, grid=identity(shape), engine=engine)
    assert found.probability.shape == (2, *shape)
    assert np.isfinite(found.uncertainty).all()


def test_a_flat_grid_returns_to_the_image(model):
    grid = Grid((70, 90), (141, 133))
    foreground = np.full((2, *grid.shape), 51, np.uint8)
    prediction = a_prediction(model, grid, foreground)
    np.testing.assert_allclose(prediction.probability[1:], 0.2, atol=1e-6)
    assert prediction.class_map.shape == (70, 90)
    assert (prediction.class_map == 0).all()


@pytest.mark.parametrize("shape", [(30, 44), (161, 223)])
def test_positions_return_to_the_image(model, shape):
    grid = Grid((70, 90), shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    position_px = np.array([31.3, 52.8])
    on_grid = grid.to_grid(position_px[None])[0]
    width = 6.0 * np.array(grid.scale)
    spot = np.exp(-(((y - on_grid[0]) / width[0]) ** 2 + ((x - on_grid[1]) / width[1]) ** 2) / 2)
    prediction = a_prediction(model, grid, np.round(255 * spot).astype(np.uint8)[None])
    weight = prediction.probability[1]
    rows, columns = np.mgrid[:70, :90]
    found = [(weight * rows).sum() / weight.sum(), (weight * columns).sum() / weight.sum()]
    # Rounding to 1/255 over some 200 pixels: far below a tenth of a pixel.
    np.testing.assert_allclose(found, position_px, atol=0.02)


def test_rows_are_those_of_the_whole(model):
    rng = np.random.default_rng(3)
    grid = Grid((70, 90), (161, 123))
    prediction = a_prediction(model, grid, rng.integers(0, 128, (2, *grid.shape), dtype=np.uint8))
    rows = np.concatenate([prediction.class_map_rows(i, min(i + 9, 70)) for i in range(0, 70, 9)])
    np.testing.assert_array_equal(rows, prediction.class_map)
    uncertainty = prediction.uncertainty
    assert uncertainty.min() >= 0
    assert uncertainty.max() <= 1


def test_uncertainty_is_the_entropy(model):
    grid = identity((1, 3))
    prediction = a_prediction(model, grid, np.array([[[0, 255, 51]]], np.uint8))
    expected = [0, 0, -(0.2 * np.log2(0.2) + 0.8 * np.log2(0.8))]
    np.testing.assert_allclose(prediction.uncertainty[0], expected, atol=1e-6)


def a_prediction(model, grid, foreground):
    return Prediction(
        image=Micrograph(np.zeros(grid.image_shape, np.uint8)),
        model=model,
        grid=grid,
        spacing=None,
        intensity=None,
        foreground=foreground,
    )


def test_calibration_is_kept(model, engine):
    image = lattice((40, 56))
    found = predict(image, model, grid=identity(image.shape), engine=engine, pixel_size_nm=0.02)
    assert found.image.pixel_size_nm == (0.02, 0.02)


def test_images_without_content_are_refused(model, engine):
    with pytest.raises(ScansegError, match="nothing to see"):
        predict(np.full((20, 30), 7), model, engine=engine)
    with pytest.raises(ScansegError, match="nothing to see"):
        predict(np.full((20, 30), np.nan), model, engine=engine)


def test_a_movie_is_predicted_frame_by_frame(model, engine):
    image = Micrograph(lattice((40, 56)))
    with pytest.raises(ConfigError, match="movie of 2 frames"):
        predict(Stack(lambda index: image.data, 2, image), model, engine=engine)


def test_settings_load_nothing_heavy():
    code = (
        "import sys; from scanseg.inference import InferenceConfig;"
        "sys.exit(' '.join({'torch', 'numba', 'openvino', 'scipy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.stderr.strip() == ""


class Zeros:
    """An engine that takes no memory of its own."""

    description = "zeros"

    def logits(self, tiles):
        return np.zeros((tiles.shape[0], 2, *tiles.shape[2:]), np.float32)


def test_memory_does_not_grow_with_the_image(model):
    image = lattice((60, 80)).repeat(40, axis=0).repeat(40, axis=1)
    tile_px = 200
    grid = identity(image.shape)
    config = InferenceConfig(tile_px=tile_px)
    predict(image[:300, :300], model, grid=identity((300, 300)), engine=Zeros(), config=config)
    tracemalloc.start()
    found = predict(image, model, grid=grid, engine=Zeros(), config=config)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Beside the result: the sample of the percentiles (some ten arrays of 8 bytes a pixel),
    # and for each of two threads some ten float32 copies of a tile.
    sample = 10 * 8 * 65_536
    tiles = 2 * 10 * 4 * tile_px**2
    assert peak - found.foreground.nbytes < sample + tiles

"""Candidates from probability maps that were made by hand."""

from pathlib import Path

import numpy as np
import pytest

from scanseg.atoms import Detection, find_columns
from scanseg.atoms import find as find_module
from scanseg.bundle import Model, ModelClass, ModelContract, Sampling
from scanseg.inference import Prediction
from scanseg.micrograph import Micrograph
from scanseg.preprocess import Grid


def prediction(maps, *, image_shape=None, threshold=0.5):
    """A prediction whose foreground probabilities, shape (C - 1, h, w), are ``maps``."""
    maps = np.asarray(maps)
    names = ("background", "heavy", "light")[: len(maps) + 1]
    contract = ModelContract(
        name="by-hand", version="1", task="atoms", modality="STEM",
        classes=tuple(ModelClass(name=name, colour="#000000") for name in names),
        sampling=Sampling(spacing_px=12.0), halo_px=0, threshold=threshold, recipe="", seed=0,
        data="", scanseg_version="0",
    )  # fmt: skip
    shape = maps.shape[1:]
    grid = Grid(image_shape or shape, shape)
    return Prediction(
        image=Micrograph(np.zeros(grid.image_shape, np.uint8)),
        model=Model(Path("by-hand"), contract),
        grid=grid,
        spacing=None,
        intensity=None,
        foreground=np.round(255 * maps).astype(np.uint8),
    )


def bumps(position, heights=None, *, shape=(84, 110)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    found = np.zeros(shape)
    heights = np.ones(len(position)) if heights is None else heights
    for (cy, cx), height in zip(position, heights, strict=True):
        found += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.5**2))
    return found.clip(0, 1)


POSITION = np.array([[10.3, 12.6], [10.4, 60.0], [40.7, 30.2], [65.0, 90.5]])


def test_columns_from_top_to_bottom():
    found = find_columns(prediction([bumps(POSITION)]))
    # Probabilities in steps of 1/255 move the top of a bump by a few hundredths of a pixel.
    np.testing.assert_allclose(found.position_px, POSITION, atol=0.1)
    np.testing.assert_array_equal(found.class_index, 1)
    # Of the nearest pixel.
    np.testing.assert_allclose(found.probability, 1, atol=0.05)


def test_positions_are_those_of_the_image():
    found = find_columns(prediction([bumps(POSITION)], image_shape=(42, 220)))
    grid = Grid((42, 220), (84, 110))
    np.testing.assert_allclose(found.position_px, grid.to_image(POSITION), atol=0.2)


def test_classes_compete_for_a_place():
    heavy = bumps(POSITION, [0.9, 0.3, 0.05, 0.0])
    light = bumps(POSITION, [0.05, 0.6, 0.85, 0.3])
    found = find_columns(prediction([heavy, light]))
    # The last is less probable than the threshold whatever its class.
    np.testing.assert_allclose(found.position_px, POSITION[:3], atol=0.1)
    np.testing.assert_array_equal(found.class_index, [1, 2, 2])
    np.testing.assert_allclose(found.probability, [0.9, 0.6, 0.85], atol=0.05)


def test_thresholds():
    maps = [bumps(POSITION, [0.95, 0.7, 0.45, 0.2])]
    # Smoothing by one pixel lowers a bump of width 2.5 by a seventh.
    assert len(find_columns(prediction(maps)).probability) == 2
    assert len(find_columns(prediction(maps, threshold=0.3)).probability) == 3
    config = Detection(threshold=0.75)
    assert len(find_columns(prediction(maps), config=config).probability) == 1


def test_close_pairs():
    pair = np.array([[30.0, 30.0], [30.0, 36.0]])
    maps = [bumps(pair, [0.9, 0.8])]
    assert len(find_columns(prediction(maps)).probability) == 2
    found = find_columns(prediction(maps), config=Detection(closest_of_spacing=0.6))
    assert len(found.probability) == 1
    assert found.position_px[0, 1] == pytest.approx(
        30, abs=1
    )  # the higher one, pulled by the other


@pytest.mark.parametrize("band", [7, 20, 41])
def test_bands_change_nothing(monkeypatch, band):
    rng = np.random.default_rng(6)
    position = np.mgrid[0:84:9, 4:110:9].reshape(2, -1).T + rng.uniform(-2, 2, (120, 2))
    maps = [bumps(position, rng.uniform(0.4, 1, 120))]
    whole = find_columns(prediction(maps))
    monkeypatch.setattr(find_module, "BAND_ROWS", band)
    banded = find_columns(prediction(maps))
    order = [np.lexsort(found.position_px.T[::-1]) for found in (whole, banded)]
    np.testing.assert_allclose(banded.position_px[order[1]], whole.position_px[order[0]])
    assert len(whole.position_px) > 60


def test_nothing_is_found_in_nothing():
    found = find_columns(prediction(np.zeros((2, 50, 60))))
    assert found.position_px.shape == (0, 2)
    assert len(found.class_index) == len(found.probability) == 0

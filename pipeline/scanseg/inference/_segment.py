"""Apply a network to an image, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.bundle import ModelContract
from scanseg.bundle.probability import as_bytes, foreground_probability
from scanseg.inference.engines import Engine
from scanseg.inference.settings import InferenceConfig
from scanseg.inference.tiles import Tile, plan_tiles
from scanseg.micrograph import FloatImage, RealImage
from scanseg.preprocess import Grid, IntensityRange, normalise, resample_window

__all__ = ["Segmentation", "segment"]

# (quarter turns, mirrored): the four flips, and all eight symmetries of a square.
SYMMETRIES = {
    "none": ((0, False),),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "dihedral": tuple((turns, mirrored) for turns in range(4) for mirrored in (False, True)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """What a network sees in an image, on its grid.

    Parameters
    ----------
    foreground
        Probability x 255 of every class but the background, shape (C - 1, h, w).
    spread
        Twice the standard deviation x 255 over the symmetries, the largest of the classes, shape
        (h, w); None without augmentation.
    """

    foreground: NDArray[np.uint8]
    spread: NDArray[np.uint8] | None


def segment(
    data: RealImage,
    grid: Grid,
    intensity: IntensityRange,
    engine: Engine,
    contract: ModelContract,
    *,
    config: InferenceConfig,
) -> Segmentation:
    """Probabilities of an image on a grid.

    Memory beside the result: two tiles of float32, whatever the size of the image. Two threads take
    turns, so that one prepares its tile while the network computes that of the other.

    Parameters
    ----------
    data
        The measured image, shape (height, width), of any real type.
    grid
        How the network wants it sampled.
    intensity
        Its range.
    engine
        What computes logits.
    contract
        Promises of the model.
    config
        Tiles and augmentation.
    """
    tiles = plan_tiles(
        grid,
        tile_px=config.tile_px,
        halo_px=contract.halo_px,
        multiple_px=contract.size_multiple_px,
    )
    symmetries = SYMMETRIES[config.augment]
    result = Segmentation(
        np.empty((len(contract.classes) - 1, *grid.shape), np.uint8),
        np.empty(grid.shape, np.uint8) if len(symmetries) > 1 else None,
    )

    def compute(batch: tuple[Tile, ...]) -> None:
        windows = [
            normalise(
                resample_window(data, grid, tile.window, intensity),
                intensity,
                contract.normalisation,
            )
            for tile in batch
        ]
        probability, spread = _probability(
            np.stack(windows)[:, None], engine, symmetries, temperature=contract.temperature
        )
        for index, tile in enumerate(batch):
            kept = (..., *tile.kept_of_tile)
            result.foreground[(..., *tile.kept_of_grid)] = as_bytes(probability[index][kept])
            if result.spread is not None and spread is not None:
                result.spread[tile.kept_of_grid] = as_bytes(spread[index][kept])

    batches = list(_batches(tiles, config.batch_tiles))
    if len(batches) == 1:
        compute(batches[0])
    else:
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(compute, batches):
                pass
    return result


def _probability(
    tiles: FloatImage,
    engine: Engine,
    symmetries: tuple[tuple[int, bool], ...],
    *,
    temperature: float,
) -> tuple[FloatImage, FloatImage | None]:
    """Foreground probability (N, C - 1, h, w), mean over symmetries, and its spread (N, h, w)."""
    views = (
        _turned_back(
            foreground_probability(
                engine.logits(_turned(tiles, *symmetry)), temperature=temperature
            ),
            *symmetry,
        )
        for symmetry in symmetries
    )
    first = next(views)
    if len(symmetries) == 1:
        return first, None
    total, squares = first.copy(), first**2
    for view in views:
        total += view
        squares += view**2
    mean: FloatImage = total / np.float32(len(symmetries))
    variance = np.maximum(squares / np.float32(len(symmetries)) - mean**2, 0)
    # Probabilities lie within 0 to 1, so a standard deviation is at most 1/2.
    spread: FloatImage = 2 * np.sqrt(variance.max(axis=1))
    return mean, np.minimum(spread, np.float32(1))


def _turned(tiles: FloatImage, turns: int, mirrored: bool) -> FloatImage:
    turned = np.rot90(tiles, turns, axes=(2, 3))
    return np.ascontiguousarray(turned[..., ::-1] if mirrored else turned)


def _turned_back(tiles: FloatImage, turns: int, mirrored: bool) -> FloatImage:
    return np.rot90(tiles[..., ::-1] if mirrored else tiles, -turns, axes=(2, 3))


def _batches(tiles: tuple[Tile, ...], n: int) -> Iterator[tuple[Tile, ...]]:
    return (tiles[start : start + n] for start in range(0, len(tiles), n))

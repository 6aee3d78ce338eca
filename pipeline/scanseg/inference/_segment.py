"""Apply a network to an image, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanseg.bundle import ModelContract
from scanseg.bundle.probability import as_bytes, member_probability
from scanseg.inference.engines import Engine
from scanseg.inference.settings import InferenceConfig
from scanseg.inference.tiles import Tile, plan_tiles
from scanseg.mapped import empty, let_go
from scanseg.micrograph import FloatImage, RealImage
from scanseg.preprocess import Grid, IntensityRange, Window, normalise, resample_window

__all__ = ["Segmentation", "Source", "counts_source", "planes_source", "segment"]

# Network input (channels, height, width) of a window of the grid, which may reach beyond it.
Source = Callable[[Window], FloatImage]

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
        Twice the standard deviation x 255 over symmetries and members, the largest of the classes,
        shape (h, w); None for a single network without augmentation.
    """

    foreground: NDArray[np.uint8]
    spread: NDArray[np.uint8] | None


def counts_source(
    data: RealImage, grid: Grid, intensity: IntensityRange, contract: ModelContract
) -> Source:
    """Input of a network with one channel, resampled and normalised window by window."""
    normalisation = contract.normalisation
    assert normalisation is not None  # the contract of a model for atoms has one

    def window_of(window: Window) -> FloatImage:
        sampled = resample_window(data, grid, window, intensity)
        return normalise(sampled, intensity, normalisation)[None]

    return window_of


def planes_source(planes: FloatImage) -> Source:
    """Windows of input that is there already, shape (channels, height, width)."""

    def window_of(window: Window) -> FloatImage:
        top, left, height, width = window
        inner = planes[:, top : top + height, left : left + width]
        missing = height - inner.shape[1], width - inner.shape[2]
        if not any(missing):
            return inner
        # "symmetric" repeats the border pixel, so that even a one-pixel image can be padded.
        return np.pad(inner, ((0, 0), (0, missing[0]), (0, missing[1])), mode="symmetric")

    return window_of


def segment(
    source: Source,
    grid: Grid,
    engine: Engine,
    contract: ModelContract,
    *,
    config: InferenceConfig,
    scratch: Path | None = None,
) -> Segmentation:
    """Probabilities of an image on a grid.

    Memory beside the result: two tiles of float32, whatever the size of the image; a large result
    lies in a file. Two threads take turns, so that one prepares its tile while the network computes
    that of the other.

    Parameters
    ----------
    source
        What the network gets to see.
    grid
        Where.
    engine
        What computes logits.
    contract
        Promises of the model.
    config
        Tiles and augmentation.
    scratch
        Folder for a result that is too large for the memory.
    """
    tiles = plan_tiles(
        grid,
        tile_px=config.tile_px,
        halo_px=contract.halo_px,
        multiple_px=contract.size_multiple_px,
    )
    symmetries = SYMMETRIES[config.augment]
    result = Segmentation(
        empty((len(contract.classes) - 1, *grid.shape), np.uint8, folder=scratch),
        empty(grid.shape, np.uint8, folder=scratch)
        if len(symmetries) * contract.members > 1
        else None,
    )

    def compute(batch: tuple[Tile, ...]) -> None:
        windows = np.stack([source(tile.window) for tile in batch])
        probability, spread = _probability(windows, engine, symmetries, contract)
        for index, tile in enumerate(batch):
            kept = (..., *tile.kept_of_tile)
            result.foreground[(..., *tile.kept_of_grid)] = as_bytes(probability[index][kept])
            if result.spread is not None and spread is not None:
                result.spread[tile.kept_of_grid] = as_bytes(spread[index][kept])
        let_go(result.foreground)
        if result.spread is not None:
            let_go(result.spread)

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
    contract: ModelContract,
) -> tuple[FloatImage, FloatImage | None]:
    """Foreground probability (N, C - 1, h, w), mean of all views, and its spread (N, h, w).

    Every member of an ensemble has a view of each symmetry.
    """
    views = _views(tiles, engine, symmetries, contract)
    first = next(views)
    n_views = len(symmetries) * contract.members
    if n_views == 1:
        return first, None
    total, squares = first.copy(), first**2
    for view in views:
        total += view
        squares += view**2
    mean: FloatImage = total / np.float32(n_views)
    variance = np.maximum(squares / np.float32(n_views) - mean**2, 0)
    # Probabilities lie within 0 to 1, so a standard deviation is at most 1/2.
    spread: FloatImage = 2 * np.sqrt(variance.max(axis=1))
    return mean, np.minimum(spread, np.float32(1))


def _views(
    tiles: FloatImage, engine: Engine, symmetries: tuple[tuple[int, bool], ...],
    contract: ModelContract,
) -> Iterator[FloatImage]:  # fmt: skip
    for symmetry in symmetries:
        each = member_probability(
            engine.logits(_turned(tiles, *symmetry)),
            temperature=contract.temperature,
            n_members=contract.members,
        )
        for member in range(contract.members):
            yield _turned_back(each[:, member], *symmetry)


def _turned(tiles: FloatImage, turns: int, mirrored: bool) -> FloatImage:
    turned = np.rot90(tiles, turns, axes=(2, 3))
    return np.ascontiguousarray(turned[..., ::-1] if mirrored else turned)


def _turned_back(tiles: FloatImage, turns: int, mirrored: bool) -> FloatImage:
    return np.rot90(tiles[..., ::-1] if mirrored else tiles, -turns, axes=(2, 3))


def _batches(tiles: tuple[Tile, ...], n: int) -> Iterator[tuple[Tile, ...]]:
    return (tiles[start : start + n] for start in range(0, len(tiles), n))

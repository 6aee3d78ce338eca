"""All tiles of a large image, some at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import numpy as np

from scanseg.atoms._columns import RefinedColumns
from scanseg.atoms._judgement import accept, blank, finished
from scanseg.atoms._pilot import Pilot
from scanseg.atoms._scene import Scene, Tile, on_a_pixel, tiles_of
from scanseg.atoms._tile_fit import advance, begin, cut, window_rows


def fit_at_once(scene: Scene, pilot: Pilot | None) -> RefinedColumns:
    """The columns of a small image, whose pilot was the fit; without one there are none."""
    columns = _blank(scene, 0, len(scene.start))
    if pilot is not None and pilot.whole is not None:
        accept(columns, scene, pilot, pilot.whole)
    return finished(columns, scene, pilot)


def fit_tiles(scene: Scene, pilot: Pilot) -> RefinedColumns:
    """Fit every tile with the widths and the noise of the pilot."""
    columns = _blank(scene, 0, len(scene.start))
    _fit_all(list(tiles_of(scene.shape, scene.tile_side())), columns, scene, pilot, 0)
    return finished(columns, scene, pilot)


def fit_strips(scene: Scene, pilot: Pilot) -> Iterator[tuple[slice, RefinedColumns]]:
    """The same a row of tiles at a time, for columns that are sorted from top to bottom.

    Yields which columns of the scene they are, and what is known of them.
    """
    below = 0
    for _, row in groupby(tiles_of(scene.shape, scene.tile_side()), lambda tile: tile.top):
        tiles = list(row)
        first, below = below, _columns_above(scene, tiles[0].bottom)
        columns = _blank(scene, first, below)
        _fit_all(tiles, columns, scene, pilot, first)
        yield slice(first, below), finished(columns, scene, pilot)


def _blank(scene: Scene, first: int, below: int) -> RefinedColumns:
    start = scene.start[first:below]
    width = scene.config.start_width * scene.spacing_px
    return blank(start, on_a_pixel(start, scene.shape), width)


def _columns_above(scene: Scene, bottom: int) -> int:
    if bottom == scene.shape[0]:
        return len(scene.start)
    return int(np.searchsorted(scene.start[:, 0], bottom - 0.5))


def _fit_all(
    tiles: list[Tile], columns: RefinedColumns, scene: Scene, pilot: Pilot, first: int
) -> None:
    """Fit tiles into a table; they write the rows of their own columns, in whatever order."""

    def fit_one(tile: Tile) -> None:
        window = window_rows(pilot.sigma.max(), scene.config)
        patch = cut(scene, tile, window)
        if patch is None:
            return
        fit = begin(scene, patch, pilot.sigma, window, pilot.uneven)
        advance(scene, fit, pilot.noise, least=3, most=scene.config.max_steps)
        accept(columns, scene, pilot, fit, first=first)

    _in_parallel(fit_one, tiles, scene.config.threads)


def _in_parallel(work: Callable[[Tile], None], tiles: list[Tile], threads: int) -> None:
    if len(tiles) == 1 or threads == 1:
        for tile in tiles:
            work(tile)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tiles):
            pass

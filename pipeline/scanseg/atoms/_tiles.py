"""All tiles of a large image, some at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from scanseg.atoms._columns import RefinedColumns
from scanseg.atoms._judgement import accept
from scanseg.atoms._pilot import Pilot
from scanseg.atoms._scene import Scene, Tile, tiles_of
from scanseg.atoms._tile_fit import advance, begin, cut, window_rows


def fit_tiles(columns: RefinedColumns, scene: Scene, pilot: Pilot) -> None:
    """Fit every tile with the widths and the noise of the pilot, and write what it tells."""
    tiles = list(tiles_of(scene.shape, scene.tile_side()))
    # Tiles write the rows of their own columns: the order does not matter.
    _in_parallel(lambda tile: _fit_one(columns, scene, pilot, tile), tiles, scene.config.threads)


def _fit_one(columns: RefinedColumns, scene: Scene, pilot: Pilot, tile: Tile) -> None:
    window = window_rows(pilot.sigma.max(), scene.config)
    patch = cut(scene, tile, window)
    if patch is None:
        return
    fit = begin(scene, patch, pilot.sigma, window)
    advance(scene, fit, pilot.noise, least=3, most=scene.config.max_steps)
    accept(columns, scene, pilot, fit)


def _in_parallel(work: Callable[[Tile], None], tiles: list[Tile], threads: int) -> None:
    if len(tiles) == 1 or threads == 1:
        for tile in tiles:
            work(tile)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tiles):
            pass

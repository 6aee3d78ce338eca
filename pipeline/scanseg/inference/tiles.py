"""Tiles of a grid: what the network sees, and what of its output is kept."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from scanseg.preprocess.grid import Grid
from scanseg.preprocess.resample import Window

__all__ = ["Span", "Tile", "plan_spans", "plan_tiles"]


@dataclass(frozen=True, slots=True)
class Span:
    """One axis of a tile: seen from ``start`` over ``length``, kept from ``first`` to ``stop``."""

    start: int
    length: int
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a grid along (y, x)."""

    rows: Span
    columns: Span

    @property
    def window(self) -> Window:
        """What the network sees; it may reach beyond the grid at the bottom and on the right."""
        return Window(self.rows.start, self.columns.start, self.rows.length, self.columns.length)

    @property
    def kept_of_grid(self) -> tuple[slice, slice]:
        """Where the output goes."""
        return (
            slice(self.rows.first, self.rows.stop),
            slice(self.columns.first, self.columns.stop),
        )

    @property
    def kept_of_tile(self) -> tuple[slice, slice]:
        """Which part of the output that is."""
        return tuple(  # type: ignore[return-value]
            slice(span.first - span.start, span.stop - span.start)
            for span in (self.rows, self.columns)
        )


def plan_spans(size: int, *, tile_px: int, halo_px: int, multiple_px: int) -> tuple[Span, ...]:
    """Cover one axis with tiles of equal length.

    Every tile starts at a multiple of ``multiple_px``: only then do the strides of the network fall
    on the same pixels in every tile, and a tile computes exactly what the whole image would.
    Neighbours overlap by two halos, and the cut runs through the middle of the overlap.

    Parameters
    ----------
    size
        Pixels of the grid along the axis.
    tile_px
        Longest tile wanted; a halo that leaves no room for anything else lengthens it.
    halo_px
        Margin inside a tile that is not kept, but for the border of the grid.
    multiple_px
        Lengths and starts are multiples of this.

    Examples
    --------
    >>> [(s.start, s.first, s.stop) for s in plan_spans(100, tile_px=64, halo_px=8, multiple_px=4)]
    [(0, 0, 50), (40, 50, 100)]
    """
    padded = _round_up(size, multiple_px)
    longest = max(tile_px // multiple_px * multiple_px, multiple_px)
    if padded <= longest:
        return (Span(0, padded, 0, size),)
    overlap = _round_up(2 * halo_px, multiple_px)
    longest = max(longest, overlap + multiple_px)
    n_tiles = max(1, -(-(padded - overlap) // (longest - overlap)))
    step = _round_up(-(-(padded - overlap) // n_tiles), multiple_px)
    length = min(step + overlap, padded)
    starts = sorted({min(index * step, padded - length) for index in range(n_tiles)})
    cuts = [(later + earlier + length) // 2 for earlier, later in pairwise(starts)]
    edges = [0, *cuts, size]
    return tuple(
        Span(start, length, first, stop)
        for start, (first, stop) in zip(starts, pairwise(edges), strict=True)
        if first < stop
    )


def plan_tiles(grid: Grid, *, tile_px: int, halo_px: int, multiple_px: int) -> tuple[Tile, ...]:
    """Cover a grid with tiles of equal shape, row by row; see :func:`plan_spans`."""
    rows, columns = (
        plan_spans(size, tile_px=tile_px, halo_px=halo_px, multiple_px=multiple_px)
        for size in grid.shape
    )
    return tuple(Tile(row, column) for row in rows for column in columns)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple

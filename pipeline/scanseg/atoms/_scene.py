"""What is fitted: the image in units of its contrast, its columns by place, its tiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms._columns import FloatArray
from scanseg.atoms.settings import Refinement
from scanseg.mapped import thinned
from scanseg.micrograph import Mask, RealImage

# Columns that are looked at together where all are: their arrays need no memory to speak of.
MANY = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The image in units of its own contrast, and the columns sorted out by place."""

    image: RealImage
    valid: Mask | None
    start: FloatArray  # (N, 2)
    kind: NDArray[np.uint16]  # (N,)
    n_kinds: int
    spacing_px: float
    order: NDArray[np.int32]  # the columns that take part, from top to bottom
    level: float  # image = level + contrast * data
    contrast: float
    config: Refinement

    @classmethod
    def of(
        cls,
        image: RealImage,
        valid: Mask | None,
        start: FloatArray,
        kind: NDArray[np.uint16],
        spacing_px: float,
        config: Refinement,
    ) -> Scene:
        # Twenty thousand pixels tell the range well enough.
        stride = max(1, math.isqrt(image.size // 20_000))
        some = thinned(image, stride).astype(np.float64)
        usable = np.isfinite(some)
        if valid is not None:
            usable &= valid[::stride, ::stride]
        low, high = np.percentile(some[usable], (1, 99)) if usable.any() else (0.0, 1.0)
        n_kinds = int(kind.max()) + 1 if len(kind) else 1
        order = np.flatnonzero(on_a_pixel(start, image.shape)).astype(np.int32)
        if np.any(np.diff(start[order, 0]) < 0):
            order = order[np.argsort(start[order, 0], kind="stable")]
        contrast = (high - low) or 1.0
        return cls(image, valid, start, kind, n_kinds, spacing_px, order, low, contrast, config)

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def first_below(self, y: float) -> int:
        """Place in `order` of the first column at y or below."""
        return bisect_left(self.order, y, key=lambda column: self.start[column, 0])

    def tile_side(self) -> int:
        # Margins of five spacings in all: 40 spacings keep the work done twice below a third.
        return max(self.config.tile_px, math.ceil(40 * self.spacing_px))


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the image whose columns one fit answers for: first row, last row, …"""

    top: int
    bottom: int
    left: int
    right: int


def on_a_pixel(position: FloatArray, shape: tuple[int, ...]) -> Mask:
    """Positions that are finite and on a pixel of the image."""
    with np.errstate(invalid="ignore"):
        inside = (position >= -0.5) & (position < np.array(shape) - 0.5)
    return np.asarray(inside.all(axis=1), np.bool_)


def room_to_border(position: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Distance of positions from the nearest border of the image, negative beyond it."""
    room: FloatArray = np.minimum(position + 0.5, np.array(shape) - 0.5 - position).min(axis=1)
    return room


def class_numbers(class_index: NDArray[np.integer[Any]] | None, count: int) -> NDArray[np.uint16]:
    if class_index is None:
        return np.zeros(count, np.uint16)
    if np.shape(class_index) != (count,):
        raise ValueError(f"{count} positions need {count} classes, not {np.shape(class_index)}")
    return np.searchsorted(np.unique(class_index), class_index).astype(np.uint16)


def tiles_of(shape: tuple[int, int], side: int) -> Iterable[Tile]:
    """Tiles of about equal size that cover the image."""
    edges = [
        np.linspace(0, length, max(1, round(length / side)) + 1).astype(int).tolist()
        for length in shape
    ]
    for top, bottom in zip(edges[0][:-1], edges[0][1:], strict=True):
        for left, right in zip(edges[1][:-1], edges[1][1:], strict=True):
            yield Tile(top, bottom, left, right)

"""Two samplings of one scene: the pixels of the measured image and those of a model's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid"]


@dataclass(frozen=True, slots=True)
class Grid:
    """How an image of some shape is sampled for a model.

    Both samplings cover the same area, edge to edge; the centre of pixel (0, 0) is the origin of
    each, so positions transform as ``(position + 0.5) * scale - 0.5``.

    Parameters
    ----------
    image_shape
        (height, width) of the measured image.
    shape
        (height, width) of the grid.

    Examples
    --------
    >>> grid = Grid.at_scale((100, 80), 2.0)
    >>> grid.shape, grid.scale
    ((200, 160), (2.0, 2.0))
    >>> grid.to_image([[0.5, 0.5]])
    array([[0., 0.]])
    """

    image_shape: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def at_scale(cls, image_shape: tuple[int, int], scale: float | tuple[float, float]) -> Grid:
        """Grid with about ``scale`` grid pixels an image pixel, along (y, x)."""
        along_y, along_x = (scale, scale) if isinstance(scale, float | int) else scale
        height, width = image_shape
        return cls(image_shape, (max(1, round(height * along_y)), max(1, round(width * along_x))))

    @property
    def scale(self) -> tuple[float, float]:
        """Grid pixels an image pixel along (y, x)."""
        return self.shape[0] / self.image_shape[0], self.shape[1] / self.image_shape[1]

    def to_image(self, position_px: NDArray[np.float64] | list[list[float]]) -> NDArray[np.float64]:
        """Positions on the grid, shape (N, 2) as (y, x), as positions in the image."""
        image_px = (np.asarray(position_px, np.float64) + 0.5) / np.array(self.scale) - 0.5
        return np.asarray(image_px, np.float64)

    def to_grid(self, position_px: NDArray[np.float64] | list[list[float]]) -> NDArray[np.float64]:
        """Positions in the image, shape (N, 2) as (y, x), as positions on the grid."""
        grid_px = (np.asarray(position_px, np.float64) + 0.5) * np.array(self.scale) - 0.5
        return np.asarray(grid_px, np.float64)

"""What the tip sees of walls in two dimensions: bends, corners, walls that cross."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DrawnWalls", "draw_profiles", "nearest_points"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

# S.d. of the Gaussian whose error function has the slope of tanh(t / w).
SIGMA_OF_HALF_WIDTH = float(np.sqrt(2 / np.pi))
# Variance that sampling between pixels adds to that of the tip.
SAMPLED_S2 = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class DrawnWalls:
    """Walls of N points, as they are drawn.

    Parameters
    ----------
    at, normal
        (y, x) and unit normals, shape (N, 2).
    coefficient
        Response beside the wall, ``c0 -+ c1``, in the first two of its columns.
    rho, half
        Strength of the dark line; half the width of a lamella drawn as one line, else 0.
    half_width_px
        w of the tip.
    """

    at: FloatArray
    normal: FloatArray
    coefficient: ComplexArray
    rho: FloatArray
    half: FloatArray
    half_width_px: float


def nearest_points(at: FloatArray, shape: tuple[int, int]) -> IntArray:
    """Number of the point that is nearest to each pixel, shape (height, width)."""
    from scipy import ndimage

    pixel = np.clip(np.rint(at).astype(int), 0, np.array(shape) - 1)
    point = np.full(shape, -1, np.int64)
    point[tuple(pixel.T)] = np.arange(len(at))
    _, (y, x) = ndimage.distance_transform_edt(point < 0, return_indices=True)
    return np.asarray(point[y, x])


def draw_profiles(
    walls: DrawnWalls, nearest: IntArray, base: FloatArray, position: FloatArray,
    usable: FloatArray,
) -> ComplexArray:  # fmt: skip
    """Profiles of the walls drawn with all they border on, and blurred in two dimensions.

    Parameters
    ----------
    walls
        The walls.
    nearest
        From :func:`nearest_points`.
    base, position, usable
        Points that normals go through, shape (N, 2); where along them, shape (M,), and which of
        these samples are wanted, shape (N, M).
    """
    from scanseg.walls._plane import blur_planes, draw_sides, sample_planes

    sharp = np.empty((2, *nearest.shape), np.float32)
    draw_sides(
        nearest, walls.at, walls.normal, walls.coefficient, walls.rho, walls.half, sharp
    )  # fmt: skip
    blur = walls.half_width_px * SIGMA_OF_HALF_WIDTH
    # Widths are those of sampled profiles, and these are sampled as well.
    blur = float(np.sqrt(max(blur**2 - SAMPLED_S2, 0.1)))
    blurred = np.empty_like(sharp)
    blur_planes(sharp, blur, blurred)
    profile = np.empty(usable.shape, complex)
    sample_planes(blurred, base, walls.normal, position, usable, profile)
    return profile

"""How long the borders of regions are, without the excess of staircases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage

__all__ = ["perimeters"]

# Directions are averaged over so many pixels (s.d.): two steps of a staircase of 1 in 4.
SMOOTHING_PX = 2.0


def perimeters(
    region: NDArray[np.int32], n_regions: int, *, pixel_size: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.float64]:
    """Length of the borders of regions 1 to K, in the unit of ``pixel_size``, shape (K,).

    Parameters
    ----------
    region
        Number of the region of each pixel, 0 for none, shape (height, width).
    n_regions
        K.
    pixel_size
        (y, x).

    Notes
    -----
    The border of the image is none of a region's, nor is that to region 0. A border with the unit
    normal (n_y, n_x) crosses n_y faces between pixels of a column and n_x faces between those of a
    row, a pixel of its length. The density of either kind of face around a place therefore tells
    the normal there, and a face that is weighted by its component, the length:
    n_y² + n_x² = 1. Lines of any direction are measured to 1 %; circles of 5 px radius to 3 %.
    """
    faces = (_faces(region[:-1], region[1:]), _faces(region[:, :-1], region[:, 1:]))
    if not (faces[0].any() or faces[1].any()):
        return np.zeros(n_regions)
    density = np.stack([_density(face, region.shape) for face in faces])
    total = np.zeros(n_regions + 1)
    for axis, face in enumerate(faces):
        y, x = np.nonzero(face)
        other = y + (axis == 0), x + (axis == 1)
        normal = density[:, y, x] + density[:, *other]
        normal /= np.maximum(np.hypot(*normal), 1e-9)
        # A pixel of length runs along (n_x, n_y), across the normal.
        length = np.hypot(normal[1] * pixel_size[0], normal[0] * pixel_size[1])
        for beside in (region[y, x], region[other]):
            total += np.bincount(beside, normal[axis] * length, minlength=n_regions + 1)
    return total[1:]


def _faces(one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.bool_]:
    return np.asarray((one != other) & (one > 0) & (other > 0))


def _density(faces: NDArray[np.bool_], shape: tuple[int, ...]) -> FloatImage:
    from scipy import ndimage

    # Half a face for each pixel beside it, so that both kinds lie where their border is.
    height, width = faces.shape
    spread = np.zeros(shape, np.float32)
    spread[:height, :width] += faces
    spread[-height:, -width:] += faces
    return np.asarray(ndimage.gaussian_filter(spread, SMOOTHING_PX, truncate=3.0), np.float32)

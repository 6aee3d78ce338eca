"""The truth of simulated domains: ordered walls, how strongly they show, and maps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask
from scanseg.simulate.piezoresponse import ComplexImage

__all__ = [
    "FERROELASTIC", "FERROELECTRIC", "IGNORED", "Visible", "Wall", "WallClass", "contrast_at",
    "draw_walls", "zero_lines",
]  # fmt: skip

WallClass = Literal["ferroelectric", "ferroelastic"]
FERROELECTRIC, FERROELASTIC = 1, 2
IGNORED = 255
_INDEX: dict[WallClass, int] = {"ferroelectric": FERROELECTRIC, "ferroelastic": FERROELASTIC}


@dataclass(frozen=True, slots=True, eq=False)
class Wall:
    """A domain wall, N points in order.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2), neighbours at most 1.5 px apart; the first point again at the end of
        a closed wall.
    kind
        ``ferroelectric`` (the polarisation reverses) or ``ferroelastic`` (it turns by 90°).
    contrast
        How far what is seen of the wall changes the response across it, in s.d. of the noise of a
        pixel, shape (N,).
    """

    position_px: NDArray[np.float64]
    kind: WallClass
    contrast: NDArray[np.float64]

    @property
    def length_px(self) -> float:
        """Length along the points."""
        return float(np.hypot(*np.diff(self.position_px, axis=0).T).sum())


def zero_lines(level: FloatImage, where: Mask | None = None) -> list[NDArray[np.float64]]:
    """Zero lines of a field as ordered (y, x) points, shape (N, 2) each; none outside ``where``."""
    from skimage.measure import find_contours

    if not (float(level.min()) < 0.0 < float(level.max())):
        return []
    # Single precision alone would put some corners exactly on 0, where lines branch.
    shifted = np.where(level == 0, np.float32(1e-6), level).astype(np.float64)
    lines = find_contours(shifted, 0.0, mask=where)  # type: ignore[no-untyped-call]
    return [line for line in lines if len(line) > 2]


@dataclass(frozen=True, slots=True, eq=False)
class Visible:
    """What of a response can be seen.

    Parameters
    ----------
    response
        Shape (height, width): complex, or the amplitude alone, or the phase as far as the noise
        leaves it.
    row_noise
        S.d. of the noise of each row in the unit of ``response``, shape (height,).
    half_width_px
        w of the profile tanh(x / w) of a wall's image.
    """

    response: ComplexImage
    row_noise: FloatImage
    half_width_px: float

    @classmethod
    def of_channels(
        cls, response: ComplexImage, *, amplitude: bool, phase: bool, row_noise: FloatImage,
        half_width_px: float,
    ) -> Visible:  # fmt: skip
        """What the channels show that are there."""
        if not phase:
            response = np.abs(response).astype(np.complex64)
        elif not amplitude:
            # The noise of a phase grows as the amplitude falls: no wall shows where it is small,
            # and no change of amplitude where it is large.
            size = np.maximum(np.abs(response), np.float32(1e-9))
            response = response * (np.minimum(size, np.median(size[::2, ::2])) / size)
        return cls(response, row_noise, half_width_px)

    def less(self, other: Visible) -> Visible:
        """What this shows and the other does not."""
        return replace(self, response=self.response - other.response)


def contrast_at(line: NDArray[np.float64], kind: WallClass, seen: Visible) -> NDArray[np.float64]:
    """Change of the response across a wall in s.d. of the noise, shape (N,).

    The larger of two reaches, since narrow domains end before the wall's own width does. A line on
    the wall itself counts as well where that is how a wall looks: of ferroelastic ones, and of all
    in the amplitude alone.
    """
    as_line = kind == "ferroelastic" or not seen.response.imag.any()
    change = _change_across(line, seen.response, seen.half_width_px, as_line)
    row = np.clip(np.rint(line[:, 0]).astype(int), 0, len(seen.row_noise) - 1)
    return np.asarray(change / np.maximum(seen.row_noise[row], 1e-9))


@njit(cache=True, nogil=True)
def _change_across(
    line: NDArray[np.float64], response: ComplexImage, half_width: float, with_line: bool
) -> NDArray[np.float64]:
    change = np.zeros(len(line))
    for n in range(len(line)):
        before, after = line[max(n - 3, 0)], line[min(n + 3, len(line) - 1)]
        down, across = after[0] - before[0], after[1] - before[1]
        length = max(np.hypot(down, across), 1e-9)
        normal_y, normal_x = -across / length, down / length
        on_wall = _between(response, line[n, 0], line[n, 1])
        for reach in (0.8 * half_width, 1.6 * half_width):
            y, x = reach * normal_y, reach * normal_x
            one = _between(response, line[n, 0] - y, line[n, 1] - x)
            other = _between(response, line[n, 0] + y, line[n, 1] + x)
            change[n] = max(change[n], abs(one - other))
            if with_line:
                change[n] = max(change[n], abs(on_wall - (one + other) / 2))
    return change


@njit(cache=True, nogil=True, inline="always")
def _between(response: ComplexImage, y: float, x: float) -> Any:
    """Response between pixels, bilinear; that of the border beyond it."""
    y = min(max(y, 0.0), response.shape[0] - 1.001)
    x = min(max(x, 0.0), response.shape[1] - 1.001)
    i, j = int(y), int(x)
    down, across = y - i, x - j
    upper = response[i, j] * (1 - across) + response[i, j + 1] * across
    lower = response[i + 1, j] * (1 - across) + response[i + 1, j + 1] * across
    return upper * (1 - down) + lower * down


def draw_walls(
    walls: Sequence[Wall], shape: tuple[int, int], *, radius_px: float, visible_contrast: float
) -> NDArray[np.uint8]:
    """Class map of walls: all pixels within a radius; the nearest wall decides.

    Parameters
    ----------
    walls
        What to draw.
    shape
        (height, width).
    radius_px
        Half the width of a line.
    visible_contrast
        Where a wall shows less, its pixels are 255 (to be ignored) instead of its class.

    Returns
    -------
    class_map
        0 background, 1 ferroelectric, 2 ferroelastic, 255 too faint to tell; uint8.
    """
    class_map = np.zeros(shape, np.uint8)
    nearest = np.full(shape, np.float64(radius_px) ** 2)
    for wall in walls:
        shown = np.where(wall.contrast >= visible_contrast, _INDEX[wall.kind], IGNORED)
        _draw_line(class_map, nearest, wall.position_px, shown.astype(np.uint8), radius_px)
    return class_map


@njit(cache=True, nogil=True)
def _draw_line(
    class_map: NDArray[np.uint8], nearest: NDArray[np.float64], line: NDArray[np.float64],
    shown: NDArray[np.uint8], radius: float,
) -> None:  # fmt: skip
    height, width = class_map.shape
    for n in range(len(line) - 1):
        y0, x0 = line[n]
        dy, dx = line[n + 1, 0] - y0, line[n + 1, 1] - x0
        length2 = max(dy * dy + dx * dx, 1e-12)
        first = max(0, int(np.ceil(min(y0, y0 + dy) - radius)))
        last = min(height - 1, int(max(y0, y0 + dy) + radius))
        left = max(0, int(np.ceil(min(x0, x0 + dx) - radius)))
        right = min(width - 1, int(max(x0, x0 + dx) + radius))
        for i in range(first, last + 1):
            for j in range(left, right + 1):
                t = min(max(((i - y0) * dy + (j - x0) * dx) / length2, 0.0), 1.0)
                away = (i - y0 - t * dy) ** 2 + (j - x0 - t * dx) ** 2
                if away <= nearest[i, j]:
                    nearest[i, j] = away
                    class_map[i, j] = shown[n]

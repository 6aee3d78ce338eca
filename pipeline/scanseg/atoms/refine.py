"""Positions of atom columns to a fraction of a pixel, with error bars, from the measured image.

All columns, a smooth background and one width per class are fitted together by quasi-likelihood:
the variance of a pixel is alpha + beta mu, with alpha and beta estimated from the image, so counts
reach the Poisson limit and an image with gain and offset gives the same positions and error bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms._columns import FloatArray, Noise, RefinedColumns
from scanseg.atoms.settings import Refinement
from scanseg.micrograph import Mask, RealImage

if TYPE_CHECKING:
    from scanseg.atoms._scene import Scene

__all__ = ["Noise", "RefinedColumns", "refine_columns", "refine_strips"]


def refine_columns(
    image: RealImage,
    start_px: FloatArray,
    *,
    class_index: NDArray[np.integer[Any]] | None = None,
    spacing_px: float,
    valid: Mask | None = None,
    config: Refinement | None = None,
) -> RefinedColumns:
    """Fit Gaussian columns, all together, to the measured image.

    Parameters
    ----------
    image
        Shape (height, width), counts or any other real numbers; columns bright or dark.
    start_px
        Start positions (y, x), shape (N, 2), right within about a third of the spacing.
    class_index
        Class of each column, shape (N,); each class has a width of its own. None: one class.
    spacing_px
        Distance between nearest columns.
    valid
        False where a pixel must not be used, shape (height, width). NaN is never used.
    config
        Settings.

    Returns
    -------
    columns
        One entry a start position, none dropped.

    Notes
    -----
    Fisher scoring on the quasi-likelihood (Wedderburn, Biometrika 61, 439, 1974); the error bars
    are the inverse Fisher information of a column with its neighbours unknown as well.
    Nothing outside of the image is extrapolated: a column at the border is fitted on the part of
    it that was measured. A start within half a spacing of the border may turn out to be the flank
    of a column outside. Such columns take part, because their light falls on their neighbours, and
    are told by `inside`.
    """
    from scanseg.atoms._pilot import fit_pilot
    from scanseg.atoms._tiles import fit_at_once, fit_tiles

    scene = _scene(image, start_px, class_index, spacing_px, valid, config)
    pilot = fit_pilot(scene) if len(scene.order) else None
    if pilot is None or pilot.whole is not None:
        return fit_at_once(scene, pilot)
    return fit_tiles(scene, pilot)


def refine_strips(
    image: RealImage,
    start_px: FloatArray,
    *,
    class_index: NDArray[np.integer[Any]] | None = None,
    spacing_px: float,
    valid: Mask | None = None,
    config: Refinement | None = None,
) -> Iterator[tuple[slice, RefinedColumns]]:
    """The same as :func:`refine_columns` a strip at a time, from the top of the image.

    Parameters
    ----------
    start_px
        Start positions, sorted from top to bottom.
    image, class_index, spacing_px, valid, config
        As there.

    Yields
    ------
    place, columns
        Which of the start positions, and what is known of them. All of a small image come at once.
    """
    from scanseg.atoms._pilot import fit_pilot
    from scanseg.atoms._tiles import fit_at_once, fit_strips

    scene = _scene(image, start_px, class_index, spacing_px, valid, config)
    if np.any(np.diff(scene.start[:, 0]) < 0):
        raise ValueError("start_px must be sorted from top to bottom to be refined in strips")
    pilot = fit_pilot(scene) if len(scene.order) else None
    if pilot is None or pilot.whole is not None:
        yield slice(0, len(scene.start)), fit_at_once(scene, pilot)
    else:
        yield from fit_strips(scene, pilot)


def _scene(
    image: RealImage,
    start_px: FloatArray,
    class_index: NDArray[np.integer[Any]] | None,
    spacing_px: float,
    valid: Mask | None,
    config: Refinement | None,
) -> Scene:
    from scanseg.atoms._scene import Scene, class_numbers

    start = np.asarray(start_px, np.float64).reshape(-1, 2)
    if not (math.isfinite(spacing_px) and spacing_px > 0):
        raise ValueError(f"spacing_px must be a positive length, not {spacing_px}")
    kind = class_numbers(class_index, len(start))
    return Scene.of(image, valid, start, kind, spacing_px, config or Refinement())

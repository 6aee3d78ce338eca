"""Positions of atom columns to a fraction of a pixel, with error bars, from the measured image.

All columns, a smooth background and one width per class are fitted together by quasi-likelihood:
the variance of a pixel is alpha + beta mu, with alpha and beta estimated from the image, so counts
reach the Poisson limit and an image with gain and offset gives the same positions and error bars.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms._columns import FloatArray, Noise, RefinedColumns
from scanseg.atoms.settings import Refinement
from scanseg.micrograph import Mask, RealImage

__all__ = ["Noise", "RefinedColumns", "refine_columns"]


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
    from scanseg.atoms._judgement import accept, blank, finished
    from scanseg.atoms._pilot import fit_pilot
    from scanseg.atoms._scene import Scene, class_numbers, on_a_pixel
    from scanseg.atoms._tiles import fit_tiles

    config = config or Refinement()
    start = np.asarray(start_px, np.float64).reshape(-1, 2)
    if not (math.isfinite(spacing_px) and spacing_px > 0):
        raise ValueError(f"spacing_px must be a positive length, not {spacing_px}")
    kind = class_numbers(class_index, len(start))
    scene = Scene.of(image, valid, start, kind, spacing_px, config)
    columns = blank(start, on_a_pixel(start, scene.shape), config.start_width * spacing_px)
    if not len(scene.order):
        return finished(columns, scene, None)
    pilot = fit_pilot(scene)
    if pilot.whole is not None:
        accept(columns, scene, pilot, pilot.whole)
    else:
        fit_tiles(columns, scene, pilot)
    return finished(columns, scene, pilot)

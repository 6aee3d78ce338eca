"""A place that a person points at, moved to the column there: the fit of the command line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FITTED", "snap"]

# The crop around a place, in distances of neighbouring columns: about fifty of them tell the noise.
REACH_SPACINGS = 4.0
FITTED = ("y_err_px", "x_err_px", "amplitude", "sigma_px", "background")


def snap(
    image: NDArray[Any],
    place_px: NDArray[np.float64],
    others_px: NDArray[np.float64],
    *,
    spacing_px: float,
) -> tuple[NDArray[np.float64], dict[str, float | bool]]:
    """Fit the column at a place together with its neighbours.

    Parameters
    ----------
    image
        Shape (height, width).
    place_px
        (y, x), right within a third of the spacing.
    others_px
        Positions of the other columns, shape (N, 2); those nearby take part.
    spacing_px
        Distance of neighbouring columns.

    Returns
    -------
    position_px
        (y, x); the place itself where no column could be fitted.
    measured
        ``y_err_px, x_err_px, amplitude, sigma_px, background, at_edge, fit_ok``.
    """
    from scanseg.atoms import refine_columns

    reach = int(np.ceil(REACH_SPACINGS * spacing_px))
    corner = np.maximum(0, np.floor(place_px).astype(int) - reach)
    far = np.minimum(image.shape, corner + 2 * reach + 1)
    crop = image[corner[0] : far[0], corner[1] : far[1]]
    unmeasured: dict[str, float | bool] = dict.fromkeys(FITTED, np.nan)
    unmeasured |= {"at_edge": False, "fit_ok": False}
    if min(crop.shape) < 5:
        return place_px, unmeasured
    # A neighbour in the same place would share the light of the column.
    others = others_px[np.hypot(*(others_px - place_px).T) > 0.3 * spacing_px]
    inside = np.all((others > corner) & (others < far - 1), axis=1)
    start = np.vstack([place_px[None], others[inside]]) - corner
    found = refine_columns(
        np.ascontiguousarray(crop),
        start,
        spacing_px=spacing_px,
        valid=_own_pixels(crop.shape, start, others[~inside] - corner),
    )
    if not found.fit_ok[0]:
        return place_px, unmeasured
    errors = found.position_err_px[0]
    return found.position_px[0] + corner, {
        "y_err_px": float(errors[0]),
        "x_err_px": float(errors[1]),
        "amplitude": float(found.amplitude[0]),
        "sigma_px": float(found.sigma_px[0]),
        "background": float(found.background[0]),
        "at_edge": bool(found.at_edge[0]),
        "fit_ok": True,
    }


def _own_pixels(
    shape: tuple[int, ...], own_px: NDArray[np.float64], foreign_px: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Pixels that are closer to a column of the crop than to one outside of it.

    Light of columns that take no part would be taken for noise: on a lattice the error bars came
    out five times too large.
    """
    from scipy.spatial import cKDTree

    if not len(foreign_px):
        return np.ones(shape, bool)
    pixels = np.argwhere(np.ones(shape, bool))
    to_own, to_foreign = (cKDTree(each).query(pixels)[0] for each in (own_px, foreign_px))
    return np.asarray(to_own <= to_foreign).reshape(shape)

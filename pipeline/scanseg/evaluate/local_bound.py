"""The Cramér–Rao bound of every found column, from what the fit says of it and the dose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.evaluate.limits import Nuisance, cramer_rao_bound_px

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NEEDED", "column_bounds_px"]

NEEDED = ("amplitude", "sigma_px", "background")
# Widths of a column. Neighbours at four widths raise the bound by 10 %, those beyond five by less
# than 2 %; all of them lie in the window, outside of which one could be anywhere.
WINDOW_SIGMAS = 6.0
NEIGHBOUR_SIGMAS = 5.8
KNOWN: tuple[Nuisance, ...] = ("width",)


def column_bounds_px(
    found: pd.DataFrame,
    index: NDArray[np.int64],
    *,
    counts_per_unit: float,
    shape: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Smallest standard deviation that any method can reach, neighbours included.

    Parameters
    ----------
    found
        Table of columns with ``y_px, x_px, amplitude, sigma_px, background``.
    index
        Rows to compute it for, shape (N,).
    counts_per_unit
        Electrons counted for one unit of the image; 1 for an image of counts.
    shape
        (height, width) of the image: what lies outside was not measured.

    Returns
    -------
    bound_px
        Along (y, x), shape (N, 2); NaN where the fit gave no sensible column.

    Notes
    -----
    Poisson noise alone. Each column has a window of its own, with its neighbours in it: amplitudes,
    positions and the background are estimated, the width is known from all columns of the image.
    """
    from scipy.spatial import cKDTree

    position = found[["y_px", "x_px"]].to_numpy(float)
    amplitude = found["amplitude"].to_numpy(float) * counts_per_unit
    background = found["background"].to_numpy(float) * counts_per_unit
    sigma = found["sigma_px"].to_numpy(float)
    usable = (
        np.isfinite(position).all(axis=1) & np.isfinite(background)
        & (np.abs(amplitude) > 0) & (sigma > 0)
        # Dark columns take counts away, and cannot take more than there are.
        & (background + np.minimum(amplitude, 0) > -0.1 * np.abs(amplitude))
    )  # fmt: skip
    bound: NDArray[np.float64] = np.full((len(index), 2), np.nan)
    if not usable.any():
        return bound
    width = float(np.median(sigma[usable]))
    known = np.flatnonzero(usable)
    tree = cKDTree(position[known])
    reach = int(np.ceil(WINDOW_SIGMAS * width))
    for n, row in enumerate(index):
        if not usable[row]:
            continue
        near = known[tree.query_ball_point(position[row], NEIGHBOUR_SIGMAS * width)]
        near = np.concatenate([[row], near[near != row]])
        lowest = float(np.minimum(amplitude[near], 0).min())
        low = np.rint(position[row]).astype(int) - reach
        high = low + 2 * reach + 1
        if shape is not None:
            low, high = np.maximum(low, 0), np.minimum(high, shape)
        if (high - low < 3).any():
            continue
        try:
            with np.errstate(invalid="ignore"):  # of columns that cannot be told apart
                bound[n] = cramer_rao_bound_px(
                    position[near] - low, amplitude=amplitude[near], sigma_px=width,
                    # Not 0, where a pixel without counts would be infinitely certain.
                    background=float(max(background[row], 1e-3 * amplitude[row], -1.01 * lowest)),
                    shape=(int(high[0] - low[0]), int(high[1] - low[1])), known=KNOWN,
                )[0]  # fmt: skip
        except np.linalg.LinAlgError:  # two at one place
            continue
    return bound

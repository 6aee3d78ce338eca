"""The Cramér–Rao bound: no unbiased method locates a column better than this.

Written plainly and apart from the fit, so that one can check the other.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Nuisance", "cramer_rao_bound_px", "isolated_bound_px"]

Nuisance = Literal["amplitude", "width", "background"]


def cramer_rao_bound_px(
    position_px: ArrayLike,
    *,
    amplitude: ArrayLike,
    sigma_px: float,
    background: float,
    shape: tuple[int, int],
    read_variance: float = 0.0,
    known: Collection[Nuisance] = (),
) -> NDArray[np.float64]:
    """Smallest standard deviation of column positions, overlapping neighbours included.

    Parameters
    ----------
    position_px
        All columns of the scene, (y, x), shape (N, 2).
    amplitude
        Peak height in counts, one number or shape (N,).
    sigma_px
        Width of the Gaussian columns.
    background
        Counts a pixel beside the columns.
    shape
        (height, width) of the image.
    read_variance
        Variance of read-out noise in counts², beside Poisson noise.
    known
        What is known beforehand; everything else is estimated together with the positions: an
        amplitude for each column, one width for all, one background for all.

    Returns
    -------
    bound_px
        Standard deviation along (y, x), shape (N, 2).

    Notes
    -----
    With ``mu_k = b + sum_n A_n g_n(k)`` sampled at the pixel centres, the information is
    ``F_ij = sum_k (d mu_k / d theta_i)(d mu_k / d theta_j) / (mu_k + r²)`` and the covariance of
    any unbiased estimate at least ``F^-1`` (r²: read variance). Neighbours enter through the
    off-diagonal blocks. The matrix is dense: a few hundred columns are plenty.

    Examples
    --------
    >>> bound = cramer_rao_bound_px(
    ...     [(15.0, 15.0)], amplitude=300, sigma_px=2, background=30, shape=(31, 31)
    ... )
    >>> bound.round(4)
    array([[0.0302, 0.0302]])
    """
    positions = np.asarray(position_px, float).reshape(-1, 2)
    count = len(positions)
    heights = np.broadcast_to(np.asarray(amplitude, float), count)
    rows, columns = np.indices(shape)
    gradients = []
    widths = np.zeros(shape)
    mean = np.full(shape, float(background))
    for (y, x), height in zip(positions, heights, strict=True):
        down, across = rows - y, columns - x
        spot = np.exp(-(down**2 + across**2) / (2 * sigma_px**2))
        mean += height * spot
        widths += height * spot * (down**2 + across**2) / sigma_px**3
        gradients += [height * spot * down / sigma_px**2, height * spot * across / sigma_px**2]
        if "amplitude" not in known:
            gradients.append(spot)
    if "width" not in known:
        gradients.append(widths)
    if "background" not in known:
        gradients.append(np.ones(shape))
    slopes = np.array(gradients).reshape(len(gradients), -1)
    information = (slopes / (mean.ravel() + read_variance)) @ slopes.T
    variance = np.diag(np.linalg.inv(information))
    stride = 2 if "amplitude" in known else 3
    along_y, along_x = variance[: stride * count : stride], variance[1 : stride * count : stride]
    bound: NDArray[np.float64] = np.sqrt(np.stack([along_y, along_x], axis=1))
    return bound


def isolated_bound_px(counts: float, *, sigma_px: float, background: float) -> float:
    """Closed form of the bound for one column far from everything, along one axis.

    Parameters
    ----------
    counts
        All counts of the column: ``2 pi sigma² amplitude``.
    sigma_px
        Width of the Gaussian.
    background
        Counts a pixel beside the column.

    Notes
    -----
    ``sd² = (s²/N) (1 + 4 t + sqrt(2 t / (1 + 4 t)))`` with ``t = 2 pi s² b / N``, good to a few per
    cent (Mortensen et al., Nat. Methods 7, 377, 2010; Rieger & Stallinga, ChemPhysChem 15, 664,
    2014), for a pixel-sampled Gaussian.

    Examples
    --------
    >>> round(isolated_bound_px(2 * 3.14159 * 4 * 300, sigma_px=2, background=30), 4)
    0.0307
    """
    ratio = 2 * math.pi * sigma_px**2 * background / counts
    spread = 1 + 4 * ratio + math.sqrt(2 * ratio / (1 + 4 * ratio))
    return sigma_px * math.sqrt(spread / counts)

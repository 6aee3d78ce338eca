"""What the refinement tells of every column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask

__all__ = ["FloatArray", "Noise", "RefinedColumns"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """Variance of a pixel whose expected value is mu: ``offset + gain * mu``.

    Parameters
    ----------
    offset
        Variance at mu = 0; negative for counts with an offset.
    gain
        Image units a count, 1 for counts.
    correlation
        How much the variance of a fitted position exceeds that of independent pixels: 1 for raw
        counts, more for filtered or interpolated images.
    """

    offset: float
    gain: float
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class RefinedColumns:
    """What is known of N columns, in the order of their start positions.

    Parameters
    ----------
    position_px
        (y, x) in pixels, shape (N, 2). Where `fit_ok` is False this is the start position.
    position_err_px
        One standard deviation along (y, x), shape (N, 2); NaN where `fit_ok` is False.
    amplitude
        Height of the Gaussian in image units, shape (N,); negative for dark columns.
    sigma_px
        Width of the Gaussian, shape (N,), one value a class.
    background
        Fitted background at the column in image units, shape (N,).
    residual
        Mean squared residual in the column's window in units of the noise, shape (N,).
    fit_ok
        Whether the fit is to be trusted, shape (N,).
    at_edge
        Whether the column is closer than ``edge_widths`` widths to the border, shape (N,).
    inside
        Whether the column is one of the image, shape (N,). It is not where the fitted centre, to be
        trusted or not, lies more than 4 % of the spacing (half a pixel at 12 px) beyond the border;
        nor where a fit that is not to be trusted started within 8 % (one pixel) of the border, on
        the flank of something outside.
    n_iterations
        Steps of the fit the column took part in, shape (N,).
    noise
        The noise found in the image; None if nothing could be fitted.

    Notes
    -----
    Positions are float64; what is known to a few per cent is float32, for images with millions of
    columns.
    """

    position_px: FloatArray
    position_err_px: FloatImage
    amplitude: FloatImage
    sigma_px: FloatImage
    background: FloatImage
    residual: FloatImage
    fit_ok: Mask
    at_edge: Mask
    inside: Mask
    n_iterations: NDArray[np.uint16]
    noise: Noise | None

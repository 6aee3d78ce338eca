"""The response across a wall: where the wall is, how wide, and how deep its amplitude dips.

Fitted to the measured signal, never to the network's output. In the complex plane a 180° wall is
``c0 + c1 tanh((t - t0) / w)``: a background adds to ``c0`` and moves the amplitude's minimum, while
``t0`` stays the wall. Between equal sides a wall is a line, ``c0 + c1 sech²((t - t0) / w)``.
Ferroelastic walls are a sum of the two; to first order a line on a step is the same as a step
elsewhere, so their positions are several times less certain, and their error bars say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ProfileFit", "fit_profiles"]

# Profiles are sampled each pixel by bilinear interpolation, which takes a third of the noise's
# variance from the residuals and none of it from the fit, whose features are wider than a pixel.
INTERPOLATED_VARIANCE = 1.5
N_ROUNDS = 8
# Samples that must be left over for a misfit, and so an error bar, to mean anything.
FEWEST_SPARE = 4


@dataclass(frozen=True, slots=True, eq=False)
class ProfileFit:
    """Fits of N profiles; those that did not succeed are NaN.

    Parameters
    ----------
    centre_px
        t0: where the wall is along the profile, shape (N,).
    centre_err_px
        Its standard deviation.
    half_width_px
        w, shape (N,).
    half_width_err_px
        Its standard deviation.
    dip
        Smallest amplitude over the mean of both sides, shape (N,).
    misfit
        Variance of the residuals over the mean square of the profile, shape (N,), also where a fit
        failed.
    """

    centre_px: NDArray[np.float64]
    centre_err_px: NDArray[np.float64]
    half_width_px: NDArray[np.float64]
    half_width_err_px: NDArray[np.float64]
    dip: NDArray[np.float64]
    misfit: NDArray[np.float64]


Shape = Literal["step", "line", "both"]


def fit_profiles(
    profile: NDArray[np.complex128],
    position_px: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    half_width_px: float,
    shape: Shape,
    largest_shift_px: float = 2.0,
) -> ProfileFit:
    """Fit a wall to each of N profiles of M samples (Gauss-Newton).

    Parameters
    ----------
    profile
        Response along lines across the wall, shape (N, M); amplitudes alone are real.
    position_px
        Where the samples lie, shape (M,), 0 at the expected wall.
    weight
        1 for samples to use and 0 for those beyond the next wall, shape (N, M).
    half_width_px
        Half width to start from.
    shape
        What the wall looks like: a step between two sides, a line between equal ones, or both.
    largest_shift_px
        Fits that move farther have caught another wall, and fail.
    """
    from scanseg.walls._fits import N_NUMBERS, fit_each

    # Amplitudes come in metres as in picometres; the fit regularises in units of their own size.
    size = np.sqrt((weight * np.abs(profile) ** 2).sum(1) / np.maximum(weight.sum(1), 1.0))
    scaled = profile / np.maximum(size, np.finfo(float).tiny)[:, None]
    found = np.empty((len(profile), N_NUMBERS))
    fit_each(
        np.ascontiguousarray(scaled, np.complex128), np.ascontiguousarray(weight, np.float64),
        np.asarray(position_px, np.float64), float(np.log(half_width_px)), N_ROUNDS,
        shape != "line", shape != "step", found,
    )  # fmt: skip
    centre, log_width, centre_information, width_information, left, dip = found.T
    n_shapes = 3 if shape == "both" else 2
    n_parts = 2 if np.iscomplexobj(profile) else 1
    n_spare = n_parts * (weight.sum(1) - n_shapes) - 2
    misfit = left / np.maximum(n_spare, 1.0)
    variance = INTERPOLATED_VARIANCE * misfit
    centre_err = np.sqrt(variance / np.maximum(centre_information, 1e-12))
    width_err = np.exp(log_width) * np.sqrt(variance / np.maximum(width_information, 1e-12))
    good = (np.abs(centre) <= largest_shift_px) & (centre_err < 1.0) & (centre_err > 0)
    # As many parameters as samples pass through all of them, with error bars of 0.
    good &= n_spare >= FEWEST_SPARE

    def kept(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(good, values, np.nan)

    return ProfileFit(
        kept(centre), kept(centre_err), kept(np.exp(log_width)), kept(width_err), kept(dip), misfit
    )

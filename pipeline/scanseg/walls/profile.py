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
    """Fit a wall to each of N profiles of M samples (Gauss-Newton, all at once).

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
    n = len(profile)
    # Amplitudes come in metres as in picometres; the fit regularises in units of their own size.
    size = np.sqrt((weight * np.abs(profile) ** 2).sum(1) / np.maximum(weight.sum(1), 1.0))
    profile = profile / np.maximum(size, np.finfo(float).tiny)[:, None]
    centre, log_width = np.zeros(n), np.full(n, np.log(half_width_px))
    for _ in range(N_ROUNDS):
        slopes, residual, model = _linearised(
            profile, position_px, weight, centre, log_width, shape
        )
        step, _ = _solved(slopes, residual)
        centre = np.clip(centre + np.clip(step[:, 0], -0.7, 0.7), -5.0, 5.0)
        log_width = np.clip(log_width + np.clip(step[:, 1], -0.4, 0.4), np.log(0.4), np.log(20.0))
    slopes, residual, model = _linearised(profile, position_px, weight, centre, log_width, shape)
    _, covariance = _solved(slopes, residual)
    n_spare = (1 + _is_complex(profile)) * weight.sum(1) - slopes.shape[2]
    n_free = np.maximum(n_spare, 1.0)
    misfit = (residual**2).sum(1) / n_free
    variance = INTERPOLATED_VARIANCE * misfit
    centre_err = np.sqrt(np.maximum(variance * covariance[:, 0, 0], 0))
    width_err = np.exp(log_width) * np.sqrt(np.maximum(variance * covariance[:, 1, 1], 0))
    good = (np.abs(centre) <= largest_shift_px) & (centre_err < 1.0) & (centre_err > 0)
    # As many parameters as samples pass through all of them, with error bars of 0.
    good &= n_spare >= FEWEST_SPARE

    def kept(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(good, values, np.nan)

    return ProfileFit(
        kept(centre), kept(centre_err), kept(np.exp(log_width)), kept(width_err),
        kept(_dip(model, weight)), misfit,
    )  # fmt: skip


def _linearised(
    profile: NDArray[np.complex128], position: NDArray[np.float64], weight: NDArray[np.float64],
    centre: NDArray[np.float64], log_width: NDArray[np.float64], shape: Shape,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]]:  # fmt: skip
    """Slopes (N, R, P), residuals (N, R) and the model (N, M) at given centres and widths.

    The coefficients c are linear: they are solved for exactly in each round, and stay among the
    P parameters so that errors of centre and width allow for them. R counts real numbers.
    """
    width = np.exp(log_width)[:, None]
    u = (position - centre[:, None]) / width
    step, line = np.tanh(u), 1.0 / np.cosh(np.clip(u, -30, 30)) ** 2
    shapes = {"step": [step], "line": [line], "both": [step, line]}[shape]
    basis = np.stack([np.ones_like(u), *shapes], 2)  # (N, M, 2 or 3)
    weighted = basis * weight[..., None]
    normal = np.einsum("nmb,nmc->nbc", weighted, basis) + 1e-9 * np.eye(basis.shape[2])
    coefficient = np.linalg.solve(normal, np.einsum("nmb,nm->nb", weighted, profile)[..., None])
    coefficient = coefficient[..., 0]
    model = np.einsum("nmb,nb->nm", basis, coefficient)
    bent = -2 * line * step
    along = coefficient[:, 1, None] * (bent if shape == "line" else line)  # d model / du
    if shape == "both":
        along = along + coefficient[:, 2, None] * bent
    by_centre, by_log_width = -along / width, -along * u
    if not _is_complex(profile):
        slopes = np.concatenate([by_centre[..., None], by_log_width[..., None], basis], 2)
        return slopes * weight[..., None], (profile - model) * weight, model
    zero = np.zeros_like(basis)
    real = np.concatenate([by_centre.real[..., None], by_log_width.real[..., None], basis, zero], 2)
    imaginary = np.concatenate(
        [by_centre.imag[..., None], by_log_width.imag[..., None], zero, basis], 2
    )
    residual = (profile - model) * weight
    slopes = np.concatenate([real * weight[..., None], imaginary * weight[..., None]], 1)
    return slopes, np.concatenate([residual.real, residual.imag], 1), model


def _solved(
    slopes: NDArray[np.float64], residual: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Newton steps (N, P), and inverse normal matrices (N, P, P)."""
    normal = np.einsum("nrp,nrq->npq", slopes, slopes, optimize=True)
    scale = np.trace(normal, axis1=1, axis2=2)[:, None, None]
    inverse = np.linalg.inv(normal + (1e-9 * scale + 1e-12) * np.eye(normal.shape[1]))
    towards = np.einsum("nrp,nr->np", slopes, residual)
    return np.einsum("npq,nq->np", inverse, towards), inverse


def _dip(model: NDArray[np.complex128], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    amplitude = np.where(weight > 0, np.abs(model), np.nan)
    with np.errstate(invalid="ignore"):
        lowest = np.fmin.reduce(amplitude, axis=1)
    first = np.argmax(weight > 0, axis=1)
    last = weight.shape[1] - 1 - np.argmax(weight[:, ::-1] > 0, axis=1)
    rows = np.arange(len(model))
    sides = (amplitude[rows, first] + amplitude[rows, last]) / 2
    return np.asarray(lowest / np.maximum(sides, 1e-12))


def _is_complex(profile: NDArray[np.complex128]) -> bool:
    return bool(np.iscomplexobj(profile))

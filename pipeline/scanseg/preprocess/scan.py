"""A PFM scan to network input: amplitude, phase and topography as six planes.

Amplitude is compressed around its median, because a few bright grains or particles would otherwise
push all the rest into the dark. The phase has no fixed zero and may flip by any angle near 180°,
so it is turned until the two polarities lie at 0° and 180°, and given as cosine and sine, which
know no wrap. What the instrument adds to the response everywhere, the background, can be larger
than what domains make of it; then neither amplitude nor phase shows much. So the response is also
given from its mean on, along the axis on which it varies most and across, in units of that
variation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scanseg.errors import ScansegError
from scanseg.micrograph import FloatImage, RealImage, Signal

__all__ = ["SCAN_PLANES", "scan_planes"]

ComplexImage = NDArray[np.complex64]

SCAN_PLANES = (
    "amplitude", "phase_cos", "phase_sin", "contrast_along", "contrast_across", "topography",
)  # fmt: skip

# Relief wider than this is the shape of the sample, not of its domains.
RELIEF_PX = 16.0
LARGEST_RELIEF = 4.0
# A few small islands stand out by many standard deviations; more than so many are not told apart.
LARGEST_CONTRAST = 4.0


def scan_planes(channels: Mapping[Signal, RealImage]) -> FloatImage:
    """Network input of a scan.

    Parameters
    ----------
    channels
        Amplitude in any unit, phase in degrees, topography in any unit, those of them that there
        are, each of shape (height, width); NaN where nothing was measured.

    Returns
    -------
    planes
        Shape (6, height, width), in the order of ``SCAN_PLANES``. What is missing is 0, in every
        plane.

    Raises
    ------
    ScansegError
        When there is neither amplitude nor phase.

    Examples
    --------
    >>> amplitude = np.array([[1.0, 1.0, 0.0, 1.0]])
    >>> phase = np.array([[-20.0, -20.0, 70.0, 160.0]])
    >>> planes = scan_planes({Signal.PFM_AMPLITUDE: amplitude, Signal.PFM_PHASE: phase})
    >>> abs(planes[1, 0].round(2)).tolist(), bool(planes[1, 0, 0] == -planes[1, 0, 3])
    ([1.0, 1.0, 0.0, 1.0], True)
    """
    amplitude, phase_deg, topography = (
        _measured(channels[signal]) if signal in channels else None
        for signal in (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY)
    )
    if amplitude is None and phase_deg is None:
        raise ScansegError(
            "The scan has neither an amplitude nor a phase, and topography alone shows no walls.",
            hint="Choose channels of the piezoresponse, or another file.",
        )
    like = amplitude if amplitude is not None else phase_deg
    assert like is not None
    planes = np.zeros((len(SCAN_PLANES), *like.shape), np.float32)
    size = np.ones(like.shape, np.float32)
    if amplitude is not None:
        size = _relative(amplitude)
        planes[0] = 2.0 - 4.0 / (1.0 + size)
    response = (2.0 - 2.0 / (1.0 + size)).astype(np.complex64)
    if phase_deg is not None:
        turned = _aligned(phase_deg, size)
        response *= turned
        planes[1], planes[2] = turned.real, turned.imag
    contrast = _contrast(response)
    planes[3], planes[4] = contrast.real, contrast.imag
    if topography is not None:
        planes[5] = _relief(topography)
    return np.nan_to_num(planes, copy=False)


def _measured(image: RealImage) -> FloatImage:
    """As float32, NaN for whatever is not a number."""
    values = np.asarray(image, np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _relative(amplitude: FloatImage) -> FloatImage:
    """Amplitude over its median; 0 without response."""
    if np.isnan(amplitude).all():
        return amplitude
    # Some instruments store an amplitude with an offset, so that noise goes below zero.
    offset = min(float(np.nanpercentile(amplitude, 0.5)), 0.0)
    height = np.maximum(amplitude - np.float32(offset), 0)
    # An exact 0 was never measured: instruments fill the rest of a scan that was stopped with it.
    responding = height[height > 0]
    if not responding.size:
        return np.zeros_like(amplitude)
    return np.asarray(height / np.median(responding), np.float32)


def _aligned(phase_deg: FloatImage, size: FloatImage) -> ComplexImage:
    """Phase factor, turned so that both polarities are near the real axis.

    Doubled angles are alike for both, and their mean, weighted by the amplitude, is the axis.
    """
    factor = np.exp(1j * np.deg2rad(phase_deg)).astype(np.complex64)
    weighted = (size / (1.0 + size) * factor) ** 2
    axis = np.angle(np.nansum(weighted)) / 2
    return np.asarray(factor * np.complex64(np.exp(-1j * axis)))


def _contrast(response: ComplexImage) -> ComplexImage:
    """Response from its mean on, turned so that its largest variation is real and 1."""
    measured = np.isfinite(response) & (response != 0)
    n_measured = int(measured.sum())
    if not n_measured:
        return response
    mean = np.where(measured, response, 0).sum(dtype=np.complex128) / n_measured
    varying = np.where(measured, response - np.complex64(mean), 0)
    axis = np.exp(0.5j * np.angle(np.sum(varying**2, dtype=np.complex128)))
    if axis.real < 0:
        axis = -axis  # as the phase was turned
    turned = varying * np.complex64(axis.conj())
    spread = np.sqrt(np.square(turned.real).sum(dtype=np.float64) / n_measured)
    if spread <= 0:
        return np.zeros_like(response)
    turned /= np.float32(spread)
    return np.asarray(turned / np.sqrt(1 + (np.abs(turned) / LARGEST_CONTRAST) ** 2))


def _relief(topography: FloatImage) -> FloatImage:
    """Height above the surroundings in robust standard deviations; rows have no offsets."""
    measured = np.isfinite(topography)
    if not measured.any():
        return topography
    rows = np.zeros(len(topography), np.float32)
    some = measured.any(1)
    rows[some] = np.nanmedian(topography[some], axis=1)
    height = topography - rows[:, None]
    weight = _blurred(measured.astype(np.float32))
    around = _blurred(np.where(measured, height, 0)) / np.maximum(weight, 1e-3)
    relief = height - around
    spread = float(np.median(np.abs(relief[measured]))) * 1.4826
    if spread <= 0:
        return np.zeros_like(relief)
    return np.clip(relief / np.float32(spread), -LARGEST_RELIEF, LARGEST_RELIEF)


def _blurred(image: FloatImage) -> FloatImage:
    return np.asarray(
        ndimage.gaussian_filter(image, RELIEF_PX, mode="nearest", truncate=2.5), np.float32
    )

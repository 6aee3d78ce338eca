"""Which of two opposite directions the polarisation has, told by the phase."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scanseg.micrograph import FloatImage, Micrograph, Signal

__all__ = ["phase_axis_deg", "signed_response"]

# Dust and electrostatic spikes respond many times as strongly as domains, at any phase.
LARGEST_AMPLITUDE = 4.0


def signed_response(
    scan: Mapping[Signal, Micrograph], *, axis_deg: float | None = None
) -> FloatImage | None:
    """Response along the axis of the two polarities, positive for one and negative for the other.

    Parameters
    ----------
    scan
        Phase, and amplitude if there is one, as ``read_pfm`` gives them.
    axis_deg
        Phase of the positive polarity; by default :func:`phase_axis_deg` of this scan. Frames of a
        series want that of the first one.

    Returns
    -------
    signed
        In medians of the amplitude, shape (height, width), NaN where nothing was measured; None for
        a scan without phase, which does not tell.

    Notes
    -----
    A background larger than the piezoresponse (an electrostatic one) keeps the phase from flipping;
    both polarities then have one sign.
    """
    if Signal.PFM_PHASE not in scan:
        return None
    phase_rad, amplitude = _channels(scan)
    axis = np.float32(np.deg2rad(_axis_deg(phase_rad, amplitude) if axis_deg is None else axis_deg))
    return np.asarray(amplitude * np.cos(phase_rad - axis), np.float32)


def phase_axis_deg(scan: Mapping[Signal, Micrograph]) -> float:
    """Phase of one polarity, the one in (-90°, 90°]; the other's is 180° away.

    Half the mean of doubled angles, which are alike for both, weighted by the amplitude. Which of
    the two points up depends on instrument and crystal.
    """
    return _axis_deg(*_channels(scan))


def _channels(scan: Mapping[Signal, Micrograph]) -> tuple[FloatImage, FloatImage]:
    """Phase in radians, and amplitude over its median."""
    phase_rad = np.deg2rad(np.asarray(scan[Signal.PFM_PHASE].data, np.float32))
    if Signal.PFM_AMPLITUDE not in scan:
        return phase_rad, np.ones_like(phase_rad)
    amplitude = np.asarray(scan[Signal.PFM_AMPLITUDE].data, np.float32)
    measured = amplitude[np.isfinite(amplitude)]
    median = float(np.median(measured)) if measured.size else 1.0
    relative = amplitude / np.float32(max(median, float(np.finfo(np.float32).tiny)))
    return phase_rad, np.clip(relative, 0, LARGEST_AMPLITUDE)


def _axis_deg(phase_rad: FloatImage, amplitude: FloatImage) -> float:
    weight = amplitude * amplitude
    along = np.nansum(weight * np.cos(2 * phase_rad), dtype=float)
    across = np.nansum(weight * np.sin(2 * phase_rad), dtype=float)
    return float(np.rad2deg(np.arctan2(across, along)) / 2)

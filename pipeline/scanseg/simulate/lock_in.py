"""What scanner and lock-in do to the response, a row after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scanseg.micrograph import FloatImage
from scanseg.simulate.piezoresponse import ComplexImage

__all__ = ["Recording", "draw_recording", "record", "wrapped_phase_deg"]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """How a scan of H rows was recorded.

    Parameters
    ----------
    row_factor
        Complex gain of each row, shape (H,): jumps, tip changes, drift of the phase.
    row_offset
        Complex offset of each row over the typical response, shape (H,): stripes, charging.
    row_noise
        Noise of each row over the scan's, shape (H,): glitch bands are noisier.
    noise
        S.d. of the noise of each quadrature over the typical response.
    lag
        Part of a pixel's signal that is carried on to the next along the fast axis.
    saturation
        Largest amplitude over the typical one; inf for none.
    """

    row_factor: NDArray[np.complex64]
    row_offset: NDArray[np.complex64]
    row_noise: FloatImage
    noise: float
    lag: float
    saturation: float


def draw_recording(
    n_rows: int, rng: np.random.Generator, *, noise: float, disorder: float
) -> Recording:
    """Draw jumps, tip changes, glitch bands, stripes, drift of the phase, lag and saturation."""
    rows = np.arange(n_rows)
    gain = np.exp(disorder * rng.uniform(0.005, 0.06) * rng.normal(size=n_rows))
    phase = disorder * np.deg2rad(rng.normal(0, 8.0)) * (rows / n_rows)
    phase = phase + np.deg2rad(disorder * rng.uniform(0, 2.0)) * rng.normal(size=n_rows)
    offset = disorder * rng.uniform(0.0, 0.04) * _complex_normal(rng, n_rows)
    louder = np.ones(n_rows)
    slow = ndimage.gaussian_filter1d(rng.normal(size=n_rows), n_rows / rng.uniform(5, 60))
    slow /= max(float(slow.std()), 1e-9)
    if rng.uniform() < 0.5 * disorder:  # slow gain of the contact, as 1/f noise
        gain *= np.exp(rng.uniform(0, 0.15) * slow)
    if rng.uniform() < 0.1 * disorder:  # a contact that comes and goes
        louder = np.exp(rng.uniform(0, 1.0) * slow)
    if rng.uniform() < 0.15 * disorder:  # the tip changes from one row onward
        onward = rows >= rng.integers(n_rows // 8, n_rows)
        gain *= np.where(onward, rng.uniform(0.5, 1.6), 1.0)
        phase = phase + onward * np.deg2rad(rng.normal(0, 15.0))
    if rng.uniform() < 0.2 * disorder:
        start, length = rng.integers(0, n_rows), rng.integers(3, max(4, n_rows // 12))
        band = (rows >= start) & (rows < start + length)
        gain = np.where(band, gain * rng.uniform(0.1, 1.1), gain)
        offset = offset + band * rng.uniform(0, 0.5) * _complex_normal(rng, 1)
        louder = np.where(band, louder * rng.uniform(1.0, 5.0), louder)
    if rng.uniform() < 0.12 * disorder:  # mains hum as a few pin-stripes
        hum = np.sin(2 * np.pi * rows / rng.uniform(2.5, 12.0))
        offset = offset + rng.uniform(0.02, 0.12) * hum * _complex_normal(rng, 1)
    return Recording(
        row_factor=(gain * np.exp(1j * phase)).astype(np.complex64),
        row_offset=offset.astype(np.complex64),
        row_noise=louder.astype(np.float32),
        noise=noise,
        lag=float(rng.choice([0.0, rng.uniform(0.05, 0.6)])) * min(disorder, 1.0),
        saturation=float(rng.uniform(1.2, 2.0)) if rng.uniform() < 0.03 * disorder else np.inf,
    )


def record(response: ComplexImage, recording: Recording, rng: np.random.Generator) -> ComplexImage:
    """The response, its rows' gains in it already, with all else that a recording adds.

    Lag is centred, so that it smears walls and does not move them: instruments trigger so that
    trace and retrace agree.
    """
    typical = np.float32(np.median(np.abs(response[::2, ::2])))
    measured = response
    if recording.lag:
        tail = recording.lag ** np.arange(4)
        kernel = np.zeros(7)
        kernel[3:] = tail / tail.sum()
        shift = float((kernel * np.arange(-3, 4)).sum())
        whole = int(shift)
        part = shift - whole
        kernel = (1 - part) * np.roll(kernel, -whole) + part * np.roll(kernel, -whole - 1)
        measured = ndimage.convolve1d(measured, kernel, axis=1, mode="nearest")
    measured = measured + typical * recording.row_offset[:, None]
    noise = rng.standard_normal((*response.shape, 2), np.float32).view(np.complex64)[..., 0]
    measured += (typical * np.float32(recording.noise)) * recording.row_noise[:, None] * noise
    if np.isfinite(recording.saturation):
        amplitude = np.abs(measured)
        measured *= np.minimum(1.0, recording.saturation * typical / np.maximum(amplitude, 1e-9))
    return np.asarray(measured, np.complex64)


def wrapped_phase_deg(response: ComplexImage, *, lowest_deg: float) -> FloatImage:
    """Phase in degrees from ``lowest_deg`` up to 360 more, as a lock-in's file holds it."""
    phase = np.rad2deg(np.arctan2(response.imag, response.real))
    return np.asarray((phase - lowest_deg) % 360.0 + lowest_deg, np.float32)


def _complex_normal(rng: np.random.Generator, n: int) -> NDArray[np.complex128]:
    return np.asarray(rng.normal(size=(n, 2)) @ np.array([1, 1j]))

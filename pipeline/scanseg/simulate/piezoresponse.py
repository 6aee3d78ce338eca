"""What the tip makes of domains: a complex number a pixel, from which amplitude and phase follow.

``Z = [K * (polarity · strength) + b] · G``: the response of the domains blurred by the tip, a
background that has no domains, and the cantilever's resonance. The amplitude dip of a 180° wall
and its phase step are both in it; neither is ever drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from scanseg.micrograph import FloatImage
from scanseg.simulate.domains import Domains

__all__ = ["Cantilever", "ComplexImage", "Response", "Tip", "blur", "piezoresponse", "resonance"]

ComplexImage = NDArray[np.complex64]

# tanh(x / w) and the erf of a Gaussian of s.d. s have the same slope for w = sqrt(pi / 2) s.
HALF_WIDTH_OF_SIGMA = float(np.sqrt(np.pi / 2))


@dataclass(frozen=True, slots=True)
class Tip:
    """How far the response reaches.

    Parameters
    ----------
    half_width_px
        Half width w of a 180° wall, whose response is about tanh(x / w).
    tail_fraction, tail_px
        Part of the response that comes from far around, and how far (Lorentzian tails).
    twin_fraction, twin_shift_px
        Part that comes from a second apex, and where (y, x) that is.
    """

    half_width_px: float
    tail_fraction: float = 0.0
    tail_px: float = 10.0
    twin_fraction: float = 0.0
    twin_shift_px: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Response:
    """What the domains give, in units of a c domain's vertical response.

    Parameters
    ----------
    direction
        ``vertical`` or ``lateral``.
    a_vertical
        Vertical response of an a domain.
    c_lateral
        Lateral response of a c domain.
    buckling
        Part of the in-plane response along the lever that shows in the vertical one.
    lever_rad
        Direction across the lever, from x towards y.
    wall_softness
        Part of the response that is lost on a ferroelastic wall.
    background
        What has no domains: electrostatic forces and the instrument's own.
    """

    direction: Literal["vertical", "lateral"] = "vertical"
    a_vertical: float = 0.2
    c_lateral: float = 0.15
    buckling: float = 0.0
    lever_rad: float = 0.0
    wall_softness: float = 0.0
    background: complex = 0.0


@dataclass(frozen=True, slots=True)
class Cantilever:
    """A resonance that is driven near its top.

    Parameters
    ----------
    detuning
        Distance of the drive from the resonance, in half widths of the resonance.
    topography_detuning
        How far it changes with one s.d. of the topography (0 where the resonance is tracked).
    """

    detuning: float = 0.0
    topography_detuning: float = 0.0


def piezoresponse(domains: Domains, tip: Tip, response: Response) -> ComplexImage:
    """Response of domains and background before the resonance, shape (height, width)."""
    a_share = domains.a_share()
    angle = domains.in_plane_rad - np.float32(response.lever_rad)
    if response.direction == "vertical":
        of_a = response.a_vertical + response.buckling * np.sin(angle)
        strength = 1.0 + a_share * (of_a - 1.0)
    else:
        strength = response.c_lateral + a_share * (np.cos(angle) - response.c_lateral)
    if response.wall_softness:
        strength = strength * (1.0 - response.wall_softness * np.exp(-0.5 * domains.twin**2))
    blurred = blur(domains.polarity() * domains.strength * strength.astype(np.float32), tip)
    return np.asarray(blurred + np.complex64(response.background), np.complex64)


def blur(image: FloatImage, tip: Tip) -> FloatImage:
    """Image behind the tip's resolution function, in Fourier space (edges wrap round)."""
    height, width = image.shape
    ky = 2 * np.pi * fft.fftfreq(height)[:, None].astype(np.float32)
    kx = 2 * np.pi * fft.rfftfreq(width)[None].astype(np.float32)
    squared = ky * ky + kx * kx
    sigma = np.float32(tip.half_width_px / HALF_WIDTH_OF_SIGMA)
    transfer = np.exp(-0.5 * sigma * sigma * squared)
    if tip.tail_fraction:
        tail = np.exp(-np.float32(tip.tail_px) * np.sqrt(squared))
        transfer += np.float32(tip.tail_fraction) * (tail - transfer)
    if tip.twin_fraction:
        path = ky * np.float32(tip.twin_shift_px[0]) + kx * np.float32(tip.twin_shift_px[1])
        transfer = transfer * (1 + np.float32(tip.twin_fraction) * (np.exp(-1j * path) - 1))
    return np.asarray(fft.irfft2(fft.rfft2(image) * transfer, s=image.shape), np.float32)


def resonance(topography: FloatImage, cantilever: Cantilever) -> ComplexImage:
    """Amplification near the resonance, 1 in size and phase at the mean detuning.

    A harmonic oscillator close to its resonance: ``1 / (1 - i eta)``, with ``eta`` the detuning in
    half widths. Where a drive at one frequency meets contacts of different stiffness, topography
    shows in amplitude and phase.
    """
    relief = topography - topography.mean()
    # Beyond some s.d. it is dust or a groove, where a contact changes no further.
    relief = np.clip(relief / max(float(relief.std()), 1e-6), -2.5, 2.5)
    detuning = cantilever.detuning + cantilever.topography_detuning * relief
    gain = (1 - 1j * cantilever.detuning) / (1 - 1j * detuning.astype(np.complex64))
    return np.asarray(gain, np.complex64)

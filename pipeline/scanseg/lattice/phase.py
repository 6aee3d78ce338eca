"""Strain from the phases of two lattice fringes of an image, without any atom.

Geometric phase analysis (Hÿtch, Snoeck and Kilaas, Ultramicroscopy 74, 131, 1998): an independent
check of the strain that positions give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from scanseg.errors import ScansegError
from scanseg.lattice._columns import FloatArray
from scanseg.lattice.model import Lattice
from scanseg.lattice.strain import polar_strain
from scanseg.micrograph import Micrograph, as_micrograph

__all__ = ["StrainMaps", "geometric_phase"]

SMOOTHING_CELLS = 1.0  # width of the window in lattice vectors: others are damped to 3e-9
WEAK = 0.15  # of the strongest fringe's usual amplitude: there is no phase to speak of


@dataclass(frozen=True, slots=True, eq=False)
class StrainMaps:
    """Strain at every pixel of an image of H by W.

    Parameters
    ----------
    eyy, exx, exy
        Against the reference lattice, shape (H, W); nan where a fringe is too weak.
    rotation_deg
        Anticlockwise as the image is seen, shape (H, W).
    fringes
        Indices of the two reciprocal vectors that were used, shape (2, 2).
    strength
        Amplitude of the weaker fringe over its median, shape (H, W).
    """

    eyy: FloatArray
    exx: FloatArray
    exy: FloatArray
    rotation_deg: FloatArray
    fringes: FloatArray
    strength: FloatArray

    def at(self, y_px: ArrayLike, x_px: ArrayLike) -> dict[str, FloatArray]:
        """Values at N positions, the nearest pixel's: ``eyy``, ``exx``, ``exy``, ``rotation_deg``.

        Parameters
        ----------
        y_px, x_px
            Shape (N,) each; beyond the image the value at its border is taken.
        """
        row = np.clip(np.round(np.asarray(y_px)).astype(int), 0, self.eyy.shape[0] - 1)
        column = np.clip(np.round(np.asarray(x_px)).astype(int), 0, self.eyy.shape[1] - 1)
        return {
            name: getattr(self, name)[row, column] for name in ("eyy", "exx", "exy", "rotation_deg")
        }


def geometric_phase(
    image: Micrograph | ArrayLike, lattice: Lattice, *, smoothing_cells: float = SMOOTHING_CELLS
) -> StrainMaps:
    """Strain by geometric phase analysis.

    Parameters
    ----------
    image
        What was measured.
    lattice
        The reference, as :func:`scanseg.lattice.index_atoms` finds it.
    smoothing_cells
        Standard deviation of the Gaussian window, in units of the longer lattice vector.

    Notes
    -----
    The two strongest fringes of low order are demodulated with the reciprocal vectors of the
    lattice and smoothed; strain follows from the gradients of their phases, which are taken from
    the complex fringe itself, so that nothing is unwrapped. Within a window's width of the border
    the window is one-sided.
    """
    data = np.asarray(as_micrograph(image).data, np.float64)
    data = np.where(np.isfinite(data), data, np.nanmean(data))
    data = data - data.mean()
    window = smoothing_cells * float(np.linalg.norm(lattice.vectors_px, axis=1).max())
    reciprocal = np.asarray(
        np.linalg.inv(lattice.vectors_px).T, np.float64
    )  # rows b1, b2 in cycles a pixel, (y, x)
    orders = _strongest(data, reciprocal)
    vectors = orders @ reciprocal
    gradients, amplitudes = [], []
    for vector in vectors:
        fringe = _demodulate(data, vector, window)
        gradients.append(_phase_gradient(fringe))
        amplitudes.append(np.abs(fringe))
    # Phase = -2 pi g . u, so the gradient of u solves two equations a pixel.
    slope = np.stack(gradients, axis=-2)  # (H, W, fringe, axis)
    displacement = -np.einsum("ij,hwjk->hwik", np.linalg.inv(vectors), slope) / (2 * np.pi)
    stretch = lattice.stretch
    displacement *= stretch[:, None] / stretch[None, :]
    # u is a function of where things are now; the deformation of where they were.
    deformation = np.linalg.inv(np.eye(2) - displacement)
    eyy, exx, exy, rotation = polar_strain(deformation)
    strength = np.min([each / np.median(each) for each in amplitudes], axis=0)
    lost = strength < WEAK
    eyy, exx, exy, turn = (
        np.where(lost, np.nan, each) for each in (eyy, exx, exy, np.rad2deg(rotation))
    )
    return StrainMaps(eyy, exx, exy, turn, orders.astype(float), strength)


def _strongest(data: FloatArray, reciprocal: FloatArray) -> FloatArray:
    """Indices of the two strongest independent fringes of low order, shape (2, 2)."""
    orders = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (1, 2)])
    height, width = data.shape
    apodised = data * np.hanning(height)[:, None] * np.hanning(width)
    y, x = np.arange(height), np.arange(width)
    strength = np.zeros(len(orders))
    for n, (gy, gx) in enumerate(orders @ reciprocal):
        if max(abs(gy), abs(gx)) > 0.5:  # beyond what pixels can show
            continue
        rows = np.exp(-2j * np.pi * gy * y) @ apodised
        strength[n] = abs(rows @ np.exp(-2j * np.pi * gx * x))
    ranked = np.argsort(-strength)
    for other in ranked[1:]:
        pair = orders[[ranked[0], other]]
        if abs(np.linalg.det(pair)) > 0.5 and strength[other] > 0:
            return np.asarray(pair)
    raise ScansegError(
        "The image shows no two fringes of the lattice.",
        hint="Is the lattice that of this image, and is it sampled by more than two pixels?",
    )


def _demodulate(data: FloatArray, vector: FloatArray, window: float) -> FloatArray:
    """Complex amplitude of a fringe, smoothed, shape (H, W)."""
    y, x = np.arange(data.shape[0]), np.arange(data.shape[1])
    carrier = np.exp(-2j * np.pi * vector[0] * y)[:, None] * np.exp(-2j * np.pi * vector[1] * x)
    shifted = data * carrier
    options = {"mode": "constant", "truncate": 4.0}
    return np.asarray(
        gaussian_filter(shifted.real, window, **options)
        + 1j * gaussian_filter(shifted.imag, window, **options)
    )


def _phase_gradient(fringe: FloatArray) -> FloatArray:
    """Gradient of the phase in radians a pixel, shape (H, W, 2), without unwrapping."""
    turn = np.exp(1j * np.angle(fringe))
    return np.stack([np.imag(np.conj(turn) * np.gradient(turn, axis=axis)) for axis in (0, 1)], -1)

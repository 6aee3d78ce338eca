"""How far apart columns are, measured from the image alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from scanseg.micrograph import FloatImage, RealImage
from scanseg.preprocess.normalise import IntensityRange, repair

__all__ = ["LatticeSpacing", "estimate_lattice_spacing"]

# Side of the pieces whose autocorrelations are added up, and how many there are along a side.
PIECE_PX = 512
PIECES = 3
# Shorter repeats cannot be sampled, longer ones than a fifth of a piece cannot be averaged.
SHORTEST_PX = 2.5


@dataclass(frozen=True, slots=True)
class LatticeSpacing:
    """Shortest repeat of an image.

    Parameters
    ----------
    spacing_px
        Length of the shortest vector by which the image resembles itself.
    contrast
        Height of that peak of the autocorrelation over the scatter of its surroundings; below
        about 6 it may be chance.
    """

    spacing_px: float
    contrast: float


def estimate_lattice_spacing(data: RealImage, intensity: IntensityRange) -> LatticeSpacing | None:
    """Shortest repeat of an image, from the autocorrelation of pieces of it.

    The repeat is a lattice vector, or the distance of neighbours where that shows more: from
    honeycombs and dumbbells it can be up to three times the distance of nearest columns. It is a
    start for a network that finds columns, not the answer.

    Parameters
    ----------
    data
        Shape (height, width).
    intensity
        What fills gaps and which pixels are spikes.

    Returns
    -------
    spacing
        None where nothing repeats.
    """
    correlation = _mean_autocorrelation(data, intensity)
    if correlation is None:
        return None
    return _shortest_peak(correlation)


def _mean_autocorrelation(data: RealImage, intensity: IntensityRange) -> FloatImage | None:
    """Autocorrelation (centre in the middle, 1 there), added up over pieces of equal weight."""
    height, width = data.shape
    side = (min(PIECE_PX, height), min(PIECE_PX, width))
    if min(side) < 16:
        return None
    total: NDArray[np.float64] | None = None
    for top in _starts(height, side[0]):
        for left in _starts(width, side[1]):
            piece = repair(data[top : top + side[0], left : left + side[1]], intensity)
            power = _power(piece)
            if power.sum() > 0:
                total = power / power.sum() + (0.0 if total is None else total)
    if total is None:
        return None
    correlation = fft.fftshift(fft.irfft2(total, s=_padded(side)))
    rows, columns = ((min(s, c) - 1) // 2 for s, c in zip(side, correlation.shape, strict=True))
    middle = correlation.shape[0] // 2, correlation.shape[1] // 2
    cut = correlation[
        middle[0] - rows : middle[0] + rows + 1, middle[1] - columns : middle[1] + columns + 1
    ]
    return np.asarray(cut / correlation.max(), np.float32)


def _starts(length: int, side: int) -> list[int]:
    if length < 2 * side:
        return [(length - side) // 2]
    return [int(start) for start in np.linspace(0, length - side, PIECES)]


def _padded(side: tuple[int, int]) -> tuple[int, int]:
    return fft.next_fast_len(side[0], real=True), fft.next_fast_len(side[1], real=True)


def _power(piece: FloatImage) -> NDArray[np.float64]:
    """Power spectrum without slow background, uneven rows, and the borders' cross."""
    flat = piece - ndimage.uniform_filter(piece, 25, mode="nearest")
    spread = float(flat.std())
    if spread == 0:
        return np.zeros(1)
    flat = np.clip(flat, -4 * spread, 4 * spread)  # one bright particle is not the image
    flat -= flat.mean(axis=1, keepdims=True)
    taper = np.hanning(piece.shape[0])[:, None] * np.hanning(piece.shape[1])[None]
    spectrum = fft.rfft2(flat * taper, s=_padded((piece.shape[0], piece.shape[1])))
    power: NDArray[np.float64] = np.abs(spectrum) ** 2
    return power


def _shortest_peak(correlation: FloatImage) -> LatticeSpacing | None:
    rows, columns = correlation.shape
    y, x = np.mgrid[-(rows // 2) : rows // 2 + 1, -(columns // 2) : columns // 2 + 1]
    distance = np.hypot(y, x)
    longest = min(rows, columns) * 0.42
    searched = (distance >= SHORTEST_PX) & (distance <= longest) & (y >= 0)
    smooth = ndimage.gaussian_filter(correlation, 0.7)
    # Rows that jitter leave a ridge along the fast axis: no peak is looked for on it.
    searched &= (y > 0) | (np.abs(x) > 0.5 * longest)
    top = (smooth == ndimage.maximum_filter(smooth, 5)) & searched & (smooth > 0)
    if not top.any():
        return None
    scatter = 1.4826 * float(np.median(np.abs(smooth[searched] - np.median(smooth[searched]))))
    height, far = smooth[top], distance[top]
    # A taper makes far peaks lower: give that back before they are compared.
    height = height / np.maximum(1.0 - far / (0.75 * min(rows, columns)), 0.2)
    strong = height >= 0.45 * height.max()
    first = np.flatnonzero(strong)[np.argmin(far[strong])]
    contrast = float(height.max()) / max(scatter, 1e-6)
    return LatticeSpacing(float(far[first]), contrast)

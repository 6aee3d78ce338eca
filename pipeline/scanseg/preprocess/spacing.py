"""How far apart columns are, measured from the image alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from scanseg.contract import Normalisation
from scanseg.micrograph import FloatImage, RealImage
from scanseg.preprocess.normalise import IntensityRange, normalise, repair

__all__ = ["LatticeSpacing", "estimate_lattice_spacing"]

# Side of the pieces whose autocorrelations are added up, and how many there are along a side. Four
# pieces of 384 pixels cost a tenth of what a network takes for a megapixel.
PIECE_PX = 384
PIECES = 2
# Shorter repeats cannot be sampled; over longer ones a piece cannot average.
SHORTEST_PX = 2.5
SMOOTHING_PX = 0.7
LONGEST_OF_PIECE = 0.3
# Thickness and contamination change over more than this, repeats that are looked for over less.
SURROUNDINGS = Normalisation(window_px=24.0)


@dataclass(frozen=True, slots=True)
class LatticeSpacing:
    """Shortest repeat of an image.

    Parameters
    ----------
    spacing_px
        Length of the shortest vector by which the image resembles itself.
    contrast
        Height of the autocorrelation's highest peak over the scatter that white noise would give;
        noise alone reaches 5.
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
    found = _mean_autocorrelation(data, intensity)
    return None if found is None else _shortest_peak(*found)


def _mean_autocorrelation(
    data: RealImage, intensity: IntensityRange
) -> tuple[FloatImage, float] | None:
    """Autocorrelation (centre in the middle, 1 there), added up over pieces of equal weight.

    And the scatter of each of its points if the image were white noise.
    """
    height, width = data.shape
    side = (min(PIECE_PX, height), min(PIECE_PX, width))
    if min(side) < 16:
        return None
    total: FloatImage | None = None
    n_pieces = 0
    for top in _starts(height, side[0]):
        for left in _starts(width, side[1]):
            piece = repair(data[top : top + side[0], left : left + side[1]], intensity)
            power = _power(piece, intensity)
            if power.sum() > 0:
                total = power / power.sum() + (0.0 if total is None else total)
                n_pieces += 1
    if total is None:
        return None
    correlation = fft.fftshift(fft.irfft2(total, s=_padded(side)))
    # Peaks are looked for at short lags only; the rest is cut off before it costs anything.
    rows, columns = (int(LONGEST_OF_PIECE * length) + 4 for length in side)
    middle = correlation.shape[0] // 2, correlation.shape[1] // 2
    cut = correlation[
        middle[0] - rows : middle[0] + rows + 1, middle[1] - columns : middle[1] + columns + 1
    ]
    # Along an axis of n pixels Hann's window w leaves sum(w^4) / sum(w^2)^2 = 1.94 / n.
    scatter = 1.94 / np.sqrt(n_pieces * side[0] * side[1])
    return np.asarray(cut / correlation.max(), np.float32), float(scatter)


def _starts(length: int, side: int) -> list[int]:
    if length < 2 * side:
        return [(length - side) // 2]
    return [int(start) for start in np.linspace(0, length - side, PIECES)]


def _padded(side: tuple[int, int]) -> tuple[int, int]:
    return fft.next_fast_len(side[0], real=True), fft.next_fast_len(side[1], real=True)


def _power(piece: FloatImage, intensity: IntensityRange) -> FloatImage:
    """Power spectrum without slow background, uneven rows, and the borders' cross."""
    flat = normalise(piece, intensity, SURROUNDINGS)
    np.clip(flat, -4.0, 4.0, out=flat)  # one bright particle is not the image
    flat -= flat.mean(axis=1, keepdims=True)
    flat *= np.hanning(piece.shape[0])[:, None].astype(np.float32)
    flat *= np.hanning(piece.shape[1])[None].astype(np.float32)
    spectrum = fft.rfft2(flat, s=_padded((piece.shape[0], piece.shape[1])))
    power: FloatImage = spectrum.real**2 + spectrum.imag**2
    return power


def _shortest_peak(correlation: FloatImage, scatter: float) -> LatticeSpacing | None:
    rows, columns = correlation.shape
    y, x = np.mgrid[-(rows // 2) : rows // 2 + 1, -(columns // 2) : columns // 2 + 1]
    distance = np.hypot(y, x)
    longest = min(rows, columns) / 2 - 4
    searched = (distance >= SHORTEST_PX) & (distance <= longest) & (y >= 0)
    smooth = ndimage.gaussian_filter(correlation, SMOOTHING_PX)
    # Rows that jitter leave a ridge along the fast axis: no peak is looked for on it.
    searched &= (y > 0) | (np.abs(x) > 0.5 * longest)
    top = (smooth == ndimage.maximum_filter(smooth, 5)) & searched & (smooth > 0)
    if not top.any():
        return None
    height, far = smooth[top], distance[top]
    # A taper makes far peaks lower: give that back before they are compared.
    side = min(rows, columns) / (2 * LONGEST_OF_PIECE)
    height = height / np.maximum(1.0 - far / (0.75 * side), 0.2)
    strong = height >= 0.45 * height.max()
    first = np.flatnonzero(strong)[np.argmin(far[strong])]
    # Smoothing takes noise of one pixel down to the norm of its kernel.
    contrast = float(height.max() / (scatter / (2 * np.sqrt(np.pi) * SMOOTHING_PX)))
    return LatticeSpacing(float(far[first]), contrast)

"""What a STEM might have done to an image that it recorded well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from scanseg.micrograph import FloatImage
from scanseg.simulate.imaging import lag_kernel
from scanseg.simulate.scenery import smooth_field
from scanseg.train.recipe import AtomArtefact
from scanseg.train.scan_warp import ScanWarp, draw_warp

__all__ = ["disturb_atoms"]

# Electrons a pixel in the brightest columns: at 8 px between columns, 10 of them are some 250 a
# column, which a network still sees.
DOSES = (10.0, 300.0)


def disturb_atoms(
    image: FloatImage,
    rng: np.random.Generator,
    probability: Mapping[AtomArtefact, float],
    *,
    spacing_px: float,
    dark_columns: bool = False,
) -> tuple[FloatImage, ScanWarp | None]:
    """Draw artefacts and put them on an image.

    Parameters
    ----------
    image
        Before it is normalised, shape (h, w).
    rng
        Source of all randomness.
    probability
        Of each artefact.
    spacing_px
        Distance of nearest columns.
    dark_columns
        Whether columns are darker than their surroundings.

    Returns
    -------
    image, warp
        And what moves positions and class maps along with it; None where nothing moved.
    """
    drawn = {name for name, share in probability.items() if rng.uniform() < share}
    warp = None
    if drawn & {"drift", "line_jitter"}:
        warp = draw_warp(
            _sides(image), rng, drift="drift" in drawn, jitter="line_jitter" in drawn,
            spacing_px=spacing_px,
        )  # fmt: skip
        image = warp.drawn(image)
    if "contamination" in drawn:
        _, span = _range(image)
        sign = -1.0 if dark_columns else 1.0
        image = image + np.float32(sign * span) * _dirt(_sides(image), rng, spacing_px)
    if "dose" in drawn:
        image = _recounted(image, rng)
    if "lag" in drawn:
        kernel = lag_kernel(rng.uniform(0.05, 0.6))
        image = ndimage.convolve1d(image, kernel, axis=1, mode="nearest")
    return np.asarray(image, np.float32), warp


def _sides(image: FloatImage) -> tuple[int, int]:
    height, width = image.shape
    return height, width


def _dirt(shape: tuple[int, int], rng: np.random.Generator, spacing_px: float) -> FloatImage:
    """Smooth patches, up to as bright as the columns, as simulated images have them."""
    field = smooth_field(shape, rng, feature_px=rng.uniform(2.0, 10.0) * spacing_px)
    thickness = np.maximum(field - rng.uniform(-0.5, 1.5), 0)
    return np.asarray(rng.uniform(0.2, 0.8) * thickness, np.float32)


def _range(image: FloatImage) -> tuple[float, float]:
    """The darkest of an image, and how much brighter its brightest is."""
    low, high = (float(value) for value in np.percentile(image, (0.1, 99)))
    return low, max(high - low, 1e-6)


def _recounted(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """The image as if it had been recorded with fewer electrons; its own noise stays."""
    low, span = _range(image)
    least, most = DOSES
    counts_a_span = least * (most / least) ** rng.uniform()
    expected = np.maximum((image - low) / span, 0) * counts_a_span
    return np.asarray(rng.poisson(expected) / counts_a_span * span + low, np.float32)

"""Does a model still compute what it computed when it was saved?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scanseg.bundle.model import Model
from scanseg.bundle.onnx_network import OnnxNetwork
from scanseg.bundle.probability import foreground_probability
from scanseg.errors import BundleError
from scanseg.micrograph import FloatImage

__all__ = ["PRECISION_TOLERANCE", "SelfTest", "self_test"]

# Largest and mean difference of a probability from the stored one. f32 differs by the order of sums
# (below 1e-6 seen). bf16 keeps 8 bits; over 24 simulated images the atom network differed by 0.08
# at the worst of 1.5 million pixels, by 0.001 on average (0.003 for the worst image), and gave
# another class to 4 pixels in 10,000. Positions are refined on the image, so single pixels of a
# map matter little; a mean of 0.005 would move the calibration.
PRECISION_TOLERANCE = {"f32": (2e-3, 2e-4), "bf16": (0.2, 0.005)}


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Comparison of the stored output with a new one.

    Parameters
    ----------
    largest_difference, mean_difference
        Of the probabilities.
    tolerance
        What these may be.
    """

    largest_difference: float
    mean_difference: float
    tolerance: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether both differences are within their tolerance."""
        largest, mean = self.tolerance
        # A NaN compares as False, and so fails.
        return bool(self.largest_difference <= largest and self.mean_difference <= mean)


def self_test(
    model: Model,
    *,
    logits: Callable[[FloatImage], FloatImage] | None = None,
    precision: str = "f32",
) -> SelfTest:
    """Run the stored input of a model, and compare with the stored output.

    Parameters
    ----------
    model
        A model.
    logits
        What computes logits (N, C, h, w) from tiles (N, channels, h, w); by default the ONNX file
        in OpenVINO, in f32.
    precision
        Key of ``PRECISION_TOLERANCE``.
    """
    tiles, expected = _load_test(model)
    computed = (logits or OnnxNetwork(model.onnx_path).logits)(tiles)
    if computed.shape != expected.shape:
        raise BundleError(
            f"The network of '{model.name}' returns {computed.shape} for its test input where "
            f"{expected.shape} is stored.",
            hint="The files of the model do not belong together: copy the whole folder again.",
        )
    found, stored = (
        foreground_probability(
            each, temperature=model.contract.temperature, n_members=model.contract.members
        )
        for each in (computed, expected)
    )
    difference = np.abs(found - stored)
    return SelfTest(
        float(difference.max()), float(difference.mean()), PRECISION_TOLERANCE[precision]
    )


def _load_test(model: Model) -> tuple[FloatImage, FloatImage]:
    try:
        tiles = np.load(model.test_input_path, allow_pickle=False)
        expected = np.load(model.test_output_path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The self-test of '{model.name}' cannot be read: {error}.",
            hint="Copy or download the whole folder again.",
        ) from None
    return tiles, expected

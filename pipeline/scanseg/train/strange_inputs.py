"""What a network does with input like nothing that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from scanseg.bundle.probability import member_probability
from scanseg.micrograph import FloatImage

__all__ = ["Response", "responses", "strange_inputs"]

SEED = 20_001
# As many images tell a share of 1 % from one of 2 %.
N_IMAGES = 32
# Probabilities below say nothing of objects.
SOME = 0.05


@dataclass(frozen=True, slots=True)
class Response:
    """What comes out for one kind of input.

    Parameters
    ----------
    kind
        In words.
    found
        Share of pixels that are found to be an object.
    doubt
        p (1 - p) over p, summed over all pixels: 0 for certainty; nan where nothing is seen.
    spread
        S.d. of the probability between the members of an ensemble where any sees something; nan for
        one network.
    told_apart
        Probability that an image of this kind is doubted more than one of the validation set; 0.5
        where doubt tells nothing.
    """

    kind: str
    found: float
    doubt: float
    spread: float
    told_apart: float


def strange_inputs(images: Sequence[FloatImage]) -> dict[str, list[FloatImage]]:
    """Inputs (channels, h, w) made from those of a validation set, by kind."""
    rng = np.random.default_rng(SEED)
    return {
        "noise alone": [_noise(image, rng) for image in images],
        "blurred by 4 px": [ndimage.gaussian_filter(image, (0, 4, 4)) for image in images],
        "enlarged 4 times": [_enlarged(image) for image in images],
        "bright and dark exchanged": [-image for image in images],
    }


def responses(
    logits_of: Callable[[list[FloatImage]], list[FloatImage]],
    images: Sequence[FloatImage],
    *,
    temperature: float,
    threshold: float,
    n_members: int,
) -> list[Response]:
    """Responses to the validation set, and to what is like nothing in it.

    Parameters
    ----------
    logits_of
        The network: inputs (channels, h, w) to logits (K C, h, w).
    images
        Inputs of the validation set.
    temperature, threshold, n_members
        Of the model.
    """
    images = list(images[:N_IMAGES])
    known: list[float] = []
    found = []
    for kind, inputs in {"validation set": images, **strange_inputs(images)}.items():
        of_members = [
            member_probability(each[None], temperature=temperature, n_members=n_members)[0].sum(1)
            for each in logits_of(inputs)
        ]
        foreground = [each.mean(axis=0) for each in of_members]
        doubts = [_doubt(each) for each in foreground]
        known = known or doubts
        found.append(
            Response(
                kind=kind,
                found=float(np.mean([(each >= threshold).mean() for each in foreground])),
                doubt=_mean(doubts),
                spread=_mean([_spread(each) for each in of_members]),
                told_apart=_larger(doubts, known),
            )
        )
    return found


def _noise(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """White noise with the mean and spread of each channel."""
    mean, spread = (each(image, axis=(1, 2), keepdims=True) for each in (np.mean, np.std))
    return np.asarray(mean + spread * rng.standard_normal(image.shape), np.float32)


def _enlarged(image: FloatImage) -> FloatImage:
    """The middle, four times as large."""
    height, width = (4 * (side // 4) for side in image.shape[1:])
    top, left = 3 * height // 8, 3 * width // 8
    middle = image[:, top : top + height // 4, left : left + width // 4]
    large = ndimage.zoom(middle, (1, 4, 4), order=1, mode="nearest", grid_mode=True)
    padding = [(0, 0), *((0, a - b) for a, b in zip(image.shape[1:], (height, width), strict=True))]
    return np.asarray(np.pad(large, padding, mode="edge"), np.float32)


def _doubt(foreground: FloatImage) -> float:
    some = np.where(foreground > SOME, foreground, 0.0)
    total = float(some.sum())
    return float((some * (1 - some)).sum()) / total if total else float("nan")


def _spread(of_members: FloatImage) -> float:
    seen = of_members.max(axis=0) > SOME
    if len(of_members) < 2 or not seen.any():
        return float("nan")
    return float(of_members.std(axis=0)[seen].mean())


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _larger(values: Sequence[float], known: Sequence[float]) -> float:
    """How often a value is larger than a known one; ties count half, nan nothing."""
    one, other = (np.array([v for v in each if np.isfinite(v)]) for each in (values, known))
    if not len(one) or not len(other):
        return float("nan")
    difference = one[:, None] - other[None]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))

"""Augmentation of normalised patches, after the simulator has done what instruments do.

Everything here keeps positions where they are; turning and mirroring is left to the simulator,
which draws every orientation anyway.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from scanseg.contract import Normalisation
from scanseg.errors import ConfigError
from scanseg.micrograph import FloatImage
from scanseg.train.labels import IGNORED

if TYPE_CHECKING:
    from albumentations import Compose

__all__ = ["augment", "build_augmentation", "mirror_border"]

T = TypeVar("T", float, FloatImage)


def build_augmentation(probability: dict[str, float], normalisation: Normalisation) -> Compose:
    """Compose the augmentations of a recipe.

    Parameters
    ----------
    probability
        Of ``contrast`` (surroundings may vary more than atoms do), ``gamma``,
        ``blur`` and ``dropout`` (rectangles without signal).

    Raises
    ------
    ConfigError
        For a name that is not known.
    """
    # albumentations asks the network for newer versions when it is imported, unless told not to.
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    known = {
        "contrast": albumentations.RandomBrightnessContrast(
            brightness_limit=(-0.02, 0.02), contrast_limit=(-0.6, 0.15),
            p=probability.get("contrast", 0.0),
        ),
        "gamma": albumentations.RandomGamma((70, 150), p=probability.get("gamma", 0.0)),
        "blur": albumentations.GaussianBlur(
            blur_limit=0, sigma_limit=(0.3, 0.9), p=probability.get("blur", 0.0)
        ),
        "dropout": albumentations.CoarseDropout(
            num_holes_range=(1, 2), hole_height_range=(8, 60), hole_width_range=(8, 60),
            fill=_mapped(0.0, normalisation), fill_mask=0, p=probability.get("dropout", 0.0),
        ),
    }  # fmt: skip
    unknown = sorted(set(probability) - set(known))
    if unknown:
        raise ConfigError(
            f"There is no augmentation {', '.join(unknown)}.", hint=f"Known are {', '.join(known)}."
        )
    return albumentations.Compose([known[name] for name in probability])


def augment(
    patch: FloatImage, class_map: NDArray[np.uint8], augmentation: Compose,
    normalisation: Normalisation, *, seed: int,
) -> tuple[FloatImage, NDArray[np.uint8]]:  # fmt: skip
    """Augment a normalised patch and its class map, both of shape (height, width).

    albumentations clips float images to 0 to 1, so the range of the network's input is mapped there
    and back. The same seed gives the same patch, whichever process draws it.
    """
    augmentation.set_random_seed(seed)
    changed = augmentation(image=_mapped(patch, normalisation), mask=class_map)
    span = normalisation.clip_high - normalisation.clip_low
    image = np.asarray(changed["image"], np.float32) * span + normalisation.clip_low
    return np.asarray(image, np.float32), np.asarray(changed["mask"], np.uint8)


def _mapped(value: T, normalisation: Normalisation) -> T:
    """A network's input as a part of its range, which is what albumentations calls an image."""
    span = normalisation.clip_high - normalisation.clip_low
    return (value - normalisation.clip_low) / span


def mirror_border(
    image: FloatImage, class_map: NDArray[np.uint8], rng: np.random.Generator, *, deepest_px: int
) -> tuple[FloatImage, NDArray[np.uint8]]:
    """Replace a strip along one border by the mirror image of what lies beside it.

    Images are padded like that when a network runs over them, and columns at their border must be
    found beside their own reflection. The strip itself is left out of the loss. The image may have
    channels before its height and width.
    """
    depth = int(rng.integers(1, deepest_px + 1))
    turn = int(rng.integers(4))
    image, class_map = np.rot90(image, turn, (-2, -1)), np.rot90(class_map, turn)
    padding = ((depth, 0), (0, 0))
    channels = ((0, 0),) * (image.ndim - 2)
    image = np.pad(image[..., depth:, :], (*channels, *padding), mode="symmetric")
    class_map = np.pad(class_map[depth:], padding, constant_values=IGNORED)
    return (
        np.ascontiguousarray(np.rot90(image, -turn, (-2, -1))),
        np.ascontiguousarray(np.rot90(class_map, -turn)),
    )

"""Pictures of patches: what a network is trained on, and what it makes of the validation set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanseg.contract import ModelClass
from scanseg.micrograph import FloatImage
from scanseg.train.labels import IGNORED
from scanseg.train.task import Example, Patch

__all__ = ["draw_mosaic", "draw_sheet"]

RgbImage = NDArray[np.uint8]  # (height, width, 3)

GAP_PX, HEADING_PX = 4, 22
PANELS_ACROSS = 9
# Planes that people recognise, of inputs that have more than one.
SHOWN_PLANES = {"amplitude": "amplitude", "phase_cos": "phase (cos)"}
NOT_JUDGED = (112, 112, 122)
# Found, missed and false differ for the colour-blind too.
FOUND, MISSED, FALSE, CONFUSED = (235, 235, 235), (64, 140, 255), (255, 106, 40), (226, 60, 226)


def draw_sheet(
    examples: Sequence[Example],
    classes: Sequence[ModelClass],
    channels: Sequence[str],
    path: Path,
) -> None:
    """Draw training patches as a network gets them, beside them their labels.

    Grey pixels of the labels are left out of the loss.

    Parameters
    ----------
    examples
        Input (channels, h, w) and class map (h, w).
    classes, channels
        Of the model.
    path
        A PNG file.
    """
    shown = _shown(channels)
    across = PANELS_ACROSS // (len(shown) + 1)
    panels: list[RgbImage] = []
    for image, class_map in examples:
        greys = [_grey(image.numpy()[index]) for index in shown]
        panels += [*greys, _labelled(greys[0], class_map.numpy(), classes)]
    longest = across * (len(shown) + 1)
    rows = [panels[start : start + longest] for start in range(0, len(panels), longest)]
    headings = [*shown.values(), "labels"] * min(across, len(examples))
    _write(_stacked(rows), headings, path)


def draw_mosaic(
    patches: Sequence[Patch],
    probability: Sequence[FloatImage],
    classes: Sequence[ModelClass],
    channels: Sequence[str],
    path: Path,
    *,
    threshold: float,
    n_rows: int = 8,
) -> None:
    """Draw input, truth, prediction and error of patches from the best to the worst.

    Parameters
    ----------
    patches
        The validation set.
    probability
        Of the foreground, shape (C - 1, h, w) each.
    classes, channels
        Of the model.
    path
        A PNG file.
    threshold
        Probability from which a pixel is found.
    n_rows
        Patches to draw, at equal steps of the ranking by wrong pixels.
    """
    shown = _shown(channels)
    found = [_class_map(each, threshold) for each in probability]
    wrong = [
        float(((each != patch.class_map) & (patch.class_map != IGNORED)).mean())
        for each, patch in zip(found, patches, strict=True)
    ]
    ranking = np.argsort(wrong, kind="stable")
    rows = []
    for index in ranking[np.linspace(0, len(patches) - 1, min(n_rows, len(patches))).astype(int)]:
        patch = patches[index]
        panels = [_grey(patch.image[plane]) for plane in shown]
        rows.append(
            [
                *panels,
                _coloured(patch.class_map, classes),
                _glowing(probability[index], classes),
                _errors(panels[0], found[index], patch.class_map),
            ]
        )
    headings = [*shown.values(), "truth", "probability", "found / missed / false"]
    _write(_stacked(rows), headings, path)


def _shown(channels: Sequence[str]) -> dict[int, str]:
    """Index and heading of the planes that are drawn."""
    known = {
        index: SHOWN_PLANES[name] for index, name in enumerate(channels) if name in SHOWN_PLANES
    }
    return known or {0: channels[0]}


def _class_map(probability: FloatImage, threshold: float) -> NDArray[np.uint8]:
    found = probability.sum(axis=0) >= threshold
    return np.where(found, probability.argmax(axis=0) + 1, 0).astype(np.uint8)


def _grey(plane: FloatImage) -> RgbImage:
    """Grey values between the percentiles 0.5 and 99.5; a missing channel is even."""
    low, high = np.percentile(plane, (0.5, 99.5))
    if high - low < 1e-6:
        return np.full((*plane.shape, 3), 128, np.uint8)
    scaled = (plane - low) / (high - low)
    grey = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _colours(classes: Sequence[ModelClass]) -> RgbImage:
    """Of all 256 values of a class map, shape (256, 3)."""
    table = np.zeros((256, 3), np.uint8)
    for index, each in enumerate(classes):
        table[index] = tuple(bytes.fromhex(each.colour[1:]))
    table[IGNORED] = NOT_JUDGED
    return table


def _coloured(class_map: NDArray[np.integer], classes: Sequence[ModelClass]) -> RgbImage:
    return np.asarray(_colours(classes)[class_map], np.uint8)


def _labelled(
    grey: RgbImage, class_map: NDArray[np.integer], classes: Sequence[ModelClass]
) -> RgbImage:
    """Labels over the image, so that both can be compared."""
    colour = _coloured(class_map, classes)
    mixed = (0.5 * grey + 0.5 * colour).astype(np.uint8)
    return np.where((class_map > 0)[..., None], mixed, grey)


def _glowing(probability: FloatImage, classes: Sequence[ModelClass]) -> RgbImage:
    """Colours of the classes, each as bright as it is probable."""
    colour = _colours(classes)[1 : len(probability) + 1].astype(np.float32)
    glow = np.einsum("chw,cr->hwr", probability, colour)
    return np.asarray(np.clip(glow, 0, 255), np.uint8)


def _errors(grey: RgbImage, found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> RgbImage:
    """Found, missed, false and of the wrong class, over the darkened image."""
    errors = grey // 3
    judged = truth != IGNORED
    errors[~judged] = errors[~judged] // 2 + np.array(NOT_JUDGED, np.uint8) // 2
    errors[judged & (found == truth) & (truth > 0)] = FOUND
    errors[judged & (found == 0) & (truth > 0)] = MISSED
    errors[judged & (found > 0) & (truth == 0)] = FALSE
    errors[judged & (found > 0) & (truth > 0) & (found != truth)] = CONFUSED
    return errors


def _stacked(rows: Sequence[Sequence[RgbImage]]) -> list[list[RgbImage]]:
    """Rows of equal length: the last one is filled up with black."""
    longest = max(len(row) for row in rows)
    empty = np.zeros_like(rows[0][0])
    return [[*row, *[empty] * (longest - len(row))] for row in rows]


def _write(rows: list[list[RgbImage]], headings: Sequence[str], path: Path) -> None:
    """Panels side by side, pixel by pixel, with a line of headings above."""
    from PIL import Image, ImageDraw

    height, width = rows[0][0].shape[:2]
    shape = (
        HEADING_PX + len(rows) * (height + GAP_PX),
        len(rows[0]) * (width + GAP_PX) - GAP_PX,
        3,
    )
    canvas = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            top, left = HEADING_PX + i * (height + GAP_PX), j * (width + GAP_PX)
            canvas[top : top + height, left : left + width] = panel
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for j, heading in enumerate(headings):
        pen.text((j * (width + GAP_PX) + 3, 4), heading, fill=(20, 20, 20))
    picture.save(path)

"""Domain walls of real scans against automatic labels, beside classical edge detectors.

    python benchmarks/real_walls.py FOLDER [--model pfm-walls]

FOLDER holds PFM scans with ``*_silver.npz`` beside them (public repositories; none of their files
is part of scanseg). The labels are sign changes of the smoothed phase: not corrected by hand, and
without ferroelastic walls. Canny and Sato's ridge filter get the best of their settings for each
scan, chosen on its label; the network gets the file. F1 within 2 px; one to one, and many to one,
which flatters doubled lines and is what such figures usually are. The labels mark flips of the
phase, and a background of the instrument moves these off the wall; so walls are compared as scanseg
places them, and placed at the flips (``walls.place=flip``).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import canny
from skimage.filters import sato
from skimage.morphology import remove_small_objects, skeletonize

import scanseg
from scanseg.bundle import Model
from scanseg.evaluate import score_skeleton
from scanseg.inference import Engine, open_engine
from scanseg.micrograph import Micrograph, Signal
from scanseg.walls import WallTracing

Mask = NDArray[np.bool_]
RADIUS_PX = 2.0


def f1_one_to_one(found: Mask, truth: Mask) -> float:
    """As scanseg scores."""
    return score_skeleton(found, truth, radius=RADIUS_PX).f1


def f1_many_to_one(found: Mask, truth: Mask) -> float:
    """Distances to the nearest pixel of the other side."""
    if not found.any() or not truth.any():
        return float(found.any() == truth.any())
    precision = float((ndimage.distance_transform_edt(~truth)[found] <= RADIUS_PX).mean())
    recall = float((ndimage.distance_transform_edt(~found)[truth] <= RADIUS_PX).mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def best_canny(image: NDArray[np.float64], truth: Mask) -> tuple[float, float]:
    """Best F1 (one to one, many to one) of Canny over its settings, on this label."""
    image = image / max(float(np.percentile(np.abs(image), 99)), 1e-12)
    settings = product((1.0, 1.5, 2.0, 3.0, 4.0), (0.02, 0.05, 0.1, 0.2), (0.1, 0.2, 0.3, 0.4))
    found = [canny(image, s, low, high) for s, low, high in settings if low < high]
    return _best(found, truth)


def best_ridge(amplitude: NDArray[np.float64], truth: Mask) -> tuple[float, float]:
    """The same of Sato's filter for dark ridges."""
    found = []
    for sigma in (1.5, 2.0, 3.0):
        ridge = sato(amplitude, sigmas=[sigma], black_ridges=True)
        for percentile in (80, 85, 90, 93, 96):
            mask = ridge > np.percentile(ridge, percentile)
            found.append(skeletonize(remove_small_objects(mask, max_size=30)))
    return _best(found, truth)


def _best(found: list[Mask], truth: Mask) -> tuple[float, float]:
    return (
        max(f1_one_to_one(each, truth) for each in found),
        max(f1_many_to_one(each, truth) for each in found),
    )


def walls_of(
    image: Micrograph, model: Model, engine: Engine, *, place: Literal["wall", "flip"] = "wall"
) -> Mask:
    """Skeleton of the ferroelectric walls that scanseg traces."""
    prediction = scanseg.predict(image, model, engine=engine)
    points = scanseg.trace_walls(prediction, config=WallTracing(place=place)).points
    chosen = points[points["class"] == "ferroelectric"]
    mask = np.zeros(image.shape, bool)
    y, x = (np.rint(chosen[name]).astype(int) for name in ("y_px", "x_px"))
    inside = (y >= 0) & (y < image.shape[0]) & (x >= 0) & (x < image.shape[1])
    mask[y[inside], x[inside]] = True
    return np.asarray(skeletonize(mask))


def main() -> None:
    """Print a row a scan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="pfm-walls")
    arguments = parser.parse_args()
    model = scanseg.load_model(arguments.model)
    engine = open_engine(model)
    print("F1 at 2 px, one to one (many to one)")
    heads = ("walls", "at flips", "Canny phase", "amplitude only", "Canny", "ridge")
    print(f"{'scan':20}" + "".join(f"{head:>15}" for head in heads))
    for label_file in sorted(arguments.folder.glob("*/*_silver.npz")):
        name = label_file.name.removesuffix("_silver.npz")
        scan_file = next(p for p in label_file.parent.glob(f"{name}.*"))
        label = np.load(label_file, allow_pickle=False)
        image = scanseg.read(scan_file)
        truth = skeletonize(label["wall_ferroelectric"] > 0)
        amplitude = label["amplitude_pm"].astype(float)
        # A label may have been written from the bottom upwards.
        if _upside_down(image, amplitude):
            truth, amplitude = truth[::-1], amplitude[::-1]
        phase = image.companions[Signal.PFM_PHASE].data
        alone = replace(image, companions={})
        ours = walls_of(image, model, engine)
        ours_flips = walls_of(image, model, engine, place="flip")
        ours_alone = walls_of(alone, model, engine)
        cosine = np.cos(np.deg2rad(phase.astype(float)) - _axis(image))
        rows = [
            (f1_one_to_one(ours, truth), f1_many_to_one(ours, truth)),
            (f1_one_to_one(ours_flips, truth), f1_many_to_one(ours_flips, truth)),
            best_canny(cosine, truth),
            (f1_one_to_one(ours_alone, truth), f1_many_to_one(ours_alone, truth)),
            best_canny(amplitude, truth),
            best_ridge(amplitude, truth),
        ]
        cells = [f"{one:.3f} ({many:.3f})" for one, many in rows]
        print(f"{name:20}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


def _upside_down(image: Micrograph, amplitude: NDArray[np.float64]) -> bool:
    straight = np.corrcoef(image.data.ravel(), amplitude.ravel())[0, 1]
    flipped = np.corrcoef(image.data.ravel(), amplitude[::-1].ravel())[0, 1]
    return bool(flipped > straight)


def _axis(image: Micrograph) -> float:
    """Phase of one polarity, from doubled angles weighted by the amplitude."""
    phase = np.deg2rad(image.companions[Signal.PFM_PHASE].data.astype(float))
    weight = image.data.astype(float) ** 2
    return float(np.angle(np.sum(weight * np.exp(2j * phase))) / 2)


if __name__ == "__main__":
    main()

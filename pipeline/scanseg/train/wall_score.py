"""How well a network finds walls: skeletons, one to one, by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from scanseg.evaluate import SkeletonScore, score_skeleton, wall_skeleton
from scanseg.micrograph import FloatImage, Mask
from scanseg.train.labels import IGNORED
from scanseg.train.wall_patches import WallPatch

__all__ = ["score_walls_by_class"]

RADIUS_PX = 2.0
# Scans with all three channels whose noise is at most so much of their amplitude.
CLEAR_NOISE = 0.1


def score_walls_by_class(
    patches: Sequence[WallPatch],
    probability: Sequence[FloatImage],
    class_names: Sequence[str],
    *,
    threshold: float,
) -> dict[str, float]:
    """F1 of skeletons within 2 px, one to one, over a set.

    Parameters
    ----------
    patches
        Scans and their class maps; walls too faint to tell need not be found and may be.
    probability
        Of the wall classes, shape (C - 1, height, width) each.
    class_names
        Background first.
    threshold
        Probability of any wall from which a pixel is on one.

    Returns
    -------
    scores
        ``f1`` is the mean over the classes, ``f1_any`` does not mind the class, ``f1_clear`` is the
        mean over scans with all channels and little noise.
    """
    names = tuple(class_names[1:])
    total = {name: SkeletonScore(0, 0, 0) for name in (*names, "any")}
    clear = {name: SkeletonScore(0, 0, 0) for name in names}
    for patch, each in zip(patches, probability, strict=True):
        for name, score in _scores(patch, each, names, threshold):
            total[name] += score
            if name in clear and patch.complete and patch.noise <= CLEAR_NOISE:
                clear[name] += score
    return {
        "f1": float(np.mean([total[name].f1 for name in names])),
        **{f"f1_{name}": score.f1 for name, score in total.items()},
        "f1_clear": float(np.mean([score.f1 for score in clear.values()])),
        **{f"f1_clear_{name}": score.f1 for name, score in clear.items()},
    }


def _scores(
    patch: WallPatch, probability: FloatImage, names: tuple[str, ...], threshold: float
) -> Iterator[tuple[str, SkeletonScore]]:
    truth = wall_skeleton(patch.class_map)
    kind = probability.argmax(0) + 1
    found = wall_skeleton(np.where(probability.sum(0) >= threshold, kind, 0).astype(np.uint8))
    ignored = truth == IGNORED
    for index, name in enumerate(names, start=1):
        yield name, _score(found == index, truth == index, ignored)
    yield "any", _score(found > 0, (truth > 0) & ~ignored, ignored)


def _score(found: Mask, truth: Mask, ignored: Mask) -> SkeletonScore:
    return score_skeleton(found, truth, radius=RADIUS_PX, ignored=ignored)

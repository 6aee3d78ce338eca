"""What a model makes of labelled images, as its users would see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scanseg.bundle import Model
from scanseg.inference import Engine, open_engine, predict
from scanseg.micrograph import FloatImage
from scanseg.preprocess import Window
from scanseg.train.atom_patches import AtomPatch
from scanseg.train.atom_score import class_accuracy
from scanseg.train.merit import merit
from scanseg.train.recalibrate import masked
from scanseg.train.task import LabelledView, Patch, Task

__all__ = ["LabelledScore", "score_labelled"]


@dataclass(frozen=True, slots=True)
class LabelledScore:
    """Figures of merit over labelled images.

    Parameters
    ----------
    figures
        Of all images together; ``f1`` is one.
    f1_of_image
        By name.
    """

    figures: dict[str, float]
    f1_of_image: dict[str, float]

    @property
    def f1(self) -> float:
        """F1 over all images."""
        return self.figures["f1"]

    @property
    def merit(self) -> float:
        """What decides between two models."""
        return merit(self.figures)


def score_labelled(
    model: Model, views: Sequence[LabelledView], task: Task, *, n_classes: int = 2,
    engine: Engine | None = None,
) -> LabelledScore:  # fmt: skip
    """Predict images as ``scanseg predict`` does, sampling and all, and compare with the labels.

    Parameters
    ----------
    model
        Whose threshold counts.
    views
        Labelled images, at least one.
    task
        Scores.
    n_classes
        Of the labels, background included; the model may have fewer.
    engine
        Of the model; opened for this call when None.
    """
    engine = engine or open_engine(model)
    patches: list[Patch] = []
    found: list[FloatImage] = []
    for view in views:
        prediction = predict(view.labelled.image, model, engine=engine)
        patch = view.patch(prediction.grid, Window(0, 0, *prediction.grid.shape))
        patches.append(patch)
        found.append(masked(prediction.foreground.astype(np.float32) / np.float32(255), patch))
    threshold = model.contract.threshold
    # Whether labelled columns are clear of the noise is not known.
    figures = {
        name: value
        for name, value in task.score(patches, found, threshold=threshold).items()
        if not name.startswith("f1_clear")
    }
    of_atoms = [each for each in patches if isinstance(each, AtomPatch)]
    if n_classes > 2 and of_atoms:
        figures["class_accuracy"] = class_accuracy(of_atoms, found, threshold)
    return LabelledScore(
        figures,
        {
            view.labelled.name: task.score([patch], [each], threshold=threshold)["f1"]
            for view, patch, each in zip(views, patches, found, strict=True)
        },
    )

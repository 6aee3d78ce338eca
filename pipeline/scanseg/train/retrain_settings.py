"""How a model is trained further on labelled images."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from scanseg.config import Config
from scanseg.train.recipe import Share

__all__ = ["Retraining", "Speed"]

Speed = Literal["threshold", "head", "all"]


class Retraining(Config):
    """How a model is trained further on labelled images."""

    speed: Speed = "all"
    """``threshold`` chooses threshold and temperature anew; ``head`` also trains the decoder, on
    features that the encoder gave once; ``all`` trains all weights."""
    steps: PositiveInt = 800
    """Steps, if the budget lasts for them."""
    learning_rate: PositiveFloat = 1e-3
    """Highest learning rate: half of that of a training from the start."""
    replayed: Share = 0.375
    """Part of every batch that is simulated as in the training of the model, so that it forgets
    nothing."""
    recalled: Share = 0.125
    """Part of every batch that is simulated at samplings beyond those of the training, where the
    model is to see what it saw before. Only with ``all``."""
    noise: Share = 0.125
    """Part of every batch that shows the noise of the labelled images: their pixels in any order,
    so that nothing is there. Scans have none."""
    forget: Share = 0.008
    """F1 on simulated images that may be lost. Where a training loses more, the new model gets
    weights between the old and the trained ones; 1 for never."""
    crops: PositiveInt = 256
    """Crops, simulated ones included, that ``head`` keeps the features of: 2 MB each of 192²
    pixels."""
    held_out: Share = 0.2
    """Part of the images, or series, that is not trained on; at least one of two."""
    folds: NonNegativeInt = 0
    """Hold out every image once, in so many trainings, and train on all images at last; 0 for one
    training."""
    new_classes: tuple[str, ...] = ()
    """Classes of the labels that the model does not have and is to learn."""
    from_origin: bool = True
    """Start a model that was trained further from the model that it came from."""
    seed: NonNegativeInt = 1
    """Seed of the split and of the crops."""

    @field_validator("folds")
    @classmethod
    def _more_than_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one fold leaves nothing to train on; give 2 or more, or 0")
        return folds

    @model_validator(mode="after")
    def _room_for_labels(self) -> Retraining:
        if self.replayed + self.recalled + self.noise > 1:
            raise ValueError(
                "replayed, recalled and noise are parts of a batch: give 1 at most together"
            )
        return self

"""How a model is trained further on labelled images."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from scanseg.config import Config
from scanseg.train.recipe import Share

__all__ = ["Retraining", "Speed"]

Speed = Literal["threshold", "all"]


class Retraining(Config):
    """How a model is trained further on labelled images."""

    speed: Speed = "all"
    """``threshold`` chooses threshold and temperature anew; ``all`` trains all weights
    at a low learning rate."""
    steps: PositiveInt = 800
    """Steps, if the budget lasts for them."""
    learning_rate: PositiveFloat = 5e-4
    """Highest learning rate: a quarter of that of a training from the start."""
    replayed: Share = 0.5
    """Part of every batch that is simulated as in the training of the model, so that it forgets
    nothing."""
    held_out: Share = 0.2
    """Part of the images, or series, that is not trained on; at least one of two."""
    seed: NonNegativeInt = 1
    """Seed of the split and of the crops."""

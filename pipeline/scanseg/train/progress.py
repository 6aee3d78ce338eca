"""What a training tells while it runs: what it will cost, and how well it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scanseg.train.module import SegmentationModule

from pytorch_lightning import Trainer  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import Callback  # isort: skip

__all__ = ["OnValidation", "Progress", "duration"]

# The first batches compile, allocate and find the loader's queue empty.
UNTIMED_BATCHES = 5
TIMED_BATCHES = 20


def duration(seconds: float) -> str:
    """Rounded for people.

    Examples
    --------
    >>> [duration(seconds) for seconds in (5.4, 200, 30_000)]
    ['5 s', '3 min', '8.3 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class OnValidation(Callback):
    """Tells somebody how good the network is by now.

    Parameters
    ----------
    tell
        Is told step and F1; what it raises ends the training.
    """

    def __init__(self, tell: Callable[[int, float], None]) -> None:
        self._tell = tell

    def on_validation_end(self, trainer: Trainer, pl_module: SegmentationModule) -> None:  # type: ignore[override]
        """Lightning calls this after each validation."""
        self._tell(trainer.global_step, float(trainer.callback_metrics["validation_f1"]))


class Progress(Callback):
    """Says after some batches what all take, and after each validation how well it went.

    Parameters
    ----------
    say
        Is told a sentence at a time.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._batches = 0
        self._timed_since = 0.0
        self._began = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: SegmentationModule) -> None:  # type: ignore[override]
        """Start the clock of this part of the training."""
        self._began, self._first_step = time.monotonic(), trainer.global_step
        self._batches = 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: SegmentationModule, *_: Any) -> None:  # type: ignore[override]
        """Time some batches, waiting for the loader included."""
        self._batches += 1
        if self._batches == UNTIMED_BATCHES:
            self._timed_since = time.monotonic()
        if self._batches == UNTIMED_BATCHES + TIMED_BATCHES:
            batch_s = (time.monotonic() - self._timed_since) / TIMED_BATCHES
            self._say(_cost(pl_module, batch_s * trainer.accumulate_grad_batches))

    def on_validation_end(self, trainer: Trainer, pl_module: SegmentationModule) -> None:  # type: ignore[override]
        """One line."""
        done, all_steps = trainer.global_step, pl_module.recipe.steps
        line = f"Step {done:,} of {all_steps:,}"
        if "validation_f1" in trainer.callback_metrics:
            loss, f1 = (float(trainer.callback_metrics[f"validation_{n}"]) for n in ("loss", "f1"))
            line += f": validation loss {loss:.4f}, F1 {f1:.4f}"
        taken = done - self._first_step
        if taken and pl_module.progress < 1:
            left_s = (time.monotonic() - self._began) / taken * (all_steps - done)
            if pl_module.budget_s is not None:
                left_s = min(left_s, pl_module.budget_s - pl_module.spent_s)
            line += f"; about {duration(max(left_s, 0))} left"
        self._say(f"{line}.")


def _cost(module: SegmentationModule, step_s: float) -> str:
    left = module.recipe.steps - module.global_step
    said = f"A step takes {step_s:.2g} s: {left:,} steps take about {duration(left * step_s)}"
    if module.budget_s is None:
        return f"{said}, validations not counted."
    left_s = max(module.budget_s - module.spent_s, 0.0)
    if left_s > left * step_s:
        return f"{said}, within the budget."
    return f"{said}; the budget ends in {duration(left_s)}, after about {int(left_s / step_s):,}."

"""The mean of the weights that is validated and kept in place of the last ones."""

from __future__ import annotations

from typing import Any

from scanseg.train.module import SegmentationModule
from scanseg.train.recipe import Optimisation

from pytorch_lightning import Trainer  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import EMAWeightAveraging, WeightAveraging  # isort: skip

__all__ = ["weight_average"]


def weight_average(settings: Optimisation) -> WeightAveraging | None:
    """The mean that a recipe asks for; None for none."""
    if settings.average == "swa":
        return _TailAverage(settings.swa_start)
    return EMAWeightAveraging(decay=settings.ema_decay) if settings.ema_decay else None


class _TailAverage(WeightAveraging):
    """The plain mean of the weights after each step of the end of a training; the last ones before.

    Parameters
    ----------
    start
        Part of the training that is left out.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self._start = start

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: SegmentationModule, *rest: Any
    ) -> None:
        """Lightning calls this after each batch."""
        super().on_train_batch_end(trainer, pl_module, *rest)
        if pl_module.progress < self._start:
            assert self._average_model is not None
            self._average_model.n_averaged.zero_()  # so the next weights replace these

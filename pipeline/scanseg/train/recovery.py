"""Back to the last checkpoint when a training has run away, and on at half the learning rate."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from scanseg.errors import TrainingFailed
from scanseg.train.module import SegmentationModule

from pytorch_lightning import Trainer  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import Callback, WeightAveraging  # isort: skip

__all__ = ["Recovery"]

log = logging.getLogger(__name__)


class Recovery(Callback):
    """Watches the loss, which is no number any more when the weights are none.

    The data go on: the batch with which it happened is not seen again. Because the state is that of
    a checkpoint, a training that is killed and resumed recovers in the same way.

    Parameters
    ----------
    start, last
        Checkpoints: of no step, which is written here, and of the last validation.
    """

    def __init__(self, start: Path, last: Path) -> None:
        self._start, self._last = start, last

    def setup(self, trainer: Trainer, pl_module: SegmentationModule, stage: str) -> None:  # type: ignore[override]
        """Tell the module that it need not end."""
        pl_module.recovers = True

    def on_train_start(self, trainer: Trainer, pl_module: SegmentationModule) -> None:  # type: ignore[override]
        """Store where the training began."""
        if trainer.global_step == 0:
            trainer.save_checkpoint(self._start, weights_only=False)

    def on_before_optimizer_step(  # type: ignore[override]
        self, trainer: Trainer, pl_module: SegmentationModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Leave the weights where they are."""
        if pl_module.diverged:
            optimizer.zero_grad(set_to_none=True)

    def on_train_batch_end(self, trainer: Trainer, pl_module: SegmentationModule, *_: Any) -> None:  # type: ignore[override]
        """Go back if this batch gave no number."""
        if pl_module.diverged:
            pl_module.diverged = False
            self._go_back(trainer, pl_module, "The loss is not finite")

    def on_validation_start(self, trainer: Trainer, pl_module: SegmentationModule) -> None:  # type: ignore[override]
        """Store nothing that is broken: the last step may have done it."""
        if not all(bool(weight.isfinite().all()) for weight in pl_module.parameters()):
            self._go_back(trainer, pl_module, "A weight is not finite")

    def _go_back(self, trainer: Trainer, module: SegmentationModule, what: str) -> None:
        settings = module.recipe.optimisation
        what = f"{what} after step {trainer.global_step}"
        if module.setbacks == settings.setbacks:
            raise TrainingFailed(
                f"{what}, and the learning rate was halved {module.setbacks} times already.",
                hint="Lower optimisation.learning_rate, or set optimisation.precision=32-true.",
            )
        good = self._last if self._last.exists() else self._start
        # Written by Lightning on this machine; tensors and plain numbers only.
        stored = torch.load(good, weights_only=True, map_location=module.device)
        module.load_state_dict(stored["state_dict"])
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):
                callback.on_load_checkpoint(trainer, module, stored)
        trainer.optimizers[0].load_state_dict(stored["optimizer_states"][0])
        module.setbacks += 1
        log.warning(
            "%s: back to the weights of step %d, and on at 1/%d of the learning rate",
            what, stored["global_step"], 2**module.setbacks,
        )  # fmt: skip

"""One step of training, one validation: what Lightning repeats."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scanseg.errors import TrainingFailed
from scanseg.micrograph import FloatImage
from scanseg.nets import build_network, prepare_torchvision
from scanseg.train.losses import SegmentationLoss
from scanseg.train.merit import merit
from scanseg.train.recipe import Optimisation, Recipe
from scanseg.train.task import Example, Patch, task_of

prepare_torchvision()

from pytorch_lightning import LightningModule  # noqa: E402 - after its operators were registered

__all__ = ["SegmentationModule", "finished_snapshots", "learning_rate_factor"]


_ADAMS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
# Parts of the training at which the schedule of steps falls to a tenth.
FALLS_AT = (0.6, 0.85)


def finished_snapshots(progress: float, settings: Optimisation) -> int:
    """How many members are trained when a part ``progress`` of the training is done."""
    n = settings.snapshots
    if progress >= 1.0 or n == 1:
        return n if progress >= 1.0 else 0
    return 0 if progress < 0.5 else 1 + int((progress - 0.5) / 0.5 * (n - 1))


def learning_rate_factor(progress: float, settings: Optimisation) -> float:
    """Learning rate over its highest value when a part ``progress`` of the training is done."""
    if settings.snapshots > 1:
        number = min(finished_snapshots(progress, settings), settings.snapshots - 1)
        length = 0.5 if number == 0 else 0.5 / (settings.snapshots - 1)
        start = 0.0 if number == 0 else 0.5 + (number - 1) * length
        progress = (progress - start) / length
    if progress < settings.warmup:
        return max(progress / settings.warmup, 0.01)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "steps":
        return float(0.1 ** sum(progress >= fall for fall in FALLS_AT))
    part = min((progress - settings.warmup) / (1.0 - settings.warmup), 1.0)
    left: dict[str, float] = {
        "cosine": 0.5 * (1.0 + math.cos(math.pi * part)),
        "linear": 1.0 - part,
        "polynomial": (1.0 - part) ** 0.9,  # the power of DeepLab (Chen et al., TPAMI 2018)
    }
    return 0.01 + 0.99 * left[settings.schedule]


class SegmentationModule(LightningModule):
    """A network, its loss, and a learning rate that ends when steps or time do.

    Parameters
    ----------
    recipe
        What to train.
    validation
        The fixed set; may be empty.
    budget_s
        Seconds that the training may take, over all of its resumptions; None for no limit.
    """

    def __init__(
        self, recipe: Recipe, validation: Sequence[Patch], *, budget_s: float | None = None
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.task = task_of(recipe)
        network = build_network(
            recipe.architecture,
            n_channels=len(self.task.channels),
            n_classes=len(recipe.classes),
        )
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = SegmentationLoss(recipe.loss)
        self._validation = list(validation)
        self._probability: list[FloatImage] = []
        self.setbacks = 0  # each has halved the learning rate
        self.diverged = False  # by the last batch, until it is dealt with
        self.recovers = False  # whether something deals with it
        self._budget_s = budget_s
        self._spent_s = 0.0
        self._since = time.monotonic()
        self._agreed_s: float | None = None  # what the first of several processes says

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, over all resumptions."""
        if self._agreed_s is not None:
            return self._agreed_s
        return self._spent_s + time.monotonic() - self._since

    @property
    def budget_s(self) -> float | None:
        """Seconds that the training may take; None for no limit."""
        return self._budget_s

    @property
    def progress(self) -> float:
        """Part of the training that is done: of its steps, or of its time if that is more."""
        done = self.global_step / self.recipe.steps
        return done if self._budget_s is None else max(done, self.spent_s / self._budget_s)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, C, h, w) of images (N, channels, h, w)."""
        return torch.as_tensor(self.network(image.contiguous(memory_format=torch.channels_last)))

    def training_step(self, batch: Example, number: int) -> Tensor:
        """Loss of a batch of patches and class maps."""
        trainer, settings = self.trainer, self.recipe.optimisation
        if self._budget_s is not None and trainer.world_size > 1:
            self._agreed_s = None
            self._agreed_s = trainer.strategy.broadcast(self.spent_s)
        rate = settings.learning_rate * 0.5**self.setbacks
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate * learning_rate_factor(self.progress, settings)
        image, class_map = batch
        loss = self.loss_of(image, class_map)
        self.log("train_loss", loss, prog_bar=True, on_step=True, on_epoch=False)
        completes = (number + 1) % trainer.accumulate_grad_batches == 0
        last = completes and self.global_step + 1 >= self.recipe.steps
        if last or self.progress >= 1.0:
            trainer.should_stop = True  # and what this last step gives will be validated
        return self._finite(loss)

    def _finite(self, loss: Tensor) -> Tensor:
        """The loss; one without slopes where it is no number, in whichever of the processes."""
        finite = bool(loss.isfinite())
        if self.trainer.world_size > 1:
            finite = self.trainer.strategy.reduce_boolean_decision(finite)
        if finite:
            return loss
        if not self.recovers:
            raise TrainingFailed(
                f"The loss is not finite after step {self.global_step}.",
                hint="Lower the learning rate.",
            )
        self.diverged = True
        # Of all weights, since several processes wait for the gradient of each.
        return torch.stack([(weight.nan_to_num() * 0).sum() for weight in self.parameters()]).sum()

    def loss_of(self, image: Tensor, class_map: Tensor) -> Tensor:
        """Loss of a batch: of the logits, and of those of side outputs."""
        weight = self.recipe.loss.deep_supervision
        all_logits = getattr(self.network, "all_logits", None)
        if not weight or all_logits is None:
            return torch.as_tensor(self.loss(self(image), class_map))
        fused, *sides = all_logits(image.contiguous(memory_format=torch.channels_last))
        of_sides = torch.stack([self.loss(each, class_map) for each in sides]).mean()
        return torch.as_tensor(self.loss(fused, class_map) + weight * of_sides)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._probability = []

    def validation_step(self, batch: Example, _: int) -> None:
        """Loss of validation patches; their probabilities are kept for the score."""
        image, class_map = batch
        logits = self(image).float()
        self.log("validation_loss", self.loss(logits, class_map), on_epoch=True, sync_dist=True)
        if self.trainer.is_global_zero:
            self._probability += list(torch.softmax(logits, 1)[:, 1:].cpu().numpy())

    def on_validation_epoch_end(self) -> None:
        """Score the whole set, once; every process has seen it and hears the result."""
        score: dict[str, float] = {}
        if self.trainer.is_global_zero:
            score = self.task.score(self._validation, self._probability, threshold=0.5)
            score["merit"] = merit(score)
        score = self.trainer.strategy.broadcast(score)
        for name, value in score.items():
            self.log(f"validation_{name}", value, prog_bar=name == "f1", sync_dist=True)
        self.log("progress", float(self.progress), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser of the recipe."""
        settings = self.recipe.optimisation
        weights = self.network.parameters()
        rate, decay = settings.learning_rate, settings.weight_decay
        if settings.optimiser == "sgd":
            return torch.optim.SGD(
                weights, rate, momentum=settings.momentum, nesterov=settings.momentum > 0,
                weight_decay=decay,
            )  # fmt: skip
        if settings.optimiser == "rmsprop":
            return torch.optim.RMSprop(
                weights, rate, momentum=settings.momentum, weight_decay=decay
            )
        return _ADAMS[settings.optimiser](weights, rate, weight_decay=decay)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time spent, so that a resumed training has the rest of its budget."""
        checkpoint["spent_s"] = self.spent_s
        checkpoint["setbacks"] = self.setbacks

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the time already spent, and as fast as before."""
        self._spent_s = float(checkpoint["spent_s"])
        self.setbacks = int(checkpoint.get("setbacks", 0))

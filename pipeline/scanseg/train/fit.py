"""From a recipe to a bundle: train, keep the best, calibrate, export."""

from __future__ import annotations

import copy
import csv
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from scanseg import __version__
from scanseg.bundle import (
    Model,
    foreground_probability,
    load_weights,
    measure_halo_px,
    save_bundle,
)
from scanseg.contract import ModelContract
from scanseg.errors import ConfigError
from scanseg.micrograph import FloatImage
from scanseg.nets.ensemble import Ensemble
from scanseg.train.calibration import best_threshold, fit_temperature, reliability
from scanseg.train.card import draw_curves, draw_reliability, write_card
from scanseg.train.module import SegmentationModule, finished_snapshots
from scanseg.train.recipe import Recipe, read_recipe
from scanseg.train.task import Examples, Patch, task_of

from pytorch_lightning import Trainer, seed_everything  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import (  # isort: skip
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
)
from pytorch_lightning.loggers import CSVLogger  # isort: skip

__all__ = ["measured_halo_px", "one_thread", "quiet_lightning", "train_recipe"]

log = logging.getLogger(__name__)

# What Lightning warns of and what is so on purpose: the simulator needs no more processes, the
# sampler resumes where the checkpoint ended, in whose folder the next ones belong. The last is a
# function of torch that Lightning calls by its old name.
_ON_PURPOSE = (
    "does not have many workers",
    "have no `val_dataloader`",  # what is judged is the bundle
    "ended before the epoch ended",
    "exists and is not empty",
    "smaller than the logging interval",
    "isinstance.treespec, LeafSpec.",
)


def train_recipe(
    path: Path,
    *,
    output: Path,
    budget_s: float | None = None,
    resume: bool = False,
    start_from: Model | None = None,
    overrides: tuple[str, ...] = (),
    on_validation: Callable[[int, float], None] | None = None,
) -> Model:
    """Train what a recipe says and write it as a bundle.

    Parameters
    ----------
    path
        The recipe.
    output
        Folder of the run; gets ``checkpoints/``, ``metrics.csv``, ``curves.png``,
        ``reliability.png`` and the bundle in a folder with the name of the model.
    budget_s
        Seconds the training may take; the learning rate falls to its end within them.
    resume
        Go on from the last checkpoint in ``output``.
    start_from
        A bundle whose weights are trained further; of an ensemble those of its first member.
    overrides
        ``dotted.key=value`` settings on top of the recipe.
    on_validation
        Is told the step and F1 of each validation; what it raises ends the training.

    Raises
    ------
    ConfigError
        For a recipe that is not understood, a budget of no time, or a run that cannot be resumed.
    """
    if budget_s is not None and budget_s <= 0:
        raise ConfigError(
            f"A budget of {budget_s:g} s leaves no time to train.", hint="Give more, or none."
        )
    recipe = read_recipe(path, overrides=overrides)
    last = _checkpoint_to_go_on_from(output, resume=resume)
    task = task_of(recipe)
    training = task.patches(range(recipe.steps * recipe.batch))
    seed_everything(recipe.seed, verbose=False)
    patches = task.validation_set()
    module = SegmentationModule(recipe, patches, budget_s=budget_s)
    if start_from is not None:
        member = 0 if start_from.contract.members > 1 else None
        load_weights(start_from, module.network, member=member)
    output.mkdir(parents=True, exist_ok=True)
    done = _done_steps(last) if last else 0
    _keep_metrics(output, before_step=done)
    loaders = _loaders(recipe, training, patches, done)
    with quiet_lightning():
        trainer = _trainer(recipe, output, on_validation)
        trainer.fit(module, *loaders, ckpt_path=last, weights_only=last is not None)
    network, steps = _kept_network(module, output)
    draw_curves(_keep_metrics(output), output / "curves.png")
    return _export(network, recipe, path.name, patches, output / recipe.name, steps=steps)


def _checkpoint_to_go_on_from(output: Path, *, resume: bool) -> Path | None:
    """The last checkpoint of a training that is resumed; None for one that begins."""
    last = output / "checkpoints" / "last.ckpt"
    if resume and not last.exists():
        raise ConfigError(
            f"{output} holds no checkpoint, so there is nothing to go on with.",
            hint="Start without --resume.",
        )
    if last.exists() and not resume:
        raise ConfigError(
            f"{output} holds an earlier training.",
            hint="Go on with it (--resume), or choose another folder.",
        )
    return last if resume else None


def _trainer(
    recipe: Recipe, output: Path, on_validation: Callable[[int, float], None] | None
) -> Trainer:
    settings, every = recipe.optimisation, recipe.validation.every_steps
    folder = output / "checkpoints"
    callbacks: list[Callback] = [
        ModelCheckpoint(
            folder, filename="best", monitor="validation_f1", mode="max",
            enable_version_counter=False,
        ),
        # On its own, because Lightning writes the last one only together with a better best one.
        ModelCheckpoint(
            folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False
        ),
    ]  # fmt: skip
    if settings.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=settings.ema_decay))
    if settings.snapshots > 1:
        callbacks.append(_Snapshots(folder))  # after the average, of which it is a snapshot
    if on_validation is not None:
        callbacks.append(_OnValidation(on_validation))
    if recipe.validation.patience:
        callbacks.append(
            EarlyStopping("validation_f1", mode="max", patience=recipe.validation.patience)
        )
    return Trainer(
        devices=1,  # the validation is scored, and the bundle written, by one process
        max_steps=recipe.steps,
        val_check_interval=every,
        check_val_every_n_epoch=None,
        precision=settings.precision,
        gradient_clip_val=settings.clip_norm,
        callbacks=callbacks,
        logger=CSVLogger(output, name="", version="logs"),
        log_every_n_steps=50,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class _OnValidation(Callback):
    """Tells somebody how good the network is by now."""

    def __init__(self, tell: Callable[[int, float], None]) -> None:
        self._tell = tell

    def on_validation_end(self, trainer: Trainer, pl_module: SegmentationModule) -> None:  # type: ignore[override]
        """Lightning calls this after each validation."""
        self._tell(trainer.global_step, float(trainer.callback_metrics["validation_f1"]))


class _Snapshots(Callback):
    """Stores a member of the ensemble whenever the schedule has run through."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_batch_end(self, trainer: Trainer, pl_module: SegmentationModule, *_: Any) -> None:  # type: ignore[override]
        """Lightning calls this after each step."""
        for number in range(finished_snapshots(pl_module.progress, pl_module.recipe.optimisation)):
            path = _member_path(self._folder, number)
            if not path.exists():
                # With weights alone, the moving average would not be asked for its own.
                trainer.save_checkpoint(path, weights_only=False)
                log.info("stored member %d at step %d", number, trainer.global_step)


def _member_path(folder: Path, number: int) -> Path:
    return folder / f"member_{number}.ckpt"


class _From(Sampler[int]):
    """Numbers from ``first`` on, with the length of all: Lightning counts from the beginning.

    With a loader of what is left, it takes the steps that were done for a part of it, and begins
    once more at ``first`` when the rest seems to be used up.
    """

    def __init__(self, first: int, total: int) -> None:
        self._first, self._total = first, total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._first, self._total))

    def __len__(self) -> int:
        return self._total


def _loaders(
    recipe: Recipe, training: Examples, validation: list[Patch], done: int
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Batches of training, after ``done`` steps, and of validation."""
    image = np.stack([patch.image for patch in validation])
    class_map = np.stack([patch.class_map for patch in validation]).astype(np.int64)
    return (
        DataLoader(
            training,
            batch_size=recipe.batch,
            sampler=_From(done * recipe.batch, recipe.steps * recipe.batch),
            num_workers=recipe.workers,
            persistent_workers=recipe.workers > 0,
            prefetch_factor=4 if recipe.workers else None,
            worker_init_fn=one_thread,
        ),
        DataLoader(
            TensorDataset(torch.from_numpy(image), torch.from_numpy(class_map)),
            batch_size=recipe.batch,
        ),
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep from the log what Lightning tells of itself, and warnings of what is so on purpose."""
    its_log = logging.getLogger("pytorch_lightning")
    level = its_log.level
    its_log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for text in _ON_PURPOSE:
                warnings.filterwarnings("ignore", f".*{text}")
            yield
    finally:
        its_log.setLevel(level)


def _done_steps(checkpoint: Path) -> int:
    # Written by Lightning on this machine; tensors and plain numbers only.
    return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"])


def one_thread(_: int) -> None:
    """A process that simulates must not take the trainer's cores."""
    torch.set_num_threads(1)
    if hasattr(os, "nice"):  # not on Windows
        os.nice(2)


def _kept_network(module: SegmentationModule, output: Path) -> tuple[nn.Module, int]:
    """The network with the best validation, or the ensemble; and how many steps it took."""
    folder = output / "checkpoints"
    n_members = module.recipe.optimisation.snapshots
    if n_members == 1:
        steps = _load(module, folder / "best.ckpt")
        log.info("kept the weights of step %d", steps)
        return module.network, steps
    members = []
    steps = 0
    for number in range(n_members):
        steps = _load(module, _member_path(folder, number))
        members.append(copy.deepcopy(module.network))
    return Ensemble(members), steps


def _load(module: SegmentationModule, checkpoint: Path) -> int:
    stored = torch.load(checkpoint, weights_only=True, map_location="cpu")
    module.load_state_dict(stored["state_dict"])
    return int(stored["global_step"])


def _keep_metrics(output: Path, *, before_step: int | None = None) -> list[dict[str, str]]:
    """Move Lightning's log to ``metrics.csv``, beside what earlier parts of the training logged.

    Lightning deletes the log it finds when it starts, and with it the curves until an interruption.

    Parameters
    ----------
    output
        Folder of the run.
    before_step
        Drops rows from this step on: they will be trained, and logged, again.
    """
    kept, log_file = output / "metrics.csv", output / "logs" / "metrics.csv"
    rows: list[dict[str, str]] = []
    for path in (kept, log_file):
        if path.exists():
            with path.open(newline="") as lines:
                rows += csv.DictReader(lines)
    if before_step is not None:
        rows = [row for row in rows if float(row["step"]) < before_step]
    with kept.open("w", newline="") as lines:
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(lines, list(names), restval="")
        writer.writeheader()
        writer.writerows(rows)
    log_file.unlink(missing_ok=True)
    return rows


def _export(
    network: nn.Module, recipe: Recipe, recipe_name: str, patches: list[Patch], folder: Path, *,
    steps: int,
) -> Model:  # fmt: skip
    """Calibrate on the validation set, and write the bundle."""
    task = task_of(recipe)
    n_members = recipe.optimisation.snapshots
    logits = _logits(network, patches)
    temperature = fit_temperature(patches, logits, n_members=n_members)
    probability = [
        foreground_probability(each[None], temperature=temperature, n_members=n_members)[0]
        for each in logits
    ]
    threshold = best_threshold(
        lambda candidate: task.score(patches, probability, threshold=candidate)["f1"]
    )
    score = task.score(patches, probability, threshold=threshold)
    calibration = reliability(patches, probability)
    contract = ModelContract(
        name=recipe.name,
        version=recipe.version,
        classes=recipe.classes,
        architecture=recipe.architecture,
        members=n_members,
        halo_px=measured_halo_px(network, patches, temperature, n_members),
        temperature=temperature,
        threshold=threshold,
        recipe=recipe_name,
        seed=recipe.seed,
        figures={f"validation_{name}": round(value, 4) for name, value in score.items()},
        familiar=task.familiar(patches, probability),
        scanseg_version=__version__,
        **task.contract_fields(),
    )
    draw_reliability(calibration, folder.parent / "reliability.png")
    card = write_card(contract, recipe, task.describe_input(), calibration, steps=steps)
    return save_bundle(folder, contract, network, card=card)


def _logits(network: nn.Module, patches: list[Patch]) -> list[FloatImage]:
    network.eval()
    with torch.inference_mode():
        return [
            network(torch.from_numpy(patch.image[None])).float().numpy()[0] for patch in patches
        ]


def measured_halo_px(
    network: nn.Module, patches: list[Patch], temperature: float, n_members: int = 1
) -> int:
    """Margin of a tile, measured on pairs of patches side by side."""
    # An odd one is left over; a single one stands beside itself.
    pairs = list(zip(patches[0:16:2], patches[1:16:2], strict=False)) or [(patches[0], patches[0])]
    tiles = np.stack([np.concatenate([a.image, b.image], axis=2) for a, b in pairs])
    network.eval()
    return measure_halo_px(
        network, tiles, multiple_px=16, temperature=temperature, n_members=n_members
    )

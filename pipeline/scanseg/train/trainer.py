"""Lightning's trainer as a recipe asks for it: devices, precision, checkpoints, loggers."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanseg.errors import MachineError
from scanseg.train.averaging import weight_average
from scanseg.train.checkpoints import Snapshots, checkpoint_folder
from scanseg.train.precision import trainer_precision
from scanseg.train.recipe import Recipe
from scanseg.train.recovery import Recovery

from pytorch_lightning import Trainer  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint  # isort: skip
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger  # isort: skip

__all__ = ["quiet_lightning", "recipe_trainer"]

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


def recipe_trainer(recipe: Recipe, output: Path, listeners: list[Callback]) -> Trainer:
    """A trainer for one seed of a recipe.

    Parameters
    ----------
    recipe
        What to train, and on how many devices.
    output
        Gets the checkpoints and the log.
    listeners
        Callbacks besides those that store, average and recover.
    """
    settings, every = recipe.optimisation, recipe.validation.every_steps
    folder = checkpoint_folder(output)
    # On its own, because Lightning writes the last one only together with a better best one.
    last = ModelCheckpoint(
        folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False
    )
    best = ModelCheckpoint(
        folder,
        filename="best",
        monitor="validation_merit",
        mode="max",
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [best, last]
    average = weight_average(settings)
    if average is not None:
        callbacks.append(average)
    callbacks.append(Recovery(folder / "start.ckpt", folder / "last.ckpt"))
    if settings.snapshots > 1:
        callbacks.append(Snapshots(folder))  # after the average, of which it is a snapshot
    if recipe.validation.patience:
        callbacks.append(
            EarlyStopping("validation_merit", mode="max", patience=recipe.validation.patience)
        )
    several = recipe.devices * recipe.nodes > 1
    return Trainer(
        default_root_dir=output,  # SLURM's own checkpoint goes there
        devices=recipe.devices,
        num_nodes=recipe.nodes,
        strategy="ddp" if several else "auto",
        use_distributed_sampler=False,  # NumbersFrom shares the patches out
        max_steps=recipe.steps,
        accumulate_grad_batches=settings.accumulate,
        val_check_interval=every * settings.accumulate,
        check_val_every_n_epoch=None,
        precision=trainer_precision(settings),
        gradient_clip_val=settings.clip_norm,
        callbacks=[*callbacks, *listeners],
        logger=_loggers(recipe, output),
        log_every_n_steps=50,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _loggers(recipe: Recipe, output: Path) -> list[Logger]:
    """Lightning's CSV log, and TensorBoard's where it is asked for."""
    loggers: list[Logger] = [CSVLogger(output, name="", version="logs")]
    if recipe.tensorboard:
        if importlib.util.find_spec("tensorboard") is None:
            raise MachineError(
                "TensorBoard is not installed, so nothing can be logged for it.",
                hint='Run: pip install "scanseg[tensorboard]", or leave tensorboard=true out.',
            )
        loggers.append(TensorBoardLogger(output, name="", version="tensorboard"))
    return loggers


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

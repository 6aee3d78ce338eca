"""From a recipe to a bundle: train, keep the best, calibrate, export."""

from __future__ import annotations

import copy
import csv
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    load_model,
    load_weights,
    measure_halo_px,
    save_bundle,
)
from scanseg.contract import ModelContract
from scanseg.errors import ConfigError, MachineError
from scanseg.micrograph import FloatImage
from scanseg.nets.ensemble import Ensemble
from scanseg.train.averaging import weight_average
from scanseg.train.calibration import best_threshold, fit_temperature, reliability
from scanseg.train.card import draw_curves, draw_reliability, write_card
from scanseg.train.module import SegmentationModule, finished_snapshots
from scanseg.train.mosaic import draw_mosaic
from scanseg.train.precision import trainer_precision
from scanseg.train.progress import OnValidation, Progress
from scanseg.train.recipe import Recipe, read_recipe
from scanseg.train.recovery import Recovery
from scanseg.train.strange_inputs import responses
from scanseg.train.task import Examples, Patch, task_of

from pytorch_lightning import Trainer, seed_everything  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint  # isort: skip
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger  # isort: skip
from pytorch_lightning.utilities import rank_zero_only  # isort: skip

__all__ = ["is_first_process", "measured_halo_px", "one_thread", "quiet_lightning", "train_recipe"]

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
    say: Callable[[str], None] | None = None,
) -> Model:
    """Train what a recipe says and write it as a bundle.

    Parameters
    ----------
    path
        The recipe.
    output
        Folder of the run; gets ``checkpoints/``, ``metrics.csv`` and ``curves.png`` (each member of
        its own seed in a folder ``seed_N``), ``reliability.png``, ``mosaic.png`` and the bundle in
        a folder with the name of the model.
    budget_s
        Seconds the training may take, all members together; the learning rate falls to its end
        within them.
    resume
        Go on from the last checkpoint in ``output``. A job that SLURM has requeued does so unasked.
    start_from
        A bundle whose weights are trained further; of an ensemble those of its last member, which
        was trained for longest.
    overrides
        ``dotted.key=value`` settings on top of the recipe.
    on_validation
        Is told the step and F1 of each validation; what it raises ends the training.
    say
        Is told what the training costs and how well it does, a sentence at a time; the log is by
        default.

    Returns
    -------
    model
        The bundle; of several processes the first one writes it, and the others wait.

    Raises
    ------
    ConfigError
        For a recipe that is not understood, a budget of no time, or a run that cannot be resumed.
    TrainingFailed
        When the loss is no number, and was none again and again at a lower learning rate.
    """
    if budget_s is not None and budget_s <= 0:
        raise ConfigError(
            f"A budget of {budget_s:g} s leaves no time to train.", hint="Give more, or none."
        )
    say = (say or log.info) if is_first_process() else log.debug
    recipe = read_recipe(path, overrides=overrides)
    parts = _parts(recipe, output, resume=resume)
    patches = task_of(recipe).validation_set()
    listeners: list[Callback] = [Progress(say)] if is_first_process() else []
    if on_validation is not None:
        listeners.append(OnValidation(on_validation))
    networks: list[nn.Module] = []
    steps = 0
    for number, part in enumerate(parts, 1):
        if len(parts) > 1:
            say(f"Member {number} of {len(parts)}, seed {part.recipe.seed}:")
        share_s = None if budget_s is None else budget_s / len(parts)
        seed_everything(part.recipe.seed, verbose=False)
        module = SegmentationModule(part.recipe, patches, budget_s=share_s)
        if start_from is not None:
            members = start_from.contract.members
            load_weights(
                start_from, module.network, member=members - 1 if members > 1 else None
            )  # fmt: skip
        found, steps = _trained(module, part, patches, listeners)
        networks += found
    if is_first_process():
        network = networks[0] if len(networks) == 1 else Ensemble(networks)
        _export(network, recipe, path.name, patches, output / recipe.name, steps=steps)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    return load_model(output / recipe.name)


@dataclass(frozen=True, slots=True)
class _Part:
    """A training of one seed.

    Parameters
    ----------
    recipe
        With that seed.
    folder
        Gets checkpoints and curves.
    last
        Where it goes on; None where it begins.
    """

    recipe: Recipe
    folder: Path
    last: Path | None


def _parts(recipe: Recipe, output: Path, *, resume: bool) -> list[_Part]:
    """Trainings of all seeds, with what is there of them."""
    seeds = range(recipe.seed, recipe.seed + recipe.members)
    folders = [output / f"seed_{seed}" if recipe.members > 1 else output for seed in seeds]
    stored = [_stored(folder) for folder in folders]
    resume = resume or (_is_requeued() and any(stored))
    if resume and not any(stored):
        raise ConfigError(
            f"{output} holds no checkpoint, so there is nothing to go on with.",
            hint="Start without --resume.",
        )
    if not resume and any((folder / "checkpoints" / "last.ckpt").exists() for folder in folders):
        raise ConfigError(
            f"{output} holds an earlier training.",
            hint="Go on with it (--resume), or choose another folder.",
        )
    return [
        _Part(recipe.model_copy(update={"seed": seed}), folder, last if resume else None)
        for seed, folder, last in zip(seeds, folders, stored, strict=True)
    ]


def _stored(folder: Path) -> Path | None:
    """The last checkpoint of a training; that of its start if nothing was validated yet."""
    paths = [folder / "checkpoints" / f"{name}.ckpt" for name in ("last", "start")]
    return next((path for path in paths if path.exists()), None)


def is_first_process() -> bool:
    """Whether this is the one of several processes that scores and writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def _is_requeued() -> bool:
    """Whether SLURM runs this job again, after a time limit or a failed node."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0


def _trained(
    module: SegmentationModule, part: _Part, patches: list[Patch], listeners: list[Callback]
) -> tuple[list[nn.Module], int]:
    """Networks of one seed, one for each snapshot, and how many steps they took."""
    recipe, folder, last = part.recipe, part.folder, part.last
    n_patches = recipe.steps * recipe.batch * recipe.optimisation.accumulate
    training = task_of(recipe).patches(range(n_patches))
    folder.mkdir(parents=True, exist_ok=True)
    done = _done_steps(last) if last else 0
    if is_first_process():
        _keep_metrics(folder, before_step=done)
    with quiet_lightning():
        trainer = _trainer(recipe, folder, listeners)
        loaders = _loaders(recipe, training, patches, done, trainer)
        trainer.fit(module, *loaders, ckpt_path=last, weights_only=last is not None)
    if is_first_process():
        draw_curves(_keep_metrics(folder), folder / "curves.png")
    return _kept_networks(module, folder)


def _trainer(recipe: Recipe, output: Path, listeners: list[Callback]) -> Trainer:
    settings, every = recipe.optimisation, recipe.validation.every_steps
    folder = output / "checkpoints"
    # On its own, because Lightning writes the last one only together with a better best one.
    last = ModelCheckpoint(
        folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False
    )
    best = ModelCheckpoint(
        folder, filename="best", monitor="validation_f1", mode="max", enable_version_counter=False
    )
    callbacks: list[Callback] = [best, last]
    average = weight_average(settings)
    if average is not None:
        callbacks.append(average)
    callbacks.append(Recovery(folder / "start.ckpt", folder / "last.ckpt"))
    if settings.snapshots > 1:
        callbacks.append(_Snapshots(folder))  # after the average, of which it is a snapshot
    if recipe.validation.patience:
        callbacks.append(
            EarlyStopping("validation_f1", mode="max", patience=recipe.validation.patience)
        )
    several = recipe.devices * recipe.nodes > 1
    return Trainer(
        default_root_dir=output,  # SLURM's own checkpoint goes there
        devices=recipe.devices,
        num_nodes=recipe.nodes,
        strategy="ddp" if several else "auto",
        use_distributed_sampler=False,  # _From shares the patches out
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
    """Numbers of one process from ``first`` on, with the length of all that it has.

    Lightning counts from the beginning: with a loader of what is left, it takes the steps that were
    done for a part of it, and begins once more at ``first`` when the rest seems to be used up.

    Parameters
    ----------
    first, total
        Of the numbers of all processes together; multiples of ``batch``.
    batch
        Numbers a batch of all processes; each takes as many of every batch.
    rank, world
        Which process of how many.
    """

    def __init__(
        self, first: int, total: int, *, batch: int = 1, rank: int = 0, world: int = 1
    ) -> None:
        self._first, self._total, self._batch = first, total, batch
        self._rank, self._world = rank, world

    def __iter__(self) -> Iterator[int]:
        share = self._batch // self._world
        for start in range(self._first, self._total, self._batch):
            yield from range(start + self._rank * share, start + (self._rank + 1) * share)

    def __len__(self) -> int:
        return self._total // self._world


def _loaders(
    recipe: Recipe, training: Examples, validation: list[Patch], done: int, trainer: Trainer
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Batches of training, after ``done`` steps, and of validation."""
    image = np.stack([patch.image for patch in validation])
    class_map = np.stack([patch.class_map for patch in validation]).astype(np.int64)
    a_step = recipe.batch * recipe.optimisation.accumulate
    sampler = _From(
        done * a_step, recipe.steps * a_step,
        batch=recipe.batch, rank=trainer.global_rank, world=trainer.world_size,
    )  # fmt: skip
    return (
        DataLoader(
            training,
            batch_size=recipe.batch // trainer.world_size,
            sampler=sampler,
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


def _kept_networks(module: SegmentationModule, output: Path) -> tuple[list[nn.Module], int]:
    """The network with the best validation, or all snapshots; and how many steps it took."""
    folder = output / "checkpoints"
    n_members = module.recipe.optimisation.snapshots
    paths = [_member_path(folder, number) for number in range(n_members)]
    networks, steps = [], 0
    for path in paths if n_members > 1 else [folder / "best.ckpt"]:
        steps = _load(module, path)
        networks.append(copy.deepcopy(module.network).cpu())
    if is_first_process():
        log.info("kept the weights of step %d", steps)
    return networks, steps


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
    n_members = len(network.members) if isinstance(network, Ensemble) else 1
    logits = _logits(network, [patch.image for patch in patches])
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
    draw_mosaic(
        patches, probability, contract.classes, contract.channels, folder.parent / "mosaic.png",
        threshold=threshold,
    )  # fmt: skip
    strange = responses(
        lambda images: _logits(network, images),
        [patch.image for patch in patches],
        temperature=temperature,
        threshold=threshold,
        n_members=n_members,
    )
    card = write_card(
        contract, recipe, task.describe_input(), calibration, steps=steps, responses=strange
    )
    return save_bundle(folder, contract, network, card=card)


def _logits(network: nn.Module, images: list[FloatImage]) -> list[FloatImage]:
    network.eval()
    with torch.inference_mode():
        return [network(torch.from_numpy(image[None])).float().numpy()[0] for image in images]


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

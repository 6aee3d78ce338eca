"""Checkpoints of a training: where they lie, which networks are kept of them."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scanseg.train.module import SegmentationModule, finished_snapshots

from pytorch_lightning import Trainer  # isort: skip - module.py prepared it
from pytorch_lightning.callbacks import Callback  # isort: skip

__all__ = ["Snapshots", "checkpoint_folder", "done_steps", "kept_networks", "last_checkpoint"]

log = logging.getLogger(__name__)


def checkpoint_folder(output: Path) -> Path:
    """Where a training of one seed keeps its checkpoints."""
    return output / "checkpoints"


def last_checkpoint(output: Path) -> Path | None:
    """The last checkpoint of a training; that of its start if nothing was validated yet."""
    paths = [checkpoint_folder(output) / f"{name}.ckpt" for name in ("last", "start")]
    return next((path for path in paths if path.exists()), None)


def done_steps(checkpoint: Path) -> int:
    """Steps that were taken when a checkpoint was stored."""
    return int(_stored(checkpoint)["global_step"])


def kept_networks(module: SegmentationModule, output: Path) -> tuple[list[nn.Module], int]:
    """The network with the best validation, or all snapshots; and how many steps it took."""
    folder = checkpoint_folder(output)
    n_members = module.recipe.optimisation.snapshots
    paths = [_member_path(folder, number) for number in range(n_members)]
    networks, steps = [], 0
    for path in paths if n_members > 1 else [folder / "best.ckpt"]:
        steps = _load(module, path)
        networks.append(copy.deepcopy(module.network).cpu())
    return networks, steps


class Snapshots(Callback):
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


def _load(module: SegmentationModule, checkpoint: Path) -> int:
    stored = _stored(checkpoint)
    module.load_state_dict(stored["state_dict"])
    return int(stored["global_step"])


def _stored(checkpoint: Path) -> dict[str, Any]:
    # Written by Lightning on this machine; tensors and plain numbers only.
    stored: dict[str, Any] = torch.load(checkpoint, weights_only=True, map_location="cpu")
    return stored

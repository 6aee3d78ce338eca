"""Processes of a training: which one scores and writes, and what those do that only simulate."""

from __future__ import annotations

import os

import torch

from scanseg.nets import prepare_torchvision

prepare_torchvision()

from pytorch_lightning.utilities import rank_zero_only  # noqa: E402 - after its operators were registered

__all__ = ["is_first_process", "is_requeued", "one_thread"]


def is_first_process() -> bool:
    """Whether this is the one of several processes that scores and writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def is_requeued() -> bool:
    """Whether SLURM runs this job again, after a time limit or a failed node."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0


def one_thread(_: int) -> None:
    """Keep a process that simulates off the trainer's cores; ``DataLoader`` gives its number."""
    torch.set_num_threads(1)
    if hasattr(os, "nice"):  # not on Windows
        os.nice(2)

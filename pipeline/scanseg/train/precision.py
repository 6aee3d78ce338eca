"""Which precision a machine trains in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from scanseg.train.recipe import Optimisation

__all__ = ["Precision", "trainer_precision"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
CPU_INFO = Path("/proc/cpuinfo")


def trainer_precision(settings: Optimisation) -> Precision:
    """The precision of a recipe as Lightning calls it, ``auto`` resolved for this machine.

    Autocast also runs where the processor has no bfloat16, and is slower there than float32.
    """
    if settings.precision != "auto":
        return settings.precision
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16-mixed" if native else "16-mixed"
    return "bf16-mixed" if _processor_has_bf16() else "32-true"


def _processor_has_bf16() -> bool:
    """Whether Linux lists avx512_bf16, amx_bf16 or bf16 (ARM) among the processor's features."""
    return CPU_INFO.exists() and "bf16" in CPU_INFO.read_text()

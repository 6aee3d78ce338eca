"""Search for settings: of a training, or of what follows the network.

Importing this package loads neither Optuna nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.tune.postprocessing import Postprocessing, tune_postprocessing
    from scanseg.tune.space import Range, SearchSpace, read_space
    from scanseg.tune.study import Outcome, Tuning, run_study
    from scanseg.tune.training import tune_recipe

__all__ = [
    "Outcome",
    "Postprocessing",
    "Range",
    "SearchSpace",
    "Tuning",
    "read_space",
    "run_study",
    "tune_postprocessing",
    "tune_recipe",
]

_HOMES = {
    "Outcome": "study",
    "Postprocessing": "postprocessing",
    "Range": "space",
    "SearchSpace": "space",
    "Tuning": "study",
    "read_space": "space",
    "run_study": "study",
    "tune_postprocessing": "postprocessing",
    "tune_recipe": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.tune' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.tune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

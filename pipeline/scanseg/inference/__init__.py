"""Networks applied to images: tiles, engines, probabilities, uncertainty.

Importing this package loads the settings only, because the command line needs nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scanseg.inference.settings import InferenceConfig

if TYPE_CHECKING:
    from scanseg.inference._predict import predict
    from scanseg.inference._scan import as_scan, varying_channels
    from scanseg.inference._segment import Segmentation, segment
    from scanseg.inference.engines import Engine, OpenvinoEngine, TorchEngine, open_engine
    from scanseg.inference.prediction import Prediction

__all__ = [
    "Engine",
    "InferenceConfig",
    "OpenvinoEngine",
    "Prediction",
    "Segmentation",
    "TorchEngine",
    "as_scan",
    "open_engine",
    "predict",
    "segment",
    "varying_channels",
]

_HOMES = {
    "Engine": "engines",
    "OpenvinoEngine": "engines",
    "Prediction": "prediction",
    "Segmentation": "_segment",
    "TorchEngine": "engines",
    "as_scan": "_scan",
    "open_engine": "engines",
    "predict": "_predict",
    "segment": "_segment",
    "varying_channels": "_scan",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.inference' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.inference.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

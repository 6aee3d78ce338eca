"""A trained model as a folder: contract, weights, self-test.

Importing this package loads neither torch nor OpenVINO.
"""

from __future__ import annotations

from scanseg.bundle.checks import SelfTest, self_test
from scanseg.bundle.installed import installed_names, models_folder
from scanseg.bundle.model import Model, load_model, load_weights, model_names
from scanseg.bundle.probability import foreground_probability
from scanseg.bundle.saving import measure_halo_px, save_bundle
from scanseg.contract import (
    Architecture,
    ModelClass,
    ModelContract,
    Normalisation,
    Sampling,
)

__all__ = [
    "Architecture",
    "Model",
    "ModelClass",
    "ModelContract",
    "Normalisation",
    "Sampling",
    "SelfTest",
    "foreground_probability",
    "installed_names",
    "load_model",
    "load_weights",
    "measure_halo_px",
    "model_names",
    "models_folder",
    "save_bundle",
    "self_test",
]

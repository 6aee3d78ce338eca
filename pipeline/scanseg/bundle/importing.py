"""A model from somebody else: read as data, checked, and put where models are found.

Nothing of it is executed: see :mod:`.received` for what is copied, :mod:`.foreign` for how it is
looked at.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from scanseg.bundle.checks import self_test
from scanseg.bundle.foreign import check_arrays, check_contract, check_onnx, check_weights
from scanseg.bundle.installed import models_folder
from scanseg.bundle.model import ONNX_FILE, WEIGHTS_FILE, Model, load_model, model_names
from scanseg.bundle.received import copy_allowed
from scanseg.contract import ModelContract
from scanseg.errors import BundleError, ConfigError

__all__ = ["import_model"]


def import_model(path: Path, *, name: str | None = None, replace: bool = False) -> Model:
    """Check a bundle from somebody else, and put it where ``scanseg models`` finds it.

    Parameters
    ----------
    path
        Folder of a model, or a zip archive of one.
    name
        What it is to be called here; its own name by default.
    replace
        Replace a model of that name that was imported before.

    Raises
    ------
    BundleError
        When something is missing, altered, too large, could be code, or does not compute what it
        was stored with.
    ConfigError
        When the name is taken, or there is no such path.
    """
    home = models_folder()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".import-") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        copy_allowed(path, folder)
        contract = check_contract(folder)
        target = home / _name_for(contract, name, home, replace=replace)
        check_weights(folder / WEIGHTS_FILE, contract)
        check_onnx(folder / ONNX_FILE, contract)
        check_arrays(folder, contract)
        model = load_model(folder)  # compares all checksums
        _check_output(model)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        folder.rename(target)
    return Model(target.resolve(), model.contract)


def _name_for(contract: ModelContract, name: str | None, home: Path, *, replace: bool) -> str:
    name = name or contract.name
    ModelContract.from_settings({**contract.model_dump(), "name": name}, origin="--name")
    if name in model_names():
        raise ConfigError(
            f"A model called '{name}' ships with scanseg.", hint="Give another name with --name."
        )
    if (home / name).exists() and not replace:
        raise ConfigError(
            f"A model called '{name}' was imported before.",
            hint="Give another name with --name, or --replace it.",
        )
    return name


def _check_output(model: Model) -> None:
    outcome = self_test(model)
    if not outcome.passed:
        raise BundleError(
            f"The network does not give what is stored with it: probabilities differ by "
            f"{outcome.largest_difference:.2g}.",
            hint="Ask for the model again.",
        )

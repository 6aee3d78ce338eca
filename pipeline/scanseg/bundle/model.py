"""A trained model as a folder: found by name or path, checked before it is used."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanseg.bundle.installed import installed_names, models_folder
from scanseg.config import read_yaml
from scanseg.contract import ModelContract
from scanseg.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Model", "checksum", "load_model", "load_weights", "model_names"]

CONTRACT_FILE = "model.yaml"
WEIGHTS_FILE = "weights.safetensors"
ONNX_FILE = "network.onnx"
TEST_INPUT_FILE = "test_input.npy"
TEST_OUTPUT_FILE = "test_output.npy"
CARD_FILE = "README.md"
REQUIRED_FILES = (WEIGHTS_FILE, ONNX_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE)


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model.

    Parameters
    ----------
    folder
        Where its files are.
    contract
        What ``model.yaml`` says.
    """

    folder: Path
    contract: ModelContract

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.contract.name

    @property
    def onnx_path(self) -> Path:
        """The network as ONNX, for inference."""
        return self.folder / ONNX_FILE

    @property
    def weights_path(self) -> Path:
        """The weights as safetensors, for training on and for PyTorch."""
        return self.folder / WEIGHTS_FILE

    @property
    def test_input_path(self) -> Path:
        """Input of the self-test, float32 (N, channels, h, w)."""
        return self.folder / TEST_INPUT_FILE

    @property
    def test_output_path(self) -> Path:
        """Logits that PyTorch computed from the test input in float32, (N, C, h, w)."""
        return self.folder / TEST_OUTPUT_FILE

    @property
    def card_path(self) -> Path:
        """The model card."""
        return self.folder / CARD_FILE

    @property
    def sha256(self) -> str:
        """Checksum of ``model.yaml``, which holds those of all other files."""
        return checksum(self.folder / CONTRACT_FILE)


def model_names() -> tuple[str, ...]:
    """Names of the models that ship with scanseg, sorted."""
    return tuple(
        sorted(folder.name for folder in _shipped().iterdir() if (folder / CONTRACT_FILE).is_file())
    )


def load_model(name_or_path: str | Path, *, verify: bool = True) -> Model:
    """Open a model that ships with scanseg, or the folder of another one.

    Parameters
    ----------
    name_or_path
        A shipped name, see :func:`model_names`, that of an imported model, or the path of a bundle.
        A name wins over a folder of the same name in the working directory; write ``./name`` for
        that one.
    verify
        Compare the checksums of all files.

    Raises
    ------
    BundleError
        When there is no such model, or it is incomplete, altered, or made for another version.
    """
    folder = _find(name_or_path)
    contract = _read_contract(folder)
    model = Model(folder, contract)
    _check_files(model, verify=verify)
    return model


def load_weights(model: Model, network: nn.Module, *, member: int | None = None) -> None:
    """Put the stored weights into a network of the model's architecture, all or none.

    Parameters
    ----------
    model
        Whose weights.
    network
        What gets them.
    member
        Of an ensemble, takes the weights of this one alone.

    Raises
    ------
    BundleError
        When the weights are of another architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(model.weights_path)
        if member is not None:
            prefix = f"members.{member}."
            weights = {
                name.removeprefix(prefix): value
                for name, value in weights.items()
                if name.startswith(prefix)
            }
        network.load_state_dict(weights, strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(
            f"The weights of '{model.name}' do not fit the network "
            f"'{model.contract.architecture.name}': {str(error).splitlines()[0]}",
            hint="Build the network from the model's own contract, with its channels and classes.",
        ) from error


def checksum(path: Path) -> str:
    """Checksum of a file (sha256, hexadecimal)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped() -> Path:
    return Path(str(files("scanseg.models")))


def _find(name_or_path: str | Path) -> Path:
    shipped = model_names()
    if str(name_or_path) in shipped:
        return _shipped() / str(name_or_path)
    imported = installed_names()
    if str(name_or_path) in imported:
        return models_folder() / str(name_or_path)
    path = Path(name_or_path).expanduser()
    if (path / CONTRACT_FILE).is_file():
        return path.resolve()
    if path.is_dir():
        raise BundleError(
            f"The folder {path} holds no model: {CONTRACT_FILE} is missing.",
            hint="Give the folder that 'scanseg train' wrote.",
        )
    known = (*shipped, *imported)
    near = difflib.get_close_matches(str(name_or_path), known, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise BundleError(
        f"There is no model '{name_or_path}'.",
        hint=f"{guess}There are {', '.join(known) or 'none'}; or give the folder of a model.",
    )


def _read_contract(folder: Path) -> ModelContract:
    path = folder / CONTRACT_FILE
    try:
        settings: dict[str, Any] = read_yaml(path)
        return ModelContract.from_settings(settings, origin=str(path))
    except ConfigError as error:
        raise BundleError(
            error.reason,
            hint="The model is damaged, or a newer scanseg made it: copy it again, or upgrade.",
        ) from None


def _check_files(model: Model, *, verify: bool) -> None:
    stored = model.contract.checksums
    missing = [name for name in {*REQUIRED_FILES, *stored} if not (model.folder / name).is_file()]
    if missing:
        raise BundleError(
            f"The model in {model.folder} is incomplete: {', '.join(sorted(missing))} missing.",
            hint="Copy or download the whole folder again.",
        )
    unlisted = sorted(set(REQUIRED_FILES) - set(stored))
    altered = unlisted or (
        sorted(name for name in stored if checksum(model.folder / name) != stored[name])
        if verify
        else []
    )
    if altered:
        raise BundleError(
            f"The model in {model.folder} was altered: {', '.join(altered)} differ from the "
            f"checksums in {CONTRACT_FILE}.",
            hint="Copy the folder again; a model trained on is saved as a new one.",
        )

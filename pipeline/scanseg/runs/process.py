"""From a frame to what is written about it: the network and the search for atoms, in one call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from scanseg.errors import ScansegError
from scanseg.micrograph import FloatImage, Micrograph, Signal
from scanseg.runs.failures import StageError
from scanseg.runs.settings import RunSettings

if TYPE_CHECKING:
    import pandas as pd

    from scanseg.bundle import Model
    from scanseg.inference import Engine

__all__ = ["Detection", "Maps", "ModelProcessor", "Processor", "open_processor"]

# Which shipped model takes which signals; an image whose signal the file does not tell is taken
# for STEM, as long as that is the only modality with a model.
DEFAULT_MODEL = "stem-atoms"
PFM_SIGNALS = (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY)


class Maps(Protocol):
    """The part of a prediction that is written to files."""

    @property
    def probability(self) -> FloatImage:
        """Probability of each class, shape (C, height, width)."""

    @property
    def uncertainty(self) -> FloatImage:
        """Uncertainty, shape (height, width)."""

    def class_map_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows of the class map, uint8, shape (stop - start, width)."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What was found in a frame.

    Parameters
    ----------
    maps
        The prediction.
    atoms
        One row an atom.
    spacing_px
        Distance of neighbouring columns in pixels of the image; None where it was not measured.
    warnings
        What a user must know before trusting the numbers.
    seconds
        Time of each stage.
    """

    maps: Maps
    atoms: pd.DataFrame
    spacing_px: float | None
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


class Processor(Protocol):
    """A model, ready to be applied to frames."""

    @property
    def checksum(self) -> str:
        """Checksum of the model."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Name, version and whatever else the record of the run says about the model."""

    @property
    def colours(self) -> Mapping[str, str]:
        """Colour of every class but the background."""

    def prepare(self) -> None:
        """Load what takes time, before the first frame."""

    def __call__(self, image: Micrograph) -> Detection:
        """Find what is in a frame."""


class ModelProcessor:
    """A model of this package as a run uses it.

    Parameters
    ----------
    model
        The model.
    settings
        The settings of the run.
    chosen
        Whether the model was named by the user; otherwise it refuses signals it is not made for.
    """

    def __init__(self, model: Model, settings: RunSettings, *, chosen: bool) -> None:
        self._model = model
        self._settings = settings
        self._chosen = chosen
        self._engine: Engine | None = None
        self.checksum = model.sha256

    @property
    def description(self) -> dict[str, Any]:
        """Name, version, place and checksum of the model, who chose it, and what computes it."""
        contract = self._model.contract
        return {
            "name": contract.name,
            "version": contract.version,
            "folder": str(self._model.folder),
            "checksum": self.checksum,
            "named": self._chosen,
            "engine": None if self._engine is None else self._engine.description,
        }

    @property
    def colours(self) -> dict[str, str]:
        """Colour of every class but the background."""
        return {each.name: each.colour for each in self._model.contract.classes[1:]}

    def prepare(self) -> None:
        """Compile the network for the device."""
        from scanseg.inference import open_engine

        machine = self._settings.machine
        if self._engine is None:
            self._engine = open_engine(
                self._model, device=machine.device, precision=machine.precision
            )

    def __call__(self, image: Micrograph) -> Detection:
        """Apply the network, then find and refine the atoms."""
        from scanseg.atoms import find_atoms
        from scanseg.inference import predict

        self._check_signal(image)
        self.prepare()
        started = time.perf_counter()
        try:
            prediction = predict(
                image, self._model, config=self._settings.inference, engine=self._engine
            )
        except Exception as error:
            raise StageError("predict") from error
        predicted = time.perf_counter()
        try:
            atoms = find_atoms(prediction, config=self._settings.atoms)
        except Exception as error:
            raise StageError("find") from error
        seconds = {"predict": predicted - started, "find": time.perf_counter() - predicted}
        return Detection(
            prediction, atoms, _spacing_px(prediction), tuple(prediction.warnings), seconds
        )

    def _check_signal(self, image: Micrograph) -> None:
        if not self._chosen and image.signal in PFM_SIGNALS:
            name = self._model.contract.name
            raise ScansegError(
                f"it is a scan of a force microscope ({image.signal}), and {name} is for STEM.",
                hint="Name a model for it with --model.",
            )


def _spacing_px(prediction: Any) -> float | None:
    spacing = prediction.spacing
    value = getattr(spacing, "spacing_px", spacing)
    return None if value is None else float(value)


def open_processor(model: str | None, settings: RunSettings) -> ModelProcessor:
    """Load a model by name or folder; without one, the model that ships for STEM images."""
    from scanseg.bundle import load_model

    return ModelProcessor(load_model(model or DEFAULT_MODEL), settings, chosen=model is not None)

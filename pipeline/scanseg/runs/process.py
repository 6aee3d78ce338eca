"""From a frame to what is written about it: the network, and the search for what it has seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from scanseg.errors import ScansegError
from scanseg.micrograph import Micrograph
from scanseg.runs.detection import Detection, detected_atoms, detected_walls
from scanseg.runs.failures import StageError
from scanseg.runs.parts import gathered
from scanseg.runs.settings import RunSettings
from scanseg.runs.tasks import ATOMS, WALLS

if TYPE_CHECKING:
    from scanseg.bundle import Model
    from scanseg.inference import Engine, Prediction

__all__ = ["ModelProcessor", "Processor"]


class Processor(Protocol):
    """A model, or several to choose from, ready to be applied to frames."""

    @property
    def checksum(self) -> str:
        """Checksum of all models that a frame may get."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Name, version and whatever else the record of the run says about the model."""

    @property
    def colours(self) -> Mapping[str, str]:
        """Colour of every class but the background."""

    def prepare(self, image: Micrograph | None = None) -> None:
        """Load what takes time, before the first frame; without one, for any frame."""

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
    named
        Whether the model was named by the user.
    scratch
        Folder for what is too large for the memory; by default that of temporary files.
    """

    def __init__(
        self, model: Model, settings: RunSettings, *, named: bool, scratch: Path | None = None
    ) -> None:
        self._model = model
        self._settings = settings
        self._named = named
        self._scratch = scratch
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
            "named": self._named,
            "engine": None if self._engine is None else self._engine.description,
        }

    @property
    def colours(self) -> dict[str, str]:
        """Colour of every class but the background."""
        return {each.name: each.colour for each in self._model.contract.classes[1:]}

    def prepare(self, image: Micrograph | None = None) -> None:
        """Compile the network for the device."""
        from scanseg.inference import open_engine

        machine = self._settings.machine
        if self._engine is None:
            self._engine = open_engine(
                self._model, device=machine.device, precision=machine.precision
            )

    def __call__(self, image: Micrograph) -> Detection:
        """Apply the network, then find and measure what it has seen."""
        from scanseg.inference import predict

        self._check_signal(image)
        self.prepare()
        started = time.perf_counter()
        try:
            prediction = predict(
                image,
                self._model,
                config=self._settings.inference,
                engine=self._engine,
                scratch=self._scratch,
            )
        except Exception as error:
            raise StageError("predict") from error
        predicted = time.perf_counter()
        try:
            finder = FINDERS[self._model.contract.task]
            found = finder(prediction, self._settings, self.colours, self._scratch)
        except Exception as error:
            raise StageError("find") from error
        seconds = {"predict": predicted - started, "find": time.perf_counter() - predicted}
        return replace(found, model=self._model.name, seconds=seconds)

    def _check_signal(self, image: Micrograph) -> None:
        """Refuse a scan to a model for STEM; models for scans know themselves what they take.

        A topography may show columns as well, those of a surface, and passes.
        """
        name, modality = self._model.contract.name, self._model.contract.modality
        if modality == "STEM" and image.signal.modality == "PFM":
            raise ScansegError(
                f"it is a scan of a force microscope ({image.signal}), and {name} is for STEM.",
                hint="Leave out --model, so that its kind chooses the model of each file.",
            )


def _find_atoms(
    prediction: Prediction,
    settings: RunSettings,
    colours: Mapping[str, str],
    scratch: Path | None,
) -> Detection:
    from scanseg.atoms import find_atom_strips

    return detected_atoms(
        prediction.image,
        prediction,
        gathered(find_atom_strips(prediction, config=settings.atoms), scratch),
        colours=colours,
        spacing_px=None if prediction.spacing is None else prediction.spacing.spacing_px,
        warnings=tuple(prediction.warnings),
    )


def _find_walls(
    prediction: Prediction,
    settings: RunSettings,
    colours: Mapping[str, str],
    scratch: Path | None,
) -> Detection:
    from scanseg.walls import trace_walls

    return detected_walls(
        prediction.image,
        prediction,
        trace_walls(prediction, config=settings.walls),
        colours=colours,
        warnings=tuple(prediction.warnings),
    )


FINDERS = {ATOMS.name: _find_atoms, WALLS.name: _find_walls}

"""Which model a frame gets: the one that was named, or the one that ships for its modality."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scanseg.errors import ScansegError
from scanseg.micrograph import Micrograph
from scanseg.runs.detection import Detection
from scanseg.runs.process import ModelProcessor, Processor
from scanseg.runs.settings import RunSettings

__all__ = ["DEFAULT_MODELS", "ByModality", "open_processor"]

DEFAULT_MODELS = {"STEM": "stem-atoms", "PFM": "pfm-walls"}


class ByModality:
    """A model for each modality.

    Parameters
    ----------
    models
        By modality, at least one.
    """

    def __init__(self, models: Mapping[str, Processor]) -> None:
        self._models = dict(models)

    @property
    def checksum(self) -> str:
        """Of all models: which of them a file gets shows only when it has been read."""
        checksums = [each.checksum for each in self._models.values()]
        if len(checksums) == 1:
            return checksums[0]
        return hashlib.sha256(" ".join(checksums).encode()).hexdigest()

    @property
    def description(self) -> dict[str, Any]:
        """What is said of one model; of several, that of each in ``choices``."""
        choices = {modality: each.description for modality, each in self._models.items()}
        if len(choices) == 1:
            return dict(next(iter(choices.values())))
        engines = dict.fromkeys(each["engine"] for each in choices.values() if each.get("engine"))
        return {
            "name": ", ".join(each["name"] for each in choices.values()),
            "version": ", ".join(each["version"] for each in choices.values()),
            "checksum": self.checksum,
            "named": False,
            "engine": "; ".join(engines) or None,
            "choices": choices,
        }

    @property
    def colours(self) -> dict[str, str]:
        """Colour of every class but the background, of all models."""
        return {
            name: colour for each in self._models.values() for name, colour in each.colours.items()
        }

    def prepare(self, image: Micrograph | None = None) -> None:
        """Compile the network that a frame gets; without a frame, all of them."""
        if image is None:
            for each in self._models.values():
                each.prepare()
        elif (model := self._models.get(image.signal.modality)) is not None:
            model.prepare(image)

    def __call__(self, image: Micrograph) -> Detection:
        """Apply the model for the modality of a frame."""
        modality = image.signal.modality
        model = self._models.get(modality)
        if model is None:
            kind = "a topography" if not modality else "a scan of a force microscope"
            known = ", ".join(self._models)
            raise ScansegError(
                f"it is {kind} ({image.signal}), and the models that ship are for {known}.",
                hint="Name a model for it with --model.",
            )
        return model(image)


def open_processor(
    model: str | None, settings: RunSettings, *, scratch: Path | None = None
) -> Processor:
    """Load a model by name or folder; without one, those that ship, for each modality one.

    What is too large for the memory goes to a file in ``scratch``, or where temporary files go.
    """
    from scanseg.bundle import load_model, model_names

    if model is not None:
        return ModelProcessor(load_model(model), settings, named=True, scratch=scratch)
    shipped = model_names()
    return ByModality(
        {
            modality: ModelProcessor(load_model(name), settings, named=False, scratch=scratch)
            for modality, name in DEFAULT_MODELS.items()
            if modality == "STEM" or name in shipped
        }
    )

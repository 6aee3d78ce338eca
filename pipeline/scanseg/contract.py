"""What a trained network promises: its input, its classes, its origin. Stored as ``model.yaml``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from scanseg.config import Config

__all__ = ["Architecture", "ModelClass", "ModelContract", "Normalisation", "Origin", "Sampling"]


class ModelClass(Config):
    """One class of the class map."""

    name: str
    """What the class is called in tables."""
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    """Colour in overlays and viewers."""
    empty: bool = False
    """A place where a column is missing: it has a position, and nothing to fit."""


class Sampling(Config):
    """The sampling a network was trained at: by spacing of the columns, or by pixel size.

    Neither means that images are taken pixel by pixel, as they were measured.
    """

    spacing_px: PositiveFloat | None = None
    """Pixels between nearest columns."""
    pixel_size_nm: PositiveFloat | None = None
    """Pixel size, for objects whose size matters rather than their spacing."""

    @model_validator(mode="after")
    def _not_both(self) -> Sampling:
        if self.spacing_px is not None and self.pixel_size_nm is not None:
            raise ValueError("give either spacing_px or pixel_size_nm")
        return self


class Normalisation(Config):
    """How counts become network input: 0 at the mean of the surroundings, 1 a spread above it."""

    window_px: PositiveFloat = 12.0
    """Width (s.d.) of the surroundings, in pixels of the model's grid."""
    floor: PositiveFloat = 0.25
    """Smallest spread, as a part of the whole image's; vacuum noise is not blown up to atoms."""
    low_percentile: float = Field(default=1.0, ge=0, le=100)
    """Lower end of the image's range."""
    high_percentile: float = Field(default=99.0, ge=0, le=100)
    """Upper end of the image's range."""
    clip_low: float = -4.0
    """Lowest input; what lies below is clipped."""
    clip_high: float = 8.0
    """Highest input; what lies above is clipped."""


class Architecture(Config):
    """Which network of the registry, and its arguments."""

    name: str = "compact-unet"
    """Name in the registry of ``scanseg.nets``."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What the registry passes to the network."""


class Origin(Config):
    """The model that another one was trained further from."""

    name: str
    """Its name."""
    version: str
    """Its version."""
    sha256: str
    """Checksum of its ``model.yaml``."""
    images: dict[str, str] = Field(default_factory=dict)
    """Labelled images that were trained on, with the checksum of each."""


class ModelContract(Config):
    """Everything about a trained network but its weights."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Name of the model and of its folder."""
    version: str
    """Version of the weights."""
    task: Literal["atoms", "walls"]
    """What the class map is turned into."""
    modality: Literal["STEM", "PFM"]
    """Kind of microscope."""
    classes: tuple[ModelClass, ...] = Field(min_length=2)
    """Classes in the order of the network's channels; the first is the background."""
    channels: tuple[str, ...] = ("intensity",)
    """Input channels."""
    sampling: Sampling
    """Sampling of the training images."""
    normalisation: Normalisation | None = Normalisation()
    """Input range of a network that sees one channel; none where the channels have their own."""
    architecture: Architecture = Architecture()
    """The network."""
    members: PositiveInt = 1
    """Networks of an ensemble: their logits follow each other in the output."""
    size_multiple_px: PositiveInt = 32
    """Input sides must be multiples of this."""
    halo_px: NonNegativeInt
    """Margin of a tile whose output depends on what lies outside of it."""
    temperature: PositiveFloat = 1.0
    """Logits are divided by this, so that probabilities are frequencies on the validation set."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Probability from which an atom or a wall counts as found, chosen on the validation set."""
    recipe: str
    """File in ``configs/`` that reproduces the weights."""
    seed: int
    """Seed of the training run."""
    data: str
    """What the network was trained on, one paragraph."""
    origin: Origin | None = None
    """The model that this one was trained further from; none for one from the start."""
    figures: dict[str, float] = Field(default_factory=dict)
    """Figures of merit on the validation set."""
    familiar: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Range of each statistic of ``scanseg.inference.familiarity`` over the training data."""
    licence: str = "BSD-3-Clause"
    """Licence of the weights."""
    scanseg_version: str
    """Version of scanseg that wrote the model."""
    checksums: dict[str, str] = Field(default_factory=dict)
    """sha256 of every other file of the folder."""

    @model_validator(mode="after")
    def _counts_have_a_range(self) -> ModelContract:
        if self.task == "atoms" and self.normalisation is None:
            raise ValueError("a model for atoms needs a normalisation")
        return self

    @property
    def spacing_px(self) -> float:
        """Pixels of the grid between nearest columns; 12 for a model that needs none."""
        return self.sampling.spacing_px or 12.0

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, background first."""
        return tuple(model_class.name for model_class in self.classes)

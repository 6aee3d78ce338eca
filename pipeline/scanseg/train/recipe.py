"""A recipe: everything that makes a trained model, in one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from scanseg.config import Config, read_yaml
from scanseg.contract import Architecture, ModelClass, Normalisation
from scanseg.errors import ConfigError
from scanseg.simulate.pfm import PfmScene
from scanseg.simulate.stem import Range, StemScene

__all__ = [
    "AtomArtefact",
    "AtomRecipe",
    "Labels",
    "Loss",
    "Optimisation",
    "Recipe",
    "Validation",
    "WallArtefact",
    "WallRecipe",
    "read_recipe",
    "recipe_of",
]

Share = Annotated[float, Field(ge=0, le=1)]
AtomArtefact = Literal["line_jitter", "drift", "lag", "dose", "contamination"]
WallArtefact = Literal["line_jitter", "drift", "lag", "noise", "phase_offset", "row_jumps"]


class Labels(Config):
    """How columns become class maps: a disc each."""

    truth: Literal["column", "species", "sublattice"] = "column"
    """What makes the class of a simulated column: that it is one; the class with the name of its
    species, or ``vacancy`` where an atom is missing; ``heavy`` or ``light`` by its strength beside
    the others of its crystal (:func:`scanseg.simulate.crystals.sublattice_border`). A column for
    which there is no class is neither asked for nor background."""
    radius_of_spacing: PositiveFloat = 0.29
    """Radius of a disc over the distance to the nearest column."""
    radius_px: Range = (1.3, 3.5)
    """Smallest and largest radius, in pixels of the model's grid."""


class Loss(Config):
    """Weights of the terms; those at 0 are left out."""

    cross_entropy: NonNegativeFloat = 1.0
    """Softmax cross-entropy."""
    class_balance: Share = 0.0
    """How far rare classes weigh more in the cross-entropy: 0 not at all, 1 as much as frequent
    ones."""
    binary_cross_entropy: NonNegativeFloat = 0.0
    """Binary cross-entropy of every class against the rest."""
    dice: NonNegativeFloat = 0.3
    """Dice over the batch, per class."""
    focal: NonNegativeFloat = 0.0
    """Focal loss, which puts weight on the pixels that are still wrong."""
    focal_gamma: NonNegativeFloat = 2.0
    """Exponent of the focal loss."""
    cl_dice: NonNegativeFloat = 0.0
    """Centre-line Dice of lines, which minds gaps."""
    deep_supervision: NonNegativeFloat = 0.0
    """All of the above on the side outputs of networks that have such."""


class Optimisation(Config):
    """How the weights move."""

    optimiser: Literal["adamw", "adam", "nadam", "radam", "rmsprop", "sgd"] = "adamw"
    """Which optimiser."""
    learning_rate: PositiveFloat = 2e-3
    """Highest learning rate."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of ``sgd`` (Nesterov's) and ``rmsprop``; the others have their own."""
    weight_decay: NonNegativeFloat = 1e-4
    """Decay of the weights."""
    schedule: Literal["cosine", "linear", "polynomial", "steps", "constant"] = "cosine"
    """Falls to 1 % along a cosine, a line or a power of 0.9; to a tenth at 60 % and again at 85 %
    of the training; or stays."""
    warmup: float = Field(default=0.02, ge=0, lt=1)
    """Part of the training over which the learning rate rises."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are summed up for one step: large batches in little memory."""
    snapshots: PositiveInt = 1
    """The schedule is run through so many times, and the weights at the end of each are a member
    of an ensemble (Huang et al., ICLR 2017). The first takes half of the training, the others
    share the rest."""
    clip_norm: PositiveFloat = 1.0
    """Largest norm of the gradient."""
    average: Literal["ema", "swa"] = "ema"
    """Which mean of the weights is validated and kept: one that forgets (``ema_decay``), or that of
    all steps of the end of the training (``swa_start``; Izmailov et al., UAI 2018)."""
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the moving mean; 0 for none."""
    swa_start: float = Field(default=0.75, ge=0, lt=1)
    """Part of the training after which the mean of ``swa`` begins."""
    setbacks: NonNegativeInt = 3
    """How often a training whose loss is no number any more goes back to its last checkpoint and
    on at half the learning rate."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """``auto`` is bf16-mixed, three times as fast as float32, on processors and GPUs that have it,
    16-mixed on other GPUs, and float32 elsewhere."""

    @model_validator(mode="after")
    def _one_mean(self) -> Optimisation:
        if self.average == "swa" and self.snapshots > 1:
            raise ValueError("average swa is over the end of the training, and snapshots have many")
        return self


class Validation(Config):
    """A fixed set of simulated images, never trained on."""

    n_images: PositiveInt = 256
    """How many. The threshold and the temperature are chosen on them."""
    seed: NonNegativeInt = 20_000
    """Seed of the set; training uses other streams."""
    every_steps: PositiveInt = 500
    """Steps between validations."""
    patience: NonNegativeInt = 0
    """Validations without gain after which training stops; 0 for never."""


class Recipe(Config):
    """What all trainings have in common."""

    task: Literal["atoms", "walls"]
    """What the network finds."""
    name: str
    """Name of the model."""
    version: str = "1"
    """Version of its weights."""
    classes: tuple[ModelClass, ...] = Field(min_length=2)
    """Classes, background first."""
    patch_px: PositiveInt = 192
    """Side of a training patch."""
    architecture: Architecture = Architecture(name="compact-unet")
    """The network."""
    mirrored_border: Share = 0.3
    """Part of the patches with a mirrored strip along a border, as padded images have."""
    loss: Loss = Loss()
    """What is made small."""
    optimisation: Optimisation = Optimisation()
    """How."""
    validation: Validation = Validation()
    """Against what."""
    batch: PositiveInt = 8
    """Patches a batch, over all devices."""
    steps: PositiveInt = 12_000
    """Steps."""
    members: PositiveInt = 1
    """Trainings, one after the other, of an ensemble: from this seed, the next, and so on."""
    seed: NonNegativeInt = 1
    """Seed of weights and images."""
    workers: NonNegativeInt = 2
    """Processes that simulate, for each device."""
    devices: PositiveInt = 1
    """GPUs of each node that train together; without a GPU as many processes."""
    nodes: PositiveInt = 1
    """Machines that train together."""
    tensorboard: bool = False
    """Also log for TensorBoard, which is the extra ``tensorboard``."""

    @model_validator(mode="after")
    def _validated_on_other_images(self) -> Recipe:
        if self.seed <= self.validation.seed < self.seed + self.members:
            raise ValueError("seed and validation.seed must differ: the images would be the same")
        return self

    @model_validator(mode="after")
    def _shared_evenly(self) -> Recipe:
        if self.batch % (self.devices * self.nodes):
            raise ValueError(
                f"batch, {self.batch}, must be a multiple of the {self.devices * self.nodes} "
                "devices that share it"
            )
        return self

    @model_validator(mode="after")
    def _ends_with_all_members(self) -> Recipe:
        if self.validation.patience and self.optimisation.snapshots > 1:
            raise ValueError(
                "validation.patience would end the training before all of its snapshots are there"
            )
        return self


class AtomRecipe(Recipe):
    """A network that finds atom columns in STEM images."""

    task: Literal["atoms"] = "atoms"
    """Atom columns."""
    classes: tuple[ModelClass, ...] = (
        ModelClass(name="background", colour="#000000"),
        ModelClass(name="atom", colour="#ff9f1c"),
    )
    """Classes, background first."""
    scene: StemScene = StemScene(spacing_px=(5.6, 13.0))
    """What is simulated; spacings in pixels of the model's grid."""
    spacing_px: PositiveFloat = 8.0
    """Spacing that images are brought to when the model is used. At 12 px a network took 2.3 times
    as long and found less at low dose: it saw fewer columns at once."""
    native_scale: Range = (0.5, 2.2)
    """Half of the images are recorded at a sampling of their own, this many pixels a grid pixel,
    and then brought to the grid, as images are when the model is used."""
    normalisation: Normalisation = Normalisation()
    """Input range."""
    labels: Labels = Labels()
    """Discs."""
    augmentation: dict[str, Share] = Field(
        default_factory=lambda: {"contrast": 0.3, "gamma": 0.1, "blur": 0.1, "dropout": 0.1}
    )
    """Probability of each augmentation of ``scanseg.train.augment``."""
    artefacts: dict[AtomArtefact, Share] = Field(default_factory=dict)
    """Probability of each artefact of the instrument that is put on labelled images; simulated ones
    have theirs."""


class WallRecipe(Recipe):
    """A network that finds domain walls in PFM scans."""

    task: Literal["walls"] = "walls"
    """Domain walls."""
    classes: tuple[ModelClass, ...] = (
        ModelClass(name="background", colour="#000000"),
        ModelClass(name="ferroelectric", colour="#2ec4f1"),
        ModelClass(name="ferroelastic", colour="#ff9f1c"),
    )
    """Classes, background first."""
    scene: PfmScene = PfmScene()
    """What is simulated."""
    artefacts: dict[WallArtefact, Share] = Field(default_factory=dict)
    """Probability of each artefact of the instrument that is put on labelled scans; simulated ones
    have theirs."""
    uses: PositiveInt = 3
    """How often a simulated scan is trained on, turned and mirrored in another way each time. A
    scan of 192² pixels takes 25 ms to simulate, a step of eight of them 300 ms."""


def recipe_of(
    settings: dict[str, Any], *, overrides: tuple[str, ...] = (), origin: str = "settings"
) -> AtomRecipe | WallRecipe:
    """Check the settings of a recipe of either task; without ``task`` it is one for atoms.

    Raises
    ------
    ConfigError
        Every problem at once.
    """
    task = settings.get("task", "atoms")
    kinds: dict[str, type[AtomRecipe] | type[WallRecipe]] = {
        "atoms": AtomRecipe,
        "walls": WallRecipe,
    }
    if task not in kinds:
        raise ConfigError(f"There is no task {task!r}.", hint="Known are atoms and walls.")
    return kinds[task].from_settings(settings, overrides=overrides, origin=origin)


def read_recipe(path: Path, *, overrides: tuple[str, ...] = ()) -> AtomRecipe | WallRecipe:
    """Read and check a recipe.

    Raises
    ------
    ConfigError
        Every problem at once.
    """
    return recipe_of(read_yaml(path), overrides=overrides, origin=path.name)

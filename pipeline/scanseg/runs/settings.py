"""Every setting of a run, in one tree: files, options and the manual take them from here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PositiveInt

from scanseg.atoms import AtomConfig
from scanseg.config import Config, read_yaml
from scanseg.inference import InferenceConfig
from scanseg.runs.inputs import InputConfig
from scanseg.walls import WallTracing

__all__ = [
    "InputConfig",
    "MachineConfig",
    "OutputConfig",
    "RunSettings",
    "load_settings",
    "setting_help",
    "setting_lines",
]

SavedMap = Literal["probability", "uncertainty", "domains"]


class MachineConfig(Config):
    """Where the network runs."""

    device: str = "auto"
    """Where the network runs: auto, cpu or cuda."""
    precision: str = "auto"
    """Arithmetic of the network: auto, f32 or bf16."""


class OutputConfig(Config):
    """What is written for every image beside its table and class map."""

    save: tuple[SavedMap, ...] = ()
    """Further maps to keep: probability, uncertainty, and of scans with walls domains."""
    overlay_px: Annotated[int, Field(ge=64, le=16384)] = 2048
    """Longest side of overlay.png; larger images are reduced."""
    overlay_frames: PositiveInt = 3
    """How many frames of a movie get an overlay, spread evenly from the first to the last."""


class RunSettings(Config):
    """The settings of ``scanseg predict``."""

    input: InputConfig = InputConfig()
    """How files are read."""
    machine: MachineConfig = MachineConfig()
    """Where the network runs."""
    inference: InferenceConfig = InferenceConfig()
    """How the network is applied."""
    atoms: AtomConfig = AtomConfig()
    """How atoms are found and refined."""
    walls: WallTracing = WallTracing()
    """How probabilities become domain walls."""
    output: OutputConfig = OutputConfig()
    """What is written."""


def load_settings(file: Path | None, overrides: tuple[str, ...]) -> RunSettings:
    """Settings of a YAML file (or the defaults) with ``a.b=value`` overrides on top."""
    settings = read_yaml(file) if file is not None else {}
    origin = str(file) if file is not None else "--set and the options"
    return RunSettings.from_settings(settings, overrides=overrides, origin=origin)


def setting_help(dotted: str) -> str:
    """What a setting means.

    Examples
    --------
    >>> setting_help("output.save")
    'Further maps to keep: probability, uncertainty, and of scans with walls domains.'
    """
    schema: type[BaseModel] = RunSettings
    *groups, name = dotted.split(".")
    for group in groups:
        inner = schema.model_fields[group].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        schema = inner
    return schema.model_fields[name].description or ""


def setting_lines(schema: type[BaseModel] = RunSettings, prefix: str = "") -> Iterator[str]:
    """``group.name = default: meaning`` of every setting of a tree, one string each."""
    for name, field in schema.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from setting_lines(inner, f"{prefix}{name}.")
        else:
            default: Any = field.get_default(call_default_factory=False)
            yield f"{prefix}{name} = {default}: {field.description or ''}"

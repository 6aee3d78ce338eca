"""Arguments and options that commands share, and the settings they make together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from scanseg.config import Config, read_yaml
from scanseg.runs.memory import fit_memory, parse_memory
from scanseg.runs.settings import RunSettings, load_settings, setting_help, setting_lines

__all__ = [
    "SETTINGS",
    "ChannelOption",
    "ConfigOption",
    "DeviceOption",
    "Events",
    "EventsOption",
    "ImagesOption",
    "JsonOption",
    "MemoryOption",
    "ModelOption",
    "OutputOption",
    "PixelSizeOption",
    "QuietOption",
    "SaveOption",
    "SetOption",
    "VerboseOption",
    "all_settings",
    "read_settings",
    "run_argument",
    "run_settings",
]

Schema = TypeVar("Schema", bound=Config)


def all_settings(schema: type[Config]) -> str:
    """Every setting of a command, as the end of its help."""
    return "All settings, for --config and --set:\n\n\b\n" + "\n".join(setting_lines(schema))


def run_argument(content: str) -> Any:
    """The argument RUN of a command that goes on with the results of ``predict``.

    Parameters
    ----------
    content
        What the run was over: ``STEM images``.
    """
    return typer.Argument(metavar="RUN", help=f"Folder that predict has written, of {content}.")


SETTINGS = all_settings(RunSettings)


class Events(StrEnum):
    """How programs are told."""

    JSONL = "jsonl"


OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Folder of the results.")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A shipped model or a folder; chosen by the images."),
]
PixelSizeOption = Annotated[
    str | None, typer.Option(metavar="NM", help=setting_help("input.pixel_size_nm"))
]
ChannelOption = Annotated[str | None, typer.Option(help=setting_help("input.channel"))]
DeviceOption = Annotated[str | None, typer.Option(help=setting_help("machine.device"))]
SaveOption = Annotated[
    str | None, typer.Option(metavar="MAP,...", help=setting_help("output.save"))
]
ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE.yaml", help="Settings from a file.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="A setting; may be repeated.")
]
MemoryOption = Annotated[
    str | None,
    typer.Option(metavar="2GB", help="Fit tiles and images in flight to so much memory."),
]
ImagesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Image of the run, or a pattern such as 'day1/*'; may be repeated, in order.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, for programs.")
]
EventsOption = Annotated[
    Events | None, typer.Option(help="Write what happens to stdout, for programs.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
VerboseOption = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="More messages; -vv all.")
]


def read_settings(
    schema: type[Schema], config: Path | None, overrides: Sequence[str] | None
) -> Schema:
    """Settings of a file (or the defaults), with ``--set`` on top.

    Parameters
    ----------
    schema
        The settings of the command.
    config
        The file.
    overrides
        ``a.b=value``.
    """
    return schema.from_settings(
        read_yaml(config) if config else {},
        overrides=tuple(overrides or ()),
        origin=str(config) if config else "--set",
    )


def run_settings(
    config: Path | None,
    overrides: Sequence[str] | None,
    *,
    pixel_size_nm: str | None,
    channel: str | None,
    device: str | None,
    save: str | None,
    memory: str | None,
) -> tuple[RunSettings, int | None]:
    """Settings of a run: those of a file, ``--set`` on top, and options of their own above all.

    Parameters
    ----------
    config, overrides
        As in :func:`read_settings`.
    pixel_size_nm, channel, device, save, memory
        What was given to the option of that name; None where it was not.

    Returns
    -------
    settings
        Tiles as large as the memory allows, where it was given.
    bytes_in_flight
        Of the images between reading and writing; None where no memory was given.
    """
    options: dict[str, str | list[str] | None] = {
        "input.pixel_size_nm": pixel_size_nm,
        "input.channel": channel,
        "machine.device": device,
        "output.save": None if save is None else [name.strip() for name in save.split(",")],
    }
    given = [f"{key}={json.dumps(value)}" for key, value in options.items() if value is not None]
    settings = load_settings(config, (*(overrides or ()), *given))
    return (settings, None) if memory is None else fit_memory(settings, parse_memory(memory))

"""Options that the commands which process images share, and the settings they make together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from scanseg.runs.settings import RunSettings, load_settings, setting_help, setting_lines

__all__ = [
    "SETTINGS",
    "ChannelOption",
    "ConfigOption",
    "DeviceOption",
    "Events",
    "EventsOption",
    "ImagesOption",
    "MemoryOption",
    "ModelOption",
    "PixelSizeOption",
    "QuietOption",
    "SaveOption",
    "SetOption",
    "VerboseOption",
    "given_settings",
]

SETTINGS = "All settings, for --config and --set:\n\n\b\n" + "\n".join(setting_lines())


class Events(StrEnum):
    """How programs are told."""

    JSONL = "jsonl"


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
EventsOption = Annotated[
    Events | None, typer.Option(help="Write what happens to stdout, for programs.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
VerboseOption = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="More messages; -vv all.")
]


def given_settings(
    config: Path | None, overrides: Sequence[str] | None, options: Mapping[str, str | None]
) -> RunSettings:
    """Settings of a file, with ``--set`` on top and options of their own above all.

    Parameters
    ----------
    config
        The file.
    overrides
        ``a.b=value``.
    options
        Values by the names of their settings; None where the option was not given.
    """
    values = {
        key: [name.strip() for name in value.split(",")] if key == "output.save" else value
        for key, value in options.items()
        if value is not None
    }
    given = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    return load_settings(config, (*(overrides or ()), *given))

"""The command line: thin faces over ``runs``, ``simulate``, ``train`` and ``bundle``.

A command's module is imported when the command is used, so that ``scanseg --help`` loads neither
numpy nor anything heavier.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from scanseg.cli.exits import exit_code_of, show_error

__all__ = ["app", "main"]

COMMANDS = {
    "predict": "Find the atoms or domain walls of every image in files and folders.",
    "watch": "Process images as they come into a folder.",
    "motion": "Follow domain walls through a series of scans of one place.",
    "tracks": "Follow atoms through a movie.",
    "patches": "Cut out the surroundings of atoms as a stack.",
    "distortion": "Measure and correct drift and line jitter of scans.",
    "convert": "Write the atoms of a run for other programs.",
    "report": "Write the report of a run and its tables anew.",
    "check": "Say what is in files, and what predict would take.",
    "simulate": "Make labelled images whose truth is known.",
    "train": "Train a model, from a recipe or further on labelled images.",
    "tune": "Search for the best settings of a training, or behind the network.",
    "evaluate": "Compare what was found with what is true.",
    "models": "List, describe, test and import models.",
    "export": "Write a model for other programs, as ONNX, TorchScript or for bioimage.io.",
    "rerun": "Make a run again, and say what differs.",
    "view": "Look at an image or a run in napari.",
    "doctor": "Check this installation; the answer goes into a bug report.",
    "demo": "Try everything on the sample images and compare with the truth.",
}


class _LazyGroup(TyperGroup):
    """A group whose commands are stubs until one is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, stub, rest = super().resolve_command(ctx, args)
        if stub is None or name is None:
            return name, stub, rest
        command = get_command(import_module(f"scanseg.cli.{name}").app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    cls=_LazyGroup,
    name="scanseg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import scanseg

        typer.echo(f"scanseg {scanseg.__version__}")
        raise typer.Exit()


@app.callback()
def _scanseg(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Atom columns and domain walls from images of scanning microscopes, with error bars."""


def _stub() -> None:
    raise AssertionError("a stub is replaced before it is called")


for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(_stub)


def main() -> None:
    """Run the command line; an error is one line, and the exit code says of which kind it is."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        show_error(error)
        raise SystemExit(exit_code_of(error)) from None

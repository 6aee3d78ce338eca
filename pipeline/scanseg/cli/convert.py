"""``scanseg convert``: atoms of a run in the formats of other programs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import ImagesOption, run_argument
from scanseg.errors import ConfigError
from scanseg.runs.atom_frames import read_atom_frames
from scanseg.runs.convert import convert_run, open_output

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


@app.command()
def convert(
    run: Annotated[Path, run_argument("STEM images")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder of the files.")
    ],
    format: Annotated[
        Literal["xyz", "extxyz", "cif", "parquet", "atomap"],
        typer.Option("--format", "-f", help="What to write."),
    ],
    images: ImagesOption = None,
    element: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=SYMBOL", help="Element of a class, for structures; may be repeated."
        ),
    ] = None,
) -> None:
    """Write the atoms of a run for other programs.

    xyz and extxyz: structures in angstrom, a file an image with all frames
    of a movie; cif: a file a frame. parquet: one table of everything.
    atomap: HDF5 with the image, for Atomap's load_atom_lattice_from_hdf5.
    Classes that are called like elements need no --element; others are X.
    """
    start_logging(0)
    elements = dict(_pair(each) for each in element or ())
    folder = open_output(output)
    frames = read_atom_frames(run, tuple(images or ()))
    if format in ("xyz", "extxyz", "cif") and not frames.calibrated:
        log.warning(
            "Images without a pixel size are written with one pixel as one angstrom; predict "
            "--pixel-size-nm calibrates them."
        )
    files, n_atoms = convert_run(frames, folder, format=format, elements=elements)
    where = files[0] if len(files) == 1 else f"{len(files)} files in {output}"
    typer.echo(f"{n_atoms} atoms: {where}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, symbol = text.partition("=")
    if not (name and equals and symbol):
        raise ConfigError(
            f"'{text}' names no element of a class.", hint="Write --element column=Sr, say."
        )
    return name, symbol

"""``scanseg patches``: sub-images around atoms, for what learns without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import ImagesOption, run_argument
from scanseg.runs.atom_frames import read_atom_frames
from scanseg.runs.patches import PatchChoice, write_patches

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def patches(
    run: Annotated[Path, run_argument("STEM images")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File: *.npz or *.tif.")
    ],
    images: ImagesOption = None,
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Atoms of this class; may be repeated."),
    ] = None,
    side_px: Annotated[
        int | None,
        typer.Option(min=3, metavar="PX", help="Side of a square; three spacings by default."),
    ] = None,
    centring: Annotated[
        Literal["pixel", "subpixel"],
        typer.Option(help="Pixels as measured, or the atom in the very centre, by splines."),
    ] = "pixel",
    every: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of the frames, one in so many.")
    ] = 1,
    border: Annotated[
        Literal["drop", "keep"],
        typer.Option(help="Squares that reach over the border: dropped, or filled with NaN."),
    ] = "drop",
) -> None:
    """Cut out the surroundings of atoms as a stack.

    Each square comes with image, frame, number, class and position of its
    atom: inside an .npz, or as CSV beside a .tif. The inputs of the run
    must still be there.
    """
    start_logging(0)
    choice = PatchChoice(tuple(class_ or ()), side_px, centring, every, border == "keep")
    frames = read_atom_frames(run, tuple(images or ()))
    count, side = write_patches(frames, output, choice)
    typer.echo(f"{count} sub-images of {side} x {side} px: {output}")

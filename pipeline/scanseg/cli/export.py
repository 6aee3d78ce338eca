"""``scanseg export``: a model for programs that do not know scanseg."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from scanseg.cli.exits import start_logging

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


class ExportFormat(StrEnum):
    """What other programs read."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    BIOIMAGEIO = "bioimageio"


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A model: its name, or its folder.")],
    to: Annotated[ExportFormat, typer.Option("--to", help="Format.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; must not exist.")
    ],
) -> None:
    """Write a model for other programs, and compare it with the bundle first.

    The exported network takes prepared tiles (N, channels, h, w) and returns
    probabilities of all classes, the background first; of an ensemble the
    mean of its members, and their spread beside it. A package for
    bioimage.io (extra bioimageio) holds both ONNX and TorchScript.
    """
    from scanseg.bundle import load_model
    from scanseg.bundle.export import EXPORT_TOLERANCE, export_model

    start_logging(0)
    exported = export_model(load_model(model), output, to=to.value)
    typer.echo(
        f"{exported.path}: gives {' and '.join(exported.outputs)}; on {exported.n_inputs} inputs "
        f"within {exported.largest_difference:.1g} of the bundle ({EXPORT_TOLERANCE:g} may be)."
    )
    for remark in exported.remarks:
        typer.echo(remark)

"""``scanseg distortion``: drift and jitter of scans, and positions without them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import (
    ConfigOption,
    ImagesOption,
    OutputOption,
    SetOption,
    all_settings,
    read_settings,
    run_argument,
)
from scanseg.distortion.settings import DistortionEstimation
from scanseg.errors import ScansegError
from scanseg.runs.atom_frames import read_atom_frames
from scanseg.runs.distortion import open_output, write_distortion

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


@app.command(epilog=all_settings(DistortionEstimation))
def distortion(
    run: Annotated[Path, run_argument("STEM images")],
    output: OutputOption,
    images: ImagesOption = None,
    source: Annotated[
        Literal["lattice", "series"],
        typer.Option(
            "--from", help="The lattice of each image, or what changes between images of one place."
        ),
    ] = "lattice",
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Measure and correct drift and line jitter of scans.

    What atoms on the same lines have in common, against their lattice or
    against the other images of a series, is a shift of the lines. A steady
    drift shows in one image where the shape of the cell is known. Lines are
    taken along x. Corrected positions stand beside the measured ones.
    """
    start_logging(0)
    settings = read_settings(DistortionEstimation, config, set_)
    folder = open_output(output)
    frames = read_atom_frames(run, tuple(images or ()))
    found = write_distortion(frames, folder, source=source, config=settings)
    for warning in found.warnings[:10]:
        log.warning(warning)
    table = found.table[found.table["n_columns"] > 0]
    if not len(table):
        raise ScansegError(
            "In no image the distortion could be measured.", hint="The messages above say why."
        )
    typer.echo(f"{_summary(table)}: {output / 'distortion.csv'}")


def _summary(table: DataFrame) -> str:
    """Medians over the frames in one line."""
    middle = table.median(numeric_only=True)
    unit, factor = ("pm", 1.0) if middle["jitter_x_pm"] == middle["jitter_x_pm"] else ("px", 0.0)
    names = [f"jitter_{axis}_{unit}" for axis in ("y", "x")]
    errors = [f"jitter_{axis}_err_{unit}" for axis in ("y", "x")]
    digits = 1 if factor else 3
    jitter = ", ".join(
        f"{axis} {middle[name]:.{digits}f} ± {middle[err]:.{digits}f}"
        for axis, name, err in zip(("y", "x"), names, errors, strict=True)
    )
    drift = ""
    if middle["shear"] == middle["shear"]:
        drift = (
            f", stretch {100 * middle['stretch']:.2f} ± {100 * middle['stretch_err']:.2f} %, "
            f"shear {100 * middle['shear']:.2f} ± {100 * middle['shear_err']:.2f} %"
        )
    return f"{len(table)} images, jitter {jitter} {unit}{drift}"

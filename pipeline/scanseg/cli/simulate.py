"""``scanseg simulate``: labelled images as files."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import read_settings
from scanseg.errors import ConfigError
from scanseg.simulate import (
    PfmScene,
    SimulatedPfm,
    StemScene,
    simulate,
    simulate_pfm,
    simulate_pfm_frames,
)
from scanseg.simulate.files import write_pfm, write_stem

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

SMALLEST_PX = 16


class Modality(StrEnum):
    """What is simulated."""

    STEM = "stem"
    PFM = "pfm"


@app.command("simulate")
def simulate_images(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder of the images.")
    ],
    modality: Annotated[
        Modality, typer.Option(help="Atom columns in STEM, or domain walls in PFM.")
    ] = Modality.STEM,
    n: Annotated[int, typer.Option("--n", min=1, help="How many images, or series.")] = 10,
    size: Annotated[
        str | None, typer.Option(help="Side in pixels, or HEIGHTxWIDTH; 512, for PFM 256.")
    ] = None,
    frames: Annotated[
        int, typer.Option(min=1, help="Scans of each series while a field moves the walls (PFM).")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="What to draw, from a file.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A=C", help="What to draw; may be repeated."),
    ] = None,
) -> None:
    """Simulate images: a calibrated TIFF each, and its truth.

    For STEM that is a table of where the columns are, for PFM a class map
    and a table of the points of the walls. A scan is one TIFF with the
    channels amplitude, phase and topography, those of them that were drawn.
    """
    start_logging(0)
    if frames > 1 and modality is Modality.STEM:
        raise ConfigError("Columns do not move from frame to frame.", hint="Add --modality pfm.")
    shape = _shape(size or ("512" if modality is Modality.STEM else "256"))
    scene: StemScene | PfmScene = (
        read_settings(StemScene, config, set_)
        if modality is Modality.STEM
        else read_settings(PfmScene, config, set_)
    )
    digits = max(3, len(str(n - 1)))
    names = [f"{modality}_{index:0{digits}d}" for index in range(n)]
    output.mkdir(parents=True, exist_ok=True)
    if any(path.name.startswith(tuple(names)) for path in output.glob("*.tif")):
        raise ConfigError(
            f"{output} holds images of these names already.", hint="Name another folder with -o."
        )
    for index, name in enumerate(names):
        # A generator an image: the third image is the same whether ten or a hundred are made.
        rng = np.random.default_rng([seed, index])
        if isinstance(scene, StemScene):
            write_stem(simulate(rng, shape=shape, config=scene), output / name)
            continue
        for suffix, scan in _scans(rng, shape, scene, n_frames=frames):
            write_pfm(scan, output / f"{name}{suffix}", config=scene)
    typer.echo(f"{n * frames} images with their truth: {output}")


def _scans(
    rng: np.random.Generator, shape: tuple[int, int], scene: PfmScene, *, n_frames: int
) -> Iterator[tuple[str, SimulatedPfm]]:
    """Scans and what tells them apart: a file a frame, as microscopes save a series."""
    if n_frames == 1:
        yield "", simulate_pfm(rng, shape=shape, config=scene)
        return
    digits = max(2, len(str(n_frames - 1)))
    series = simulate_pfm_frames(rng, n_frames=n_frames, shape=shape, config=scene)
    for number, scan in enumerate(series):
        yield f"_frame_{number:0{digits}d}", scan


def _shape(size: str) -> tuple[int, int]:
    try:
        sides = [int(side) for side in size.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < SMALLEST_PX:
        raise ConfigError(
            f"'{size}' is no size.", hint="Give pixels: 512, or 512x768 (height x width)."
        )
    return sides[0], sides[-1]

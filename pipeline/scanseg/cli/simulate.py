"""``scanseg simulate``: labelled images as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from scanseg.cli.exits import start_logging
from scanseg.config import read_yaml
from scanseg.errors import ConfigError
from scanseg.simulate import SimulatedStem, StemScene, simulate
from scanseg.writers import write_array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["app", "write_simulated"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

SMALLEST_PX = 16


@app.command("simulate")
def simulate_images(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder of the images.")
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="How many images.")] = 10,
    size: Annotated[str, typer.Option(help="Side in pixels, or HEIGHTxWIDTH.")] = "512",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="What to draw, from a file.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A=C", help="What to draw; may be repeated."),
    ] = None,
) -> None:
    """Simulate STEM images: a calibrated TIFF each, and a table of where the columns are."""
    start_logging(0)
    shape = _shape(size)
    scene = StemScene.from_settings(
        read_yaml(config) if config else {},
        overrides=tuple(set_ or ()),
        origin=str(config) if config else "--set",
    )
    digits = max(3, len(str(n - 1)))
    names = [f"stem_{index:0{digits}d}" for index in range(n)]
    output.mkdir(parents=True, exist_ok=True)
    if any((output / f"{name}.tif").exists() for name in names):
        raise ConfigError(
            f"{output} holds images of these names already.", hint="Name another folder with -o."
        )
    for index, name in enumerate(names):
        # A generator an image: the third image is the same whether ten or a hundred are made.
        simulated = simulate(np.random.default_rng([seed, index]), shape=shape, config=scene)
        write_simulated(simulated, output / name)
    typer.echo(f"{n} images with their truth: {output}")


def write_simulated(simulated: SimulatedStem, stem: Path) -> None:
    """Write ``<stem>.tif`` with its calibration and ``<stem>_atoms.csv`` with the truth."""
    write_array(
        _smallest_type(simulated.image),
        stem.with_suffix(".tif"),
        pixel_size_nm=(simulated.pixel_size_nm, simulated.pixel_size_nm),
        signal=simulated.signal,
        title=f"simulated: {simulated.description}",
    )
    truth_table(simulated).to_csv(
        stem.with_name(stem.name + "_atoms.csv"), index=False, float_format="%.6f"
    )


def truth_table(simulated: SimulatedStem) -> pd.DataFrame:
    """Where every column is: ``y_px, x_px, y_nm, x_nm, species, visible``."""
    import pandas as pd

    position_nm = simulated.position_px * simulated.pixel_size_nm
    return pd.DataFrame(
        {
            "y_px": simulated.position_px[:, 0],
            "x_px": simulated.position_px[:, 1],
            "y_nm": position_nm[:, 0],
            "x_nm": position_nm[:, 1],
            "species": simulated.species,
            "visible": simulated.visible,
        }
    )


def _smallest_type(image: Any) -> Any:
    """Counts as 16-bit integers where these hold them exactly: half the size, and usual."""
    whole = image.min() >= 0 and image.max() < 2**16 and np.array_equal(image, np.rint(image))
    return image.astype(np.uint16) if whole else image


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

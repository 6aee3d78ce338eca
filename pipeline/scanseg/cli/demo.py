"""``scanseg demo``: the sample images, processed and compared with what is known of them."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.predict import predict_folder
from scanseg.errors import MachineError
from scanseg.runs.settings import RunSettings

if TYPE_CHECKING:
    import pandas as pd

    from scanseg.evaluate import Matches

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

TRUTH = "_atoms.csv"


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Folder of the results.")
    ] = Path("scanseg_demo"),
) -> None:
    """Find the atoms of the sample images, and compare with where they are known to be."""
    start_logging(0)
    with as_file(files("scanseg.sample_data")) as samples:
        images = sorted(
            path for path in samples.glob("*.tif") if path.with_name(path.stem + TRUTH).exists()
        )
        if not images:
            raise MachineError(
                f"The sample images are missing from {samples}.", hint="Install scanseg again."
            )
        result = predict_folder(images, output, model=None, settings=RunSettings(), verbosity=-1)
        _compare(images, output)
    typer.echo(f"\nThe pictures are in {output.resolve()}: <image>/overlay.png")
    typer.echo(f"All atoms: {output.resolve() / 'atoms.csv'}")
    if result is None or result.n_failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _compare(images: list[Path], output: Path) -> None:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    shapes = pd.read_csv(output / "images.csv").set_index("image")[["height_px", "width_px"]]
    table = Table(
        "image", "atoms", "found", "recall", "precision", "rms error", box=None, pad_edge=False
    )
    for path in images:
        atoms = output / path.name / "atoms.csv"
        if not atoms.exists():
            table.add_row(path.name, "", "failed")
            continue
        truth = pd.read_csv(path.with_name(path.stem + TRUTH))
        found = pd.read_csv(atoms)
        height_px, width_px = map(int, shapes.loc[path.name].to_numpy())
        matches, n_visible, n_false = _match(found, truth, shape=(height_px, width_px))
        recall = f"{matches.recall:.3f}" if n_visible else "-"
        precision = f"{1 - n_false / len(found):.3f}" if len(found) else "-"
        rms = f"{matches.rms_px:.3f} px" if len(matches.offset_px) else "-"
        table.add_row(path.name, f"{n_visible}", f"{len(found)}", recall, precision, rms)
    Console().print(table)


def _match(
    found: pd.DataFrame, truth: pd.DataFrame, *, shape: tuple[int, int]
) -> tuple[Matches, int, int]:
    """Matches with the visible columns, their number, and finds where no column is at all.

    A column that the simulator calls invisible (lost in noise or in a brighter neighbour) need not
    be found, and is no mistake where it is. The truth lists no column whose centre is outside of
    the image, so one found there by its flank is not judged.
    """
    import numpy as np

    from scanseg.evaluate import match_positions

    position_px = found[["y_px", "x_px"]].to_numpy()
    every_px = truth[["y_px", "x_px"]].to_numpy()
    visible_px = every_px[truth["visible"].to_numpy(bool)]
    radius_px = _match_radius_px(visible_px)
    matches = match_positions(position_px, visible_px, radius_px=radius_px)
    inside = ((position_px > -0.5) & (position_px < np.array(shape) - 0.5)).all(axis=1)
    known = match_positions(position_px, every_px, radius_px=radius_px).found_index
    n_false = np.setdiff1d(np.flatnonzero(inside), known).size
    return matches, len(visible_px), n_false


def _match_radius_px(position_px: object) -> float:
    """A quarter of the spacing; 3 px where there is none."""
    import numpy as np
    from scipy.spatial import cKDTree

    position = np.asarray(position_px, float)
    if len(position) < 2:
        return 3.0
    nearest = cKDTree(position).query(position, k=2)[0][:, 1]
    return float(np.median(nearest)) / 4

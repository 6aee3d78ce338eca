"""``scanseg demo``: the sample images, processed and compared with what is known of them."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.folder_run import predict_folder
from scanseg.cli.options import OutputOption
from scanseg.cli.score_tables import show_scores
from scanseg.errors import MachineError
from scanseg.runs.choice import DEFAULT_MODELS
from scanseg.runs.settings import RunSettings

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

# Ends of the tables of truth beside the samples of each modality.
TRUTH = {"STEM": "_atoms.csv", "PFM": "_wall_points.csv"}
WALL_RADIUS_PX = 2.0


@app.command()
def demo(
    output: OutputOption = Path("scanseg_demo"),
) -> None:
    """Find atoms and walls of the sample images, and compare with where they are known to be."""
    start_logging(0)
    with as_file(files("scanseg.sample_data")) as samples:
        images = _images(samples)
        if not images:
            raise MachineError(
                f"The sample images are missing from {samples}.", hint="Install scanseg again."
            )
        result = predict_folder(images, output, model=None, settings=RunSettings(), verbosity=-1)
        _compare(output, samples)
    typer.echo(f"\nThe pictures are in {output.resolve()}: <image>/overlay.png")
    typer.echo(f"Everything at a glance: {output.resolve() / 'report.html'}")
    if result is not None and result.n_failed:
        typer.echo(f"{result.n_failed} failed: {output.resolve() / 'failures.csv'} says why")
    if result is None or result.n_failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _images(samples: Path) -> list[Path]:
    """Samples with a truth, of the modalities that have a model."""
    from scanseg.bundle import model_names

    shipped = model_names()
    endings = [
        ending
        for modality, ending in TRUTH.items()
        if modality == "STEM" or DEFAULT_MODELS[modality] in shipped
    ]
    return sorted(
        path
        for path in samples.glob("*.tif")
        if any(path.with_name(path.stem + ending).exists() for ending in endings)
    )


def _compare(output: Path, samples: Path) -> None:
    from scanseg.evaluate import WallScoring, score_walls
    from scanseg.evaluate.column_files import score_column_files
    from scanseg.evaluate.results import find_results, pair_results
    from scanseg.evaluate.wall_files import read_wall_scans

    pairs = pair_results(find_results(output), find_results(samples)).pairs
    columns = {
        found.name: score_column_files(found, truth)
        for found, truth in pairs
        if found.task == "atoms"
    }
    scans = {
        found.name: read_wall_scans(found, truth) for found, truth in pairs if found.task == "walls"
    }
    config = WallScoring(radii_px=(WALL_RADIUS_PX,), radii_nm=(), n_thresholds=0)
    walls = {name: score_walls(each, config=config) for name, each in scans.items()}
    if scans:
        walls[""] = score_walls([scan for each in scans.values() for scan in each], config=config)
    show_scores(columns, walls, details=False)

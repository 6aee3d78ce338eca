"""``scanseg evaluate``: what was found, against what is true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.score_tables import show_scores
from scanseg.errors import ConfigError, ScansegError
from scanseg.micrograph import as_pixel_size_nm

if TYPE_CHECKING:
    from scanseg.evaluate import ColumnScore, WallScan, WallScores
    from scanseg.evaluate.results import ImageResults

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@dataclass(frozen=True, slots=True)
class _Radii:
    """Largest distances of a pair; empty for the defaults."""

    px: tuple[float, ...]
    nm: tuple[float, ...]


@dataclass(slots=True)
class _Outcome:
    """What came of all pairs."""

    columns: dict[str, ColumnScore] = field(default_factory=dict)
    scans: dict[str, tuple[WallScan, ...]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@app.command()
def evaluate(
    found: Annotated[
        Path,
        typer.Argument(metavar="FOUND", help="Output folder of a run, or a table or class map."),
    ],
    truth: Annotated[
        Path, typer.Argument(metavar="TRUTH", help="Folder of true tables or class maps, or one.")
    ],
    radius_px: Annotated[
        list[float] | None,
        typer.Option(
            "--radius-px", metavar="PX", min=0, help="Largest distance of a pair; may be repeated."
        ),
    ] = None,
    radius_nm: Annotated[
        list[float] | None,
        typer.Option("--radius-nm", metavar="NM", min=0, help="The same in nm."),
    ] = None,
    pixel_size_nm: Annotated[
        str | None,
        typer.Option(metavar="NM", help="Overrides the pixel size of the files: NM or Y,X."),
    ] = None,
    thresholds: Annotated[
        int, typer.Option(min=0, help="Thresholds for curves of probability maps; 0 for none.")
    ] = 99,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout, for programs.")
    ] = False,
) -> None:
    """Compare what was found with what is true.

    Images are paired by name. Atoms need tables with y_px and x_px
    (<name>_atoms.csv), walls class maps (<name>_class_map.tif), points
    (<name>_wall_points.csv) or lines (<name>_walls.geojson). Columns match
    within a quarter of their spacing, walls within 1, 2 and 3 px and 25, 50
    and 100 nm, one to one. The exit code is 3 where a truth has no result,
    or a file cannot be read.
    """
    from scanseg.evaluate.results import find_results, pair_results

    start_logging(0)
    size = _pixel_size(pixel_size_nm)
    radii = _Radii(tuple(radius_px or ()), tuple(radius_nm or ()))
    pairing = pair_results(find_results(found), find_results(truth))
    outcome = _compare(pairing.pairs, size, radii)
    scores = _score_walls(outcome, radii, thresholds)
    if as_json:
        document = _document(outcome, scores)
        document |= {
            "without_truth": pairing.without_truth,
            "without_result": pairing.without_result,
        }
        typer.echo(json.dumps(document, allow_nan=False, indent=1))
    else:
        show_scores(outcome.columns, scores)
        for title, names in (
            ("No truth for", pairing.without_truth),
            ("No result for", pairing.without_result),
        ):
            if names:
                typer.echo(f"{title}: {', '.join(names)}", err=True)
        for name, reason in outcome.failures.items():
            typer.echo(f"FAILED {name}: {reason}", err=True)
    if not pairing.pairs:
        if not as_json:
            typer.echo("Nothing to compare: no name of a result is that of a truth.", err=True)
        raise typer.Exit(ExitCode.NOTHING_TO_DO)
    if outcome.failures or pairing.without_result:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _pixel_size(given: str | None) -> tuple[float, float] | None:
    try:
        return None if given is None else as_pixel_size_nm(given)
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Give it as 0.02, or as 0.01,0.02.") from None


def _compare(
    pairs: Sequence[tuple[ImageResults, ImageResults]],
    pixel_size_nm: tuple[float, float] | None,
    radii: _Radii,
) -> _Outcome:
    from scanseg.evaluate.column_files import score_column_files
    from scanseg.evaluate.wall_files import read_wall_scans

    outcome = _Outcome()
    for found, truth in pairs:
        try:
            if found.task == "atoms":
                outcome.columns[found.name] = score_column_files(
                    found,
                    truth,
                    pixel_size_nm=pixel_size_nm,
                    radius_px=radii.px[0] if radii.px else None,
                    radius_nm=radii.nm[0] if radii.nm else None,
                )
            else:
                outcome.scans[found.name] = read_wall_scans(
                    found, truth, pixel_size_nm=pixel_size_nm
                )
        except ScansegError as error:
            outcome.failures[found.name] = str(error)
    return outcome


def _score_walls(outcome: _Outcome, radii: _Radii, thresholds: int) -> dict[str, WallScores]:
    """Scores of each image, and of all together under an empty name."""
    from scanseg.evaluate import WallScoring, score_walls

    if not outcome.scans:
        return {}
    default = WallScoring()
    config = WallScoring(
        radii_px=radii.px or default.radii_px,
        radii_nm=radii.nm or default.radii_nm,
        n_thresholds=thresholds,
    )
    every = [scan for scans in outcome.scans.values() for scan in scans]
    plain = config.model_copy(update={"n_thresholds": 0})
    scores = {name: score_walls(scans, config=plain) for name, scans in outcome.scans.items()}
    return {**scores, "": score_walls(every, config=config)}


def _document(outcome: _Outcome, scores: dict[str, WallScores]) -> dict[str, Any]:
    from scanseg.evaluate import ColumnScore

    document: dict[str, Any] = {"failures": outcome.failures}
    if outcome.columns:
        document["atoms"] = {
            "images": {name: score.as_dict() for name, score in outcome.columns.items()},
            "total": sum(outcome.columns.values(), ColumnScore()).as_dict(),
        }
    if scores:
        images = {name: score.as_dict() for name, score in scores.items() if name}
        document["walls"] = {"images": images, "total": scores[""].as_dict()}
    return document

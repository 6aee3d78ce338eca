"""``scanseg evaluate``: what was found, against what is true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.errors import ConfigError, ScansegError
from scanseg.micrograph import as_pixel_size_nm

if TYPE_CHECKING:
    from rich.table import Table

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
        _show(outcome, scores)
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
    document: dict[str, Any] = {"failures": outcome.failures}
    if outcome.columns:
        document["atoms"] = {
            "images": {name: score.as_dict() for name, score in outcome.columns.items()},
            "total": _total(outcome).as_dict(),
        }
    if scores:
        images = {name: score.as_dict() for name, score in scores.items() if name}
        document["walls"] = {"images": images, "total": scores[""].as_dict()}
    return document


def _total(outcome: _Outcome) -> ColumnScore:
    from scanseg.evaluate import ColumnScore

    return sum(outcome.columns.values(), ColumnScore())


def _show(outcome: _Outcome, scores: dict[str, WallScores]) -> None:
    from rich.console import Console

    # A table that is read by a program or a person elsewhere is not cut at 80 columns.
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    if outcome.columns:
        console.print(_columns_table(outcome))
    if scores:
        console.print(_images_table(scores))
        console.print()
        console.print(_classes_table(scores[""]))
        for line in _sentences(scores[""]):
            console.print(line, highlight=False)


def _columns_table(outcome: _Outcome) -> Table:
    from rich.table import Table

    table = Table(
        "image", "columns", "found", "precision", "recall", "F1", "rms px", "rms pm",
        "error / bar", "right class", box=None, pad_edge=False,
    )  # fmt: skip
    rows = dict(outcome.columns)
    if len(rows) > 1:
        rows["all"] = _total(outcome)
    for name, score in rows.items():
        table.add_row(
            name,
            str(score.n_truth),
            str(score.n_found),
            _number(score.precision),
            _number(score.recall),
            _number(score.f1),
            _number(score.rms_px),
            _number(1e3 * score.rms_nm, digits=1),
            _number(score.error_over_bar, digits=2),
            _number(score.class_accuracy),
        )
    return table


def _images_table(scores: dict[str, WallScores]) -> Table:
    from rich.table import Table

    every = scores[""]
    columns = [
        (each.name, radius) for each in (*every.classes, every.every) for radius in each.at_px
    ]
    table = Table(
        "F1", *(f"{name} {radius:g} px" for name, radius in columns), box=None, pad_edge=False
    )
    for image, score in scores.items():
        if image:
            of_class = {each.name: each for each in (*score.classes, score.every)}
            table.add_row(
                image, *(_number(of_class[name].at_px[radius].f1) for name, radius in columns)
            )
    return table


def _classes_table(scores: WallScores) -> Table:
    """Figures down, classes across: there are more figures than a line holds."""
    from rich.table import Table

    classes = (*scores.classes, scores.every)
    rows = [each.as_dict() for each in classes]
    table = Table("", *(each.name for each in classes), box=None, pad_edge=False)
    for key in rows[-1]:
        if key != "class":
            digits = 1 if key.startswith("length_") and key.endswith("_px") else 3
            table.add_row(
                key.replace("_", " "),
                *(_number(row.get(key), digits=digits) for row in rows),
            )
    return table


def _sentences(scores: WallScores) -> list[str]:
    names = [each.name for each in scores.classes]
    length = scores.confusion_px
    lines = [
        f"{length[1 + n, 1 + m]:.1f} px of {true} walls were found as {other}."
        for n, true in enumerate(names)
        for m, other in enumerate(names)
        if n != m
    ]
    for what, score in (("junctions", scores.junctions), ("end points", scores.end_points)):
        lines.append(
            f"{score.n_found} {what} were found, {score.n_truth} are there; "
            f"{score.n_matched} match, {_number(score.rms_px, digits=2)} px off."
        )
    lines.append(
        f"A scan has {scores.pieces_error:.1f} pieces and {scores.loops_error:.1f} loops of walls "
        "too many or too few; the adapted Rand error of its domains is "
        f"{_number(scores.adapted_rand_error)}."
    )
    return lines


def _number(value: float | None, *, digits: int = 3) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"

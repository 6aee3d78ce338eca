"""``scanseg evaluate``: what was found, against what is true."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.options import JsonOption
from scanseg.cli.score_tables import show_pixels, show_scores
from scanseg.errors import ConfigError
from scanseg.micrograph import as_pixel_size_nm

if TYPE_CHECKING:
    from scanseg.evaluate.evaluation import Evaluation

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


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
    counts_per_unit: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Electrons counted for one unit of the images (1 for counts): compares "
            "positions with the Cramér-Rao bound.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Folder for evaluation.csv, evaluation.json and evaluation.html.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what was found with what is true.

    Images are paired by name. Atoms need tables with y_px and x_px
    (<name>_atoms.csv), walls class maps (<name>_class_map.tif), points
    (<name>_wall_points.csv) or lines (<name>_walls.geojson). Columns match
    within a quarter of their spacing, walls within 1, 2 and 3 px and 25, 50
    and 100 nm, one to one. Where both sides have class maps, pixels are
    compared too. From three images on there are intervals, drawn anew over
    the images. The exit code is 3 where a truth has no result, or a file
    cannot be read.
    """
    from scanseg.evaluate.evaluation import Radii, evaluate_results
    from scanseg.evaluate.results import find_results, pair_results

    start_logging(0)
    if counts_per_unit is not None and not counts_per_unit > 0:
        raise ConfigError("--counts-per-unit must be above 0.", hint="Give 1 for images of counts.")
    pairing = pair_results(find_results(found), find_results(truth))
    evaluation = evaluate_results(
        pairing,
        radii=Radii(tuple(radius_px or ()), tuple(radius_nm or ())),
        pixel_size_nm=_pixel_size(pixel_size_nm),
        counts_per_unit=counts_per_unit,
        n_thresholds=thresholds,
    )
    for remark in _not_had(evaluation, radius_nm, counts_per_unit):
        log.warning(remark)
    document = json.dumps(evaluation.as_dict(), allow_nan=False, indent=1)
    if as_json:
        typer.echo(document)
    else:
        _show(evaluation)
    if output is not None and pairing.pairs:
        _write(evaluation, document, output, {"found": str(found), "truth": str(truth)})
        typer.echo(f"Written: {output / 'evaluation.html'}", err=as_json)
    if not pairing.pairs:
        if not as_json:
            typer.echo("Nothing to compare: no name of a result is that of a truth.", err=True)
        raise typer.Exit(ExitCode.NOTHING_TO_DO)
    if evaluation.failures or evaluation.without_result:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _not_had(
    evaluation: Evaluation, radius_nm: list[float] | None, counts_per_unit: float | None
) -> Iterator[str]:
    """What was asked for and the files do not allow, a sentence each."""
    if radius_nm and evaluation.walls and not evaluation.walls[""].every.at_nm:
        yield "Walls are not scored within nm, since no pixel size is known; see --pixel-size-nm."
    if counts_per_unit and evaluation.columns and not evaluation.total_columns.n_bounded:
        yield (
            "Positions are not compared with the Cramér-Rao bound: that takes a table with the "
            "columns amplitude, sigma_px and background, as scanseg predict writes it."
        )


def _show(evaluation: Evaluation) -> None:
    show_scores(evaluation.columns, evaluation.walls, intervals=evaluation.intervals)
    show_pixels(evaluation.pixels, intervals=evaluation.intervals.get("pixels", {}))
    for title, names in (
        ("No truth for", evaluation.without_truth),
        ("No result for", evaluation.without_result),
    ):
        if names:
            typer.echo(f"{title}: {', '.join(names)}", err=True)
    for name, reason in evaluation.failures.items():
        typer.echo(f"FAILED {name}: {reason}", err=True)


def _write(evaluation: Evaluation, document: str, folder: Path, facts: dict[str, str]) -> None:
    from scanseg.report.evaluation import render_evaluation

    folder.mkdir(parents=True, exist_ok=True)
    evaluation.table().to_csv(folder / "evaluation.csv", index=False)
    (folder / "evaluation.json").write_text(document + "\n", encoding="utf-8")
    page = render_evaluation(evaluation, facts=facts)
    (folder / "evaluation.html").write_text(page, encoding="utf-8")


def _pixel_size(given: str | None) -> tuple[float, float] | None:
    try:
        return None if given is None else as_pixel_size_nm(given)
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Give it as 0.02, or as 0.01,0.02.") from None

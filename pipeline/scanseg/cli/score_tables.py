"""Figures of merit as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from scanseg.evaluate import ColumnScore, WallScores

__all__ = ["show_scores"]

# A table that goes into a file or to another program is not cut at 80 columns.
WIDTH_OF_FILES = 200


def show_scores(
    columns: Mapping[str, ColumnScore], walls: Mapping[str, WallScores], *, details: bool = True
) -> None:
    """Print what there is.

    Parameters
    ----------
    columns
        Scores of atom columns by image.
    walls
        Scores of walls by image, and those of all images together under an empty name.
    details
        Whether all figures of walls follow their F1.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_FILES)
    if columns:
        console.print(_columns_table(columns))
    if walls:
        console.print(_images_table(walls))
    if walls and details:
        console.print()
        console.print(_classes_table(walls[""]))
        for line in _sentences(walls[""]):
            console.print(line, highlight=False)


def _columns_table(columns: Mapping[str, ColumnScore]) -> Table:
    from rich.table import Table

    from scanseg.evaluate import ColumnScore

    table = Table(
        "image", "columns", "found", "precision", "recall", "F1", "rms px", "rms pm",
        "error / bar", "right class", box=None, pad_edge=False,
    )  # fmt: skip
    rows = dict(columns)
    if len(rows) > 1:
        rows["all"] = sum(columns.values(), ColumnScore())
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


def _images_table(scores: Mapping[str, WallScores]) -> Table:
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

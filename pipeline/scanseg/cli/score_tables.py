"""Figures of merit as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from scanseg.evaluate import ColumnScore, Interval, PixelScore, WallScores

    Intervals = Mapping[str, Interval]

__all__ = ["show_pixels", "show_scores"]

# A table that goes into a file or to another program is not cut at 80 columns.
WIDTH_OF_FILES = 200
# Figures whose intervals are printed.
SAID = ("precision", "recall", "f1", "rms_px", "rms_over_bound")
SAID_OF_CLASSES = ("_f1_2px", "_hd95_px", "dice_1", "dice_2")


def show_scores(
    columns: Mapping[str, ColumnScore],
    walls: Mapping[str, WallScores],
    *,
    details: bool = True,
    intervals: Mapping[str, Intervals] | None = None,
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
    intervals
        Of the figures of all images together, by kind.
    """
    console = _console()
    if columns:
        console.print(_columns_table(columns))
        for line in _column_sentences(sum(columns.values(), _no_columns())):
            console.print(line, highlight=False)
        _print_intervals(console, (intervals or {}).get("atoms", {}))
    if walls:
        console.print(_images_table(walls))
    if walls and details:
        console.print()
        console.print(_classes_table(walls[""]))
        for line in _sentences(walls[""]):
            console.print(line, highlight=False)
        _print_intervals(console, (intervals or {}).get("walls", {}))


def show_pixels(pixels: Mapping[str, PixelScore], *, intervals: Intervals) -> None:
    """Print how class maps agree, over all images."""
    from functools import reduce
    from operator import add

    from rich.table import Table

    if not pixels:
        return
    total = reduce(add, pixels.values())
    table = Table("pixels", "IoU", "Dice", box=None, pad_edge=False)
    for number, (iou, dice) in enumerate(zip(total.iou, total.dice, strict=True)):
        name = f"class {number}" if number else "background"
        table.add_row(name, _number(float(iou)), _number(float(dice)))
    console = _console()
    console.print()
    console.print(table)
    _print_intervals(console, intervals)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


def _no_columns() -> ColumnScore:
    from scanseg.evaluate import ColumnScore

    return ColumnScore()


def _print_intervals(console: Console, intervals: Intervals) -> None:
    """Those of the figures that most look for; all are in the files."""
    said = [
        f"{name.replace('_', ' ')} {low:.3f} to {high:.3f}"
        for name, (low, high) in intervals.items()
        if name in SAID or name.endswith(SAID_OF_CLASSES)
    ]
    if said:
        console.print(f"95 % intervals over images: {', '.join(said)}.", highlight=False)


def _column_sentences(total: ColumnScore) -> list[str]:
    """What one table has no place for."""
    lines = [
        f"{n:,} columns of {true} were found as {found}."
        for (true, found), n in sorted(total.classes.items())
        if true != found
    ]
    if total.n_bounded:
        lines.append(
            f"rms over the Cramér-Rao bound: {_number(total.rms_over_bound, digits=2)} "
            f"({total.n_bounded // 2:,} columns)."
        )
    return lines


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

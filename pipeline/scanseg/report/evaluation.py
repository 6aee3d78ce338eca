"""Results against their truth as a page: figures with intervals, and the worst images."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanseg.errors import ScansegError
from scanseg.evaluate.column_files import column_tables, shape_of_results
from scanseg.evaluate.columns import judge_columns
from scanseg.evaluate.evaluation import Evaluation
from scanseg.evaluate.images import image_of
from scanseg.evaluate.results import pixel_size_of
from scanseg.evaluate.skeletons import judge_skeleton, wall_skeleton
from scanseg.evaluate.walls import CLASS_NAMES, WallScan
from scanseg.micrograph import Micrograph, Stack
from scanseg.report.charts import draw_histogram
from scanseg.report.standalone import facts_list, render_page, table, tiles
from scanseg.report.thumbnails import address_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["render_evaluation"]

log = logging.getLogger(__name__)

N_WORST = 10
WALL_RADIUS_PX = 2.0
# Figures of columns, in the order of the table: name, what it is called, digits.
_COLUMN_FIGURES = (
    ("precision", "precision", 4), ("recall", "recall", 4), ("f1", "F1", 4),
    ("rms_px", "position rms, px", 4), ("rms_nm", "position rms, nm", 5),
    ("rms_over_bound", "rms over Cramér–Rao bound", 3),
    ("error_over_bar", "error over error bar", 3), ("class_accuracy", "right class", 4),
)  # fmt: skip


def render_evaluation(evaluation: Evaluation, *, facts: Mapping[str, str]) -> str:
    """The page, complete in itself.

    Parameters
    ----------
    evaluation
        Scores.
    facts
        What was compared, a line each.
    """
    sections = [
        tiles(list(_tiles(evaluation))),
        f"<section><h2>What was compared</h2>{facts_list({**facts, **_partners(evaluation)})}"
        "</section>",
        *_columns(evaluation),
        *_walls(evaluation),
        *_pixels(evaluation),
        _gallery(evaluation),
        *_failures(evaluation),
        '<footer class="note"><p>Intervals hold 95 % of 1,000 sets of images drawn anew from '
        "these, with replacement; below three images there are none. With few images they are "
        "too narrow.</p></footer>",
    ]
    return render_page("Results against their truth", "scanseg evaluate", sections)


def _tiles(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    n_images = len(evaluation.worst_first())
    yield f"{n_images:,}", "image" if n_images == 1 else "images"
    if evaluation.columns:
        total = evaluation.total_columns
        yield f"{total.f1:.4f}", "F1 of columns"
        yield _number(total.rms_px, 3), "position rms, px"
    if evaluation.walls:
        every = evaluation.walls[""].every
        for radius, score in every.at_px.items():
            yield f"{score.f1:.3f}", f"F1 of walls, {radius:g} px"
    total_pixels = evaluation.total_pixels
    if total_pixels is not None:
        yield _number(float(total_pixels.accuracy), 4), "pixels with the right class"


def _partners(evaluation: Evaluation) -> dict[str, str]:
    lines = {
        "without truth": ", ".join(evaluation.without_truth),
        "without result": ", ".join(evaluation.without_result),
    }
    return {name: text for name, text in lines.items() if text}


def _columns(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.columns:
        return
    total, intervals = evaluation.total_columns, evaluation.intervals.get("atoms", {})
    rows = [
        (label, _number(getattr(total, name), digits), _interval(intervals.get(name), digits))
        for name, label, digits in _COLUMN_FIGURES
        if math.isfinite(getattr(total, name))
    ]
    counts = facts_list(
        {
            "true columns": f"{total.n_truth:,}", "found of them": f"{total.n_matched:,}",
            "found where none is": f"{total.n_false:,}",
        }
    )  # fmt: skip
    heads = ("figure", "value", "95 % interval")
    yield f"<section><h2>Atom columns</h2>{counts}{table(heads, rows)}</section>"
    if total.classes:
        yield f"<section><h2>Classes of columns</h2>{_confusion(total.classes)}</section>"
    charts = [
        draw_histogram([s.f1 for s in evaluation.columns.values()], title="F1, a value an image"),
        draw_histogram(
            [s.rms_px for s in evaluation.columns.values()],
            title="position rms, a value an image", unit="px",
        ),
    ]  # fmt: skip
    yield f'<section><h2>Images</h2><div class="charts">{"".join(charts)}</div></section>'


def _confusion(classes: Mapping[tuple[str, str], float]) -> str:
    """Rows are true, columns found."""
    names = sorted({name for pair in classes for name in pair})
    rows = [
        (f"true {true}", *(f"{classes.get((true, found), 0):,.0f}" for found in names))
        for true in names
    ]
    return table(("", *(f"found {name}" for name in names)), rows)


def _walls(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.walls:
        return
    scores, intervals = evaluation.walls[""], evaluation.intervals.get("walls", {})
    classes = (*scores.classes, scores.every)
    figures = [each.as_dict() for each in classes]
    rows = []
    for key in figures[-1]:
        if key == "class":
            continue
        cells = []
        for each, row in zip(classes, figures, strict=True):
            interval = _interval(intervals.get(f"{each.name}_{key}"), 3)
            cells.append(f"{_number(row.get(key), 3)} {interval}".strip())
        rows.append((key.replace("_", " "), *cells))
    yield (
        f"<section><h2>Domain walls</h2>{table(('', *(each.name for each in classes)), rows)}"
        "<p class=note>hd95: 95 % of found and true walls lie within it of each other.</p>"
        "</section>"
    )
    names = ("nothing", *(each.name for each in scores.classes))
    lengths = {
        (true, found): float(scores.confusion_px[m, n])
        for m, true in enumerate(names)
        for n, found in enumerate(names)
        if m or n
    }
    yield (f"<section><h2>Classes of walls, px of length</h2>{_confusion(lengths)}</section>")


def _pixels(evaluation: Evaluation) -> Iterator[str]:
    total = evaluation.total_pixels
    if total is None:
        return
    intervals = evaluation.intervals.get("pixels", {})
    names = _class_names(evaluation, total.n_classes)
    rows = [
        (
            names[n],
            f"{total.counts[n].sum():,}",
            f"{_number(iou, 4)} {_interval(intervals.get(f'iou_{n}'), 4)}".strip(),
            f"{_number(dice, 4)} {_interval(intervals.get(f'dice_{n}'), 4)}".strip(),
        )
        for n, (iou, dice) in enumerate(zip(total.iou, total.dice, strict=True))
    ]
    heads = ("class", "true pixels", "IoU", "Dice")
    yield f"<section><h2>Pixels of the class maps</h2>{table(heads, rows)}</section>"


def _class_names(evaluation: Evaluation, number: int) -> list[str]:
    of_walls = set(evaluation.pixels) <= set(evaluation.scans)
    known = CLASS_NAMES if of_walls else ("background",)
    return [known[n] if n < len(known) else f"class {n}" for n in range(number)]


def _gallery(evaluation: Evaluation) -> str:
    cards = []
    for name in evaluation.worst_first()[:N_WORST]:
        picture = ""
        try:
            drawn = _picture(evaluation, name)
            if drawn is not None:
                address = address_of(drawn)
                picture = (
                    f'<div class="pictures" style="height:auto"><a><img src="{address}" '
                    f'alt="mistakes in {escape(name)}"></a></div>'
                )
        except (ScansegError, OSError, ValueError) as error:
            log.warning("No picture of %s: %s", name, error)
        cards.append(
            f'<article class="card">{picture}<h3>{escape(name)}</h3>'
            f"<p>F1 {evaluation.f1_of(name):.3f}</p></article>"
        )
    return (
        '<section><h2>The worst of the images</h2><p class="note">Green is what was found, orange '
        "what was found where nothing is, magenta what was missed.</p>"
        f'<div class="cards">{"".join(cards)}</div>'
        "</section>"
    )


def _picture(evaluation: Evaluation, name: str) -> Image | None:
    from scanseg.report.mistakes import draw_judged_columns, draw_judged_walls

    found, truth = evaluation.pairs[name]
    path = image_of(found, truth)
    image = _first_frame(path) if path is not None else None
    if name in evaluation.columns:
        found_table, truth_table = column_tables(found, truth)
        frame = int(truth_table["frame"].min()) if len(truth_table) else 0
        size = evaluation.pixel_size_nm or pixel_size_of(truth_table) or pixel_size_of(found_table)
        shape = image.shape if image is not None else shape_of_results(found)
        radii = evaluation.radii
        judged = judge_columns(
            found_table[found_table["frame"] == frame], truth_table[truth_table["frame"] == frame],
            shape=shape, pixel_size_nm=size, radius_px=radii.px[0] if radii.px else None,
            radius_nm=radii.nm[0] if radii.nm else None,
        )  # fmt: skip
        if image is None and shape is None:
            every = [*judged.found_px, *judged.true_px, (31.0, 31.0)]
            shape = (int(max(y for y, _ in every)) + 2, int(max(x for _, x in every)) + 2)
        return draw_judged_columns(
            image if image is not None else shape or (32, 32), judged, title=name
        )
    if name in evaluation.scans:
        scan = evaluation.scans[name][0]
        fits = image is not None and image.shape == scan.truth.shape
        shown = image if image is not None and fits else _shape_of(scan)
        return draw_judged_walls(shown, _judged_walls(scan), title=name)
    return None


def _judged_walls(scan: WallScan) -> tuple[Any, Any, Any]:
    found, truth = wall_skeleton(scan.found), wall_skeleton(scan.truth)
    ignored = truth >= len(CLASS_NAMES)
    return judge_skeleton(
        found > 0, (truth > 0) & ~ignored, radius_px=WALL_RADIUS_PX, ignored=ignored
    )


def _shape_of(scan: WallScan) -> tuple[int, int]:
    height, width = scan.truth.shape
    return int(height), int(width)


def _first_frame(path: Path) -> Micrograph | None:
    from scanseg.readers import read

    image = read(path)
    return image.frame(0) if isinstance(image, Stack) else image


def _failures(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.failures:
        rows: Sequence[Sequence[str]] = list(evaluation.failures.items())
        yield f"<section><h2>Not compared</h2>{table(('image', 'why'), rows)}</section>"


def _interval(interval: tuple[float, float] | None, digits: int) -> str:
    if interval is None:
        return ""
    return f"({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"

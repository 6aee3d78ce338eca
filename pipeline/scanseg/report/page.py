"""The report of a run: one HTML file that stands alone, the most doubtful image first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from scanseg.report.atoms.page import ATOMS
from scanseg.report.kinds import Kind, ReportedImage
from scanseg.report.problems import MAX_ROWS, breakable, failure_section, warning_section
from scanseg.report.standalone import page_style
from scanseg.report.thumbnails import Thumbnails, ThumbnailSize, thumbnail_sizes
from scanseg.report.walls.page import WALLS

__all__ = ["images_by_doubt", "render_report"]

KINDS = (ATOMS, WALLS)
# Objects in the distributions, shared evenly between the images.
N_SAMPLE = 400_000
# Pictures end where the page has this many bytes.
MAX_BYTES = 20_000_000
MAX_CARDS = 2000
# Reading and reducing pictures: PIL lets other threads work meanwhile.
N_THREADS = 2


def render_report(
    folder: Path, record: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], *, key: str = ""
) -> str:
    """Write the report of a run as HTML.

    Parameters
    ----------
    folder
        The output folder, from which tables and overlays are read.
    record
        What ``run.json`` holds.
    entries
        Lines of the manifest: ``name, path, sha256, status, task, failures, frames, outputs``.
    key
        Put into the page, so that one can tell whether it is up to date.

    Returns
    -------
    page
        HTML without anything from elsewhere.
    """
    images = images_by_doubt(folder, [entry for entry in entries if entry["outputs"]])
    by_kind = _by_kind(images)
    pictures = _pictures(folder, images)
    template = Template(files("scanseg.report").joinpath("page.html").read_text(encoding="utf-8"))
    sections = {
        "style": page_style(),
        "key": escape(key),
        "title": escape(folder.name),
        "tiles": _tiles(by_kind, images, entries),
        "run": _run(record),
        "failures": failure_section(entries),
        "warnings": warning_section(images),
        "numbers": "\n".join(_numbers(by_kind, record.get("colours") or {})),
        "cards": "\n".join(
            _card(image, pictures[rank] if rank < len(pictures) else Thumbnails())
            for rank, image in enumerate(images[:MAX_CARDS])
        ),
        "more": _more(len(images)),
        "marks": " ".join(kind.marks for kind in by_kind),
        "doubt": "\n".join(_doubt(kind, alone=len(by_kind) == 1) for kind in by_kind),
        "run_json": _script_json(_identity(record)),
    }
    n_bytes = len(template.template) + sum(len(part) for part in sections.values())
    return template.substitute(sections, size=f"{n_bytes / 1e6:.1f} MB")


def images_by_doubt(folder: Path, entries: Sequence[Mapping[str, Any]]) -> list[ReportedImage]:
    """Images of a run with results, the most doubtful first.

    Parameters
    ----------
    folder
        The output folder, from which tables are read.
    entries
        Lines of the manifest, as for the report.
    """
    n_sample = max(20, N_SAMPLE // max(1, len(entries)))
    images = [
        ReportedImage(
            entry,
            _kind_of(entry).digest(folder / entry["name"], entry["n_objects"], n_sample),
        )
        for entry in entries
    ]
    return sorted(images, key=lambda image: (-image.doubt, image.name))


def _kind_of(entry: Mapping[str, Any]) -> Kind:
    return next(kind for kind in KINDS if kind.task == entry.get("task", ATOMS.task))


def _by_kind(images: list[ReportedImage]) -> dict[Kind, list[ReportedImage]]:
    """Images of each kind that occurs, the most frequent first; without any, the one of atoms."""
    grouped = {kind: [image for image in images if _kind_of(image.entry) is kind] for kind in KINDS}
    occurring = sorted(KINDS, key=lambda kind: -len(grouped[kind]))
    return {kind: grouped[kind] for kind in occurring if grouped[kind]} or {ATOMS: []}


def _pictures(folder: Path, images: list[ReportedImage]) -> list[Thumbnails]:
    """Pictures of the most doubtful images, as many as the page may hold."""

    def draw(image: ReportedImage, size: ThumbnailSize) -> Thumbnails:
        first, overlay = image.frames[0], folder / image.name / image.overlay
        if not overlay.is_file():
            return Thumbnails()
        return Thumbnails.of(
            overlay,
            size,
            shape_px=(first["height_px"], first["width_px"]),
            centre_px=image.digest.doubtful_px,
        )

    pictures: list[Thumbnails] = []
    with ThreadPoolExecutor(N_THREADS, thread_name_prefix="scanseg-report") as pool:
        n_bytes = 0
        for picture in pool.map(draw, images, thumbnail_sizes(len(images))):
            n_bytes += picture.n_bytes
            pictures.append(picture if n_bytes <= MAX_BYTES else Thumbnails())
    return pictures


def _tiles(
    by_kind: Mapping[Kind, list[ReportedImage]],
    images: list[ReportedImage],
    entries: Sequence[Mapping[str, Any]],
) -> str:
    n_failed = sum(bool(entry["failures"]) for entry in entries)
    n_warned = sum(bool(image.warnings) for image in images)
    tiles = [
        (f"{len(images):,}", "image" if len(images) == 1 else "images", ""),
        *((*tile, "") for kind, group in by_kind.items() for tile in kind.tiles(group)),
        (f"{n_warned:,}", "with warnings", "warn" if n_warned else ""),
        (f"{n_failed:,}", "failed", "bad" if n_failed else ""),
    ]
    return "".join(
        f'<div class="tile {kind}"><b>{number}</b><span>{label}</span></div>'
        for number, label, kind in tiles
    )


def _numbers(
    by_kind: Mapping[Kind, list[ReportedImage]], colours: Mapping[str, str]
) -> Iterator[str]:
    """Distributions and classes of each kind; the kind is named where there are several."""
    for kind, group in by_kind.items():
        suffix, of_kind = (f"-{kind.task}", f" of {kind.task}") if len(by_kind) > 1 else ("", "")
        charts = "\n".join(kind.charts(group))
        yield (
            f'<section id="numbers{suffix}"><h2>Distributions{of_kind}</h2>'
            f'<div class="charts">{charts}</div></section>'
        )
        yield (
            f'<section id="classes{suffix}"><h2>Classes{of_kind}</h2>'
            f'<div class="scroll">{kind.classes(group, colours)}</div></section>'
        )


def _doubt(kind: Kind, *, alone: bool) -> str:
    """What makes an image doubtful."""
    begin = "Doubt" if alone else f"{kind.task.capitalize()}: doubt"
    return (
        f"<p>{begin} is the sum of: {kind.doubt}; 0.25 for each of up to two warnings; 0.5 where "
        f"frames are missing. From {kind.marked_from:g} on an image is marked.\nThe second "
        f"picture of an image shows its least certain {kind.detail} at the full resolution of the "
        "overlay.</p>"
    )


def _run(record: Mapping[str, Any]) -> str:
    model, machine = record.get("model") or {}, record.get("machine") or {}
    models = (model.get("choices") or {"": model}).items()
    seconds = record.get("seconds")
    lines = {
        "model": ", ".join(
            f"{each.get('name', '?')} {each.get('version', '')}" + (f" for {kind}" if kind else "")
            for kind, each in models
        ),
        "model checksum": str(model.get("checksum", ""))[:16],
        "computed by": model.get("engine"),
        "started": _moment(record.get("started")),
        "finished": _moment(record.get("finished")) or "not finished",
        "time": None if seconds is None else f"{seconds:,.1f} s",
        "scanseg": record.get("scanseg"),
        "machine": ", ".join(
            str(machine[name]) for name in ("system", "processor") if machine.get(name)
        ),
        "command": " ".join(record.get("command") or ()),
    }
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in lines.items()
        if value
    )
    settings = escape(json.dumps(record.get("settings") or {}, indent=2))
    versions = escape(json.dumps(record.get("versions") or {}, indent=2))
    return (
        f"<dl>{rows}</dl>"
        f"<details><summary>All settings</summary><pre>{settings}</pre></details>"
        f"<details><summary>Versions</summary><pre>{versions}</pre></details>"
        + _skipped(record.get("skipped") or [])
    )


def _moment(text: str | None) -> str:
    """A moment as ``run.json`` has it, for people."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}".strip()


def _skipped(skipped: Sequence[Mapping[str, str]]) -> str:
    if not skipped:
        return ""
    items = "".join(
        f"<li>{escape(each['path'])}: {escape(each['reason'])}</li>" for each in skipped[:MAX_ROWS]
    )
    files = "1 file" if len(skipped) == 1 else f"{len(skipped):,} files"
    return f"<details><summary>{files} left out</summary><ul>{items}</ul></details>"


def _card(image: ReportedImage, picture: Thumbnails) -> str:
    entry, name = image.entry, escape(image.name)
    link = escape(quote(f"{image.name}/{image.overlay}"))
    shown = "".join(
        f'<a href="{link}"><img src="{address}" alt="{what} of {name}" loading="lazy" '
        f'decoding="async"></a>'
        for what, address in (("overlay", picture.whole), ("detail", picture.detail))
        if address
    )
    warnings = image.warnings
    if image.n_missing:
        warnings.insert(0, f"{image.n_missing} of {len(entry['frames'])} frames have no result")
    texts = "".join(f"<li>{escape(text)}</li>" for text in warnings[:5])
    listed = f'<ul class="warnings">{texts}</ul>' if texts else ""
    kind = _kind_of(entry)
    numbers = " · ".join(kind.numbers(image))
    doubtful = " doubtful" if image.doubt >= kind.marked_from else ""
    return (
        f'<article class="card{doubtful}" data-image="{name}" data-path="{escape(entry["path"])}" '
        f'data-sha256="{escape(entry["sha256"])}"><div class="pictures">{shown}</div>'
        f'<h3><a href="{link}">{breakable(image.name)}</a></h3><p>{numbers}</p>{listed}'
        '<div class="review"><button type="button" data-verdict="good" aria-pressed="false">Good'
        '</button><button type="button" data-verdict="bad" aria-pressed="false">Bad</button>'
        f'<input type="text" placeholder="Comment" aria-label="Comment on {name}"></div></article>'
    )


def _more(n_images: int) -> str:
    notes = []
    if n_images > MAX_CARDS:
        notes.append(f"{n_images - MAX_CARDS:,} images of the least doubt are in images.csv only.")
    if n_images > len(thumbnail_sizes(n_images)):
        notes.append("Of many images only the most doubtful ones have a picture here.")
    return f'<p class="note">{" ".join(notes)}</p>' if notes else ""


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a review file says about the run."""
    model = record.get("model") or {}
    return {
        "scanseg": record.get("scanseg"),
        "started": record.get("started"),
        "model": {name: model.get(name) for name in ("name", "version", "checksum")},
    }


def _script_json(content: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it lies in."""
    return json.dumps(content).replace("<", "\\u003c")

"""The report of a run: one HTML file that stands alone, the most doubtful image first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np

from scanseg.report.charts import draw_histogram
from scanseg.report.digest import AtomDigest, digest_atoms
from scanseg.report.thumbnails import Thumbnails, ThumbnailSize, thumbnail_sizes

__all__ = ["render_report"]

# Atoms in the distributions, shared evenly between the images.
N_SAMPLE = 400_000
# Pictures end where the page has this many bytes, and lists where nobody reads on.
MAX_BYTES = 20_000_000
MAX_ROWS = 500
MAX_CARDS = 2000
# Reading and reducing pictures: PIL lets other threads work meanwhile.
N_THREADS = 2
DOUBTFUL = 0.25  # from here on an image is marked


@dataclass(frozen=True, slots=True, eq=False)
class _Image:
    """An image with results."""

    entry: Mapping[str, Any]
    digest: AtomDigest

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @property
    def frames(self) -> list[Mapping[str, Any]]:
        """Rows of the frames that have results."""
        return [row for row in self.entry["frames"] if row["status"] == "done"]

    @property
    def n_missing(self) -> int:
        return len(self.entry["frames"]) - len(self.frames)

    @property
    def overlay(self) -> str:
        """The picture of the first frame that has one."""
        names = sorted(name for name in self.entry["outputs"] if name.startswith("overlay"))
        return names[0] if names else "overlay.png"

    @property
    def warnings(self) -> list[str]:
        texts = (text for row in self.frames for text in row.get("warnings") or ())
        return list(dict.fromkeys(texts))

    @property
    def pixel_size_nm(self) -> float:
        """Geometric mean of y and x; NaN without a calibration."""
        first = self.frames[0]
        y_nm, x_nm = first.get("pixel_size_y_nm"), first.get("pixel_size_x_nm")
        return float(np.sqrt(y_nm * x_nm)) if y_nm and x_nm else np.nan

    @property
    def doubt(self) -> float:
        """How much the image needs a look; the page says what the terms are."""
        digest = self.digest
        uncertain = 1 - digest.mean_probability if digest.n_atoms else 0.5
        warned = 0.25 * min(2, len(self.warnings))
        return uncertain + digest.share_not_fitted + warned + (0.5 if self.n_missing else 0.0)


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
        Lines of the manifest: ``name, path, sha256, status, failures, frames, outputs``.
    key
        Put into the page, so that one can tell whether it is up to date.

    Returns
    -------
    page
        HTML without anything from elsewhere.
    """
    images = _digested(folder, [entry for entry in entries if entry["outputs"]])
    images.sort(key=lambda image: (-image.doubt, image.name))
    pictures = _pictures(folder, images)
    failures = [
        {"path": entry["path"], **failure} for entry in entries for failure in entry["failures"]
    ]
    template = Template(files("scanseg.report").joinpath("page.html").read_text(encoding="utf-8"))
    sections = {
        "key": escape(key),
        "title": escape(folder.name),
        "tiles": _tiles(images, entries),
        "run": _run(record),
        "failures": _failures(failures),
        "charts": _charts(images, record.get("colours") or {}),
        "classes": _classes(images, record.get("colours") or {}),
        "cards": "\n".join(
            _card(image, pictures[rank] if rank < len(pictures) else Thumbnails())
            for rank, image in enumerate(images[:MAX_CARDS])
        ),
        "more": _more(len(images)),
        "run_json": _script_json(_identity(record)),
    }
    n_bytes = len(template.template) + sum(len(part) for part in sections.values())
    return template.substitute(sections, size=f"{n_bytes / 1e6:.1f} MB")


def _digested(folder: Path, entries: list[Mapping[str, Any]]) -> list[_Image]:
    n_sample = max(20, N_SAMPLE // max(1, len(entries)))
    return [
        _Image(
            entry,
            digest_atoms(
                folder / entry["name"] / "atoms.csv",
                n_atoms=entry["n_objects"],
                n_sample=n_sample,
            ),
        )
        for entry in entries
    ]


def _pictures(folder: Path, images: list[_Image]) -> list[Thumbnails]:
    """Pictures of the most doubtful images, as many as the page may hold."""

    def draw(image: _Image, size: ThumbnailSize) -> Thumbnails:
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


def _tiles(images: list[_Image], entries: Sequence[Mapping[str, Any]]) -> str:
    n_atoms = sum(image.digest.n_atoms for image in images)
    n_failed = sum(bool(entry["failures"]) for entry in entries)
    n_warned = sum(bool(image.warnings) for image in images)
    n_not_fitted = sum(image.digest.n_not_fitted for image in images)
    probability = sum(
        image.digest.mean_probability * image.digest.n_atoms
        for image in images
        if image.digest.n_atoms
    )
    tiles = [
        (f"{len(images):,}", "image" if len(images) == 1 else "images", ""),
        (f"{n_atoms:,}", "atoms", ""),
        (f"{probability / n_atoms:.3f}" if n_atoms else "–", "mean probability", ""),
        (f"{n_not_fitted / n_atoms:.1%}" if n_atoms else "–", "not fitted", ""),
        (f"{n_warned:,}", "with warnings", "warn" if n_warned else ""),
        (f"{n_failed:,}", "failed", "bad" if n_failed else ""),
    ]
    return "".join(
        f'<div class="tile {kind}"><b>{number}</b><span>{label}</span></div>'
        for number, label, kind in tiles
    )


def _run(record: Mapping[str, Any]) -> str:
    model, machine = record.get("model") or {}, record.get("machine") or {}
    seconds = record.get("seconds")
    lines = {
        "model": f"{model.get('name', '?')} {model.get('version', '')}",
        "model checksum": str(model.get("checksum", ""))[:16],
        "computed by": model.get("engine"),
        "started": record.get("started"),
        "finished": record.get("finished") or "not finished",
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


def _skipped(skipped: Sequence[Mapping[str, str]]) -> str:
    if not skipped:
        return ""
    items = "".join(
        f"<li>{escape(each['path'])}: {escape(each['reason'])}</li>" for each in skipped[:MAX_ROWS]
    )
    return f"<details><summary>{len(skipped):,} files left out</summary><ul>{items}</ul></details>"


def _failures(failures: list[dict[str, Any]]) -> str:
    if not failures:
        return ""
    rows = "".join(
        f"<tr><td class=path>{escape(each['path'])}</td><td>{escape(each['reason'])}</td>"
        f"<td>{escape(each.get('hint', ''))}</td></tr>"
        for each in failures[:MAX_ROWS]
    )
    left = len(failures) - MAX_ROWS
    more = f"<p>… and {left:,} more in failures.csv.</p>" if left > 0 else ""
    return (
        f'<section id="failures"><h2>Failures</h2><table><thead><tr><th>file</th><th>what was '
        f"found</th><th>what to do</th></tr></thead><tbody>{rows}</tbody></table>{more}</section>"
    )


def _charts(images: list[_Image], colours: Mapping[str, str]) -> str:
    calibrated = bool(images) and all(np.isfinite(image.pixel_size_nm) for image in images)
    column, unit = ("spacing_nm", "nm") if calibrated else ("spacing_px", "px")
    spacings = [row[column] for image in images for row in image.frames if row.get(column)]
    charts = [
        draw_histogram(spacings, title="spacing of neighbours, a value an image", unit=unit),
        draw_histogram(_pooled(images, "probability"), title="probability", limits=(0.0, 1.0)),
    ]
    for name, title in (("sigma_px", "width σ of columns"), ("error_px", "error bar, one axis")):
        values = _pooled(images, name, in_pm=calibrated)
        charts.append(draw_histogram(values, title=title, unit="pm" if calibrated else "px"))
    return "\n".join(charts)


def _pooled(images: Iterable[_Image], name: str, *, in_pm: bool = False) -> np.ndarray:
    """Values of the samples of all images."""
    values = [
        image.digest.sample[name] * (1000 * image.pixel_size_nm if in_pm else 1.0)
        for image in images
        if image.digest.sample
    ]
    return np.concatenate(values) if values else np.empty(0)


def _classes(images: list[_Image], colours: Mapping[str, str]) -> str:
    counts = sum((Counter(image.digest.classes) for image in images), Counter[str]())
    if not counts:
        return ""
    sampled = [image.digest for image in images if image.digest.sample]
    names = np.concatenate([digest.sample_class for digest in sampled])
    columns = {
        key: np.concatenate([digest.sample[key] for digest in sampled])
        for key in ("probability", "sigma_px", "error_px")
    }
    rows = []
    for name, number in sorted(counts.items(), key=lambda item: -item[1]):
        chosen = names == name
        medians = "".join(
            f"<td>{np.nanmedian(column[chosen]):.3g}</td>" if chosen.any() else "<td>–</td>"
            for column in columns.values()
        )
        n_images = sum(name in image.digest.classes for image in images)
        colour = escape(colours.get(name, "#888888"))
        rows.append(
            f'<tr><td><i class="dot" style="background:{colour}"></i>{escape(name)}</td>'
            f"<td>{number:,}</td><td>{number / counts.total():.1%}</td><td>{n_images:,}</td>"
            f"{medians}</tr>"
        )
    heads = ("class", "atoms", "share", "images", "probability", "σ, px", "error bar, px")
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (
        f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table><p class=note>Medians of the atoms that were fitted.</p>"
    )


def _card(image: _Image, picture: Thumbnails) -> str:
    entry, name = image.entry, escape(image.name)
    link = escape(quote(f"{image.name}/{image.overlay}"))
    shown = "".join(
        f'<a href="{link}"><img src="{address}" alt="{kind} of {name}" loading="lazy" '
        f'decoding="async"></a>'
        for kind, address in (("overlay", picture.whole), ("detail", picture.detail))
        if address
    )
    warnings = image.warnings
    if image.n_missing:
        warnings.insert(0, f"{image.n_missing} of {len(entry['frames'])} frames have no result")
    texts = "".join(f"<li>{escape(text)}</li>" for text in warnings[:5])
    listed = f'<ul class="warnings">{texts}</ul>' if texts else ""
    doubtful = " doubtful" if image.doubt >= DOUBTFUL else ""
    return (
        f'<article class="card{doubtful}" data-image="{name}" data-path="{escape(entry["path"])}" '
        f'data-sha256="{escape(entry["sha256"])}"><div class="pictures">{shown}</div>'
        f'<h3><a href="{link}">{name}</a></h3><p>{_numbers(image)}</p>{listed}'
        '<div class="review"><button type="button" data-verdict="good" aria-pressed="false">Good'
        '</button><button type="button" data-verdict="bad" aria-pressed="false">Bad</button>'
        f'<input type="text" placeholder="Comment" aria-label="Comment on {name}"></div></article>'
    )


def _numbers(image: _Image) -> str:
    """One line about an image."""
    digest, frames = image.digest, image.frames
    parts = [f"{digest.n_atoms:,} atoms"]
    if len(frames) > 1:
        parts.append(f"{len(frames):,} frames")
    spacings_px = [row["spacing_px"] for row in frames if row.get("spacing_px")]
    if spacings_px:
        spacing_px = float(np.median(spacings_px))
        spacing = f"spacing {spacing_px:.3g} px"
        if np.isfinite(image.pixel_size_nm):
            spacing += f" = {spacing_px * image.pixel_size_nm:.3g} nm"
        parts.append(spacing)
    if digest.n_atoms:
        parts.append(f"probability {digest.mean_probability:.3f}")
        parts.append(f"{digest.share_not_fitted:.1%} not fitted")
    return " · ".join(parts)


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

"""What the report says of atoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from scanseg.report.atoms.digest import digest_atoms
from scanseg.report.charts import draw_histogram
from scanseg.report.kinds import Kind, ReportedImage

__all__ = ["ATOMS"]


def _tiles(images: Sequence[ReportedImage]) -> list[tuple[str, str]]:
    n_atoms = sum(image.digest.n_atoms for image in images)
    n_not_fitted = sum(image.digest.n_not_fitted for image in images)
    probability = sum(
        image.digest.mean_probability * image.digest.n_atoms
        for image in images
        if image.digest.n_atoms
    )
    return [
        (f"{n_atoms:,}", "atoms"),
        (f"{probability / n_atoms:.3f}" if n_atoms else "–", "mean probability"),
        (f"{n_not_fitted / n_atoms:.1%}" if n_atoms else "–", "not fitted"),
    ]


def _charts(images: Sequence[ReportedImage]) -> list[str]:
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
    return charts


def _pooled(images: Iterable[ReportedImage], name: str, *, in_pm: bool = False) -> np.ndarray:
    """Values of the samples of all images."""
    values = [
        image.digest.sample[name] * (1000 * image.pixel_size_nm if in_pm else 1.0)
        for image in images
        if image.digest.sample
    ]
    return np.concatenate(values) if values else np.empty(0)


def _classes(images: Sequence[ReportedImage], colours: Mapping[str, str]) -> str:
    counts = sum((Counter(image.digest.classes) for image in images), Counter[str]())
    if not counts:
        return ""
    told, agreeing = (
        sum((Counter(getattr(image.digest, name)) for image in images), Counter[str]())
        for name in ("told", "agreeing")
    )
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
            f"{medians}{_agreement_cell(agreeing[name], told[name]) if told else ''}</tr>"
        )
    heads = ["class", "atoms", "share", "images", "probability", "σ, px", "error bar, px"]
    note = "Medians of the atoms that were fitted."
    if told:
        heads.append("same by brightness")
        note += (
            f" By brightness alone {agreeing.total() / told.total():.1%} of {told.total():,} atoms "
            "have the class that the network gave them."
        )
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (
        f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        f"</table><p class=note>{note}</p>"
    )


def _agreement_cell(n_agreeing: int, n_told: int) -> str:
    return f"<td>{n_agreeing / n_told:.1%}</td>" if n_told else "<td>–</td>"


def _numbers(image: ReportedImage) -> list[str]:
    digest, frames = image.digest, image.frames
    parts = [f"{digest.n_atoms:,} atoms" if digest.n_atoms != 1 else "1 atom"]
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
    if n_told := sum(digest.told.values()):
        parts.append(
            f"class by brightness the same for {sum(digest.agreeing.values()) / n_told:.1%}"
        )
    return parts


ATOMS = Kind(
    task="atoms",
    doubt="1 − mean probability of the atoms (0.5 where there are none); the share of atoms whose "
    "position\nwas not fitted",
    marked_from=0.25,
    marks="Rings and dots are atoms in the colour of their class, magenta crosses atoms whose "
    "position was not fitted.",
    detail="atom",
    digest=digest_atoms,
    tiles=_tiles,
    charts=_charts,
    classes=_classes,
    numbers=_numbers,
)

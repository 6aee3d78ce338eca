"""What the report says of domain walls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from scanseg.report.charts import draw_histogram
from scanseg.report.kinds import Kind, ReportedImage
from scanseg.report.walls.digest import digest_walls
from scanseg.report.walls.lengths import length_text

__all__ = ["WALLS"]


def _tiles(images: Sequence[ReportedImage]) -> list[tuple[str, str]]:
    in_nm = _calibrated(images)
    area_nm2 = sum(_area_nm2(row) for image in images for row in image.frames)
    length = sum(_length(image, in_nm=in_nm) for image in images)
    tiles = [
        (f"{sum(image.digest.n_walls for image in images):,}", "walls"),
        (length_text(length, in_nm=in_nm), "length of walls"),
    ]
    if in_nm and area_nm2:
        tiles.append((f"{1000 * length / area_nm2:.2f}", "µm of walls in a µm²"))
    return tiles


def _charts(images: Sequence[ReportedImage]) -> list[str]:
    in_nm = _calibrated(images)
    suffix, unit = ("nm", "µm") if in_nm else ("px", "px")
    nm_per_unit = 1e3 if in_nm else 1.0
    length = _pooled(images, "walls", f"length_{suffix}") / nm_per_unit
    width = _pooled(images, "walls", f"width_{suffix}")
    area = _pooled(images, "domains", "area_nm2" if in_nm else "area_px") / nm_per_unit**2
    return [
        _from_zero(length, title="length of walls", unit=unit),
        _from_zero(width, title="width of walls", unit=suffix),
        _from_zero(area, title="area of domains within the image", unit="µm²" if in_nm else "px"),
        draw_histogram(
            _pooled(images, "walls", "orientation_deg"),
            title="direction of walls, from x downward",
            unit="°",
            limits=(0.0, 180.0),
        ),
    ]


def _from_zero(values: np.ndarray, *, title: str, unit: str) -> str:
    finite = values[np.isfinite(values)]
    limits = (0.0, float(np.percentile(finite, 99))) if finite.size else None
    return draw_histogram(values, title=title, unit=unit, limits=limits)


def _classes(images: Sequence[ReportedImage], colours: Mapping[str, str]) -> str:
    in_nm = _calibrated(images)
    unit = "nm" if in_nm else "px"
    names = sorted({name for image in images for name in image.digest.classes})
    lengths = {name: sum(_length(image, name, in_nm=in_nm) for image in images) for name in names}
    width = _pooled(images, "walls", f"width_{unit}")
    classes = np.concatenate([np.empty(0), *(image.digest.walls["class"] for image in images)])
    rows = []
    for name, length in sorted(lengths.items(), key=lambda item: -item[1]):
        having = [image.digest.classes[name] for image in images if name in image.digest.classes]
        widths = width[classes == name]
        measured = np.isfinite(widths).any()
        colour = escape(colours.get(name, "#888888"))
        rows.append(
            f'<tr><td><i class="dot" style="background:{colour}"></i>{escape(name)}</td>'
            f"<td>{sum(total.n_walls for total in having):,}</td>"
            f"<td>{length_text(length, in_nm=in_nm)}</td>"
            f"<td>{length / max(sum(lengths.values()), 1e-9):.1%}</td><td>{len(having):,}</td>"
            f"<td>{f'{np.nanmedian(widths):.3g}' if measured else '–'}</td></tr>"
        )
    if not rows:
        return ""
    heads = ("class", "walls", "length", "share of length", "images", f"width, {unit}")
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (
        f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table><p class=note>Width: the median of the walls across which a profile was "
        "fitted.</p>"
    )


def _numbers(image: ReportedImage) -> list[str]:
    digest, in_nm = image.digest, bool(np.isfinite(image.pixel_size_nm))
    parts = [f"{digest.n_walls:,} walls" if digest.n_walls != 1 else "1 wall"]
    if len(image.frames) > 1:
        parts.append(f"{len(image.frames):,} frames")
    parts += [
        f"{name} {length_text(_length(image, name, in_nm=in_nm), in_nm=in_nm)}"
        for name in digest.classes
    ]
    if digest.n_domains:
        parts.append(f"{digest.n_domains:,} domains" if digest.n_domains != 1 else "1 domain")
    if digest.n_walls:
        parts.append(f"probability {digest.mean_probability:.3f}")
    return [escape(part) for part in parts]


def _calibrated(images: Iterable[ReportedImage]) -> bool:
    return all(np.isfinite(image.pixel_size_nm) for image in images)


def _length(image: ReportedImage, name: str = "", *, in_nm: bool) -> float:
    """Length of the walls of a class, or of all."""
    totals = image.digest.classes
    chosen = totals.values() if not name else [totals[name]] if name in totals else []
    return float(sum(total.length_nm if in_nm else total.length_px for total in chosen))


def _area_nm2(row: Mapping[str, float]) -> float:
    height_nm = row["height_px"] * (row.get("pixel_size_y_nm") or 0.0)
    return height_nm * row["width_px"] * (row.get("pixel_size_x_nm") or 0.0)


def _pooled(images: Iterable[ReportedImage], table: str, column: str) -> np.ndarray:
    """A column of numbers of the samples of all images."""
    tables = (getattr(image.digest, table) for image in images)
    values = [each[column].to_numpy(np.float64) for each in tables if column in each]
    return np.concatenate([np.empty(0), *values])


WALLS = Kind(
    task="walls",
    doubt="1 − mean probability along the walls (0.5 where there are none); a quarter of the share "
    "of their length\nwhose width was not measured",
    # Probabilities of lines are low beside those of spots: 14 real scans had a doubt of 0.46 to
    # 0.75, and those above this are noise, or full of what cannot be told from a wall.
    marked_from=0.65,
    marks="Lines are walls in the colours of their classes, white dots places where walls meet.",
    detail="place on a wall",
    digest=digest_walls,
    tiles=_tiles,
    charts=_charts,
    classes=_classes,
    numbers=_numbers,
)

"""Points, lines and bars as SVG text, in the style of the other charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.report.charts import HEIGHT, WIDTH

__all__ = ["Series", "draw_bars", "draw_plot"]

LEFT, RIGHT, TOP, BOTTOM = 52, 14, 30, 44
PALETTE = ("#2f6f9f", "#c2410c", "#2e7d32", "#7b4fa3", "#9a6200")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """N points of a plot.

    Parameters
    ----------
    x, y
        Shape (N,).
    kind
        How they are drawn.
    colour
        "#rrggbb".
    label
        In the legend; empty for none.
    low, high
        Ends of the interval of each y, or None.
    text
        What each point says under the mouse; may be empty.
    """

    x: Sequence[float]
    y: Sequence[float]
    kind: Literal["points", "rings", "line", "steps"] = "points"
    colour: str = PALETTE[0]
    label: str = ""
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    text: Sequence[str] = field(default_factory=tuple)


def draw_plot(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    log_x: bool = False,
    names: Sequence[str] = (),
) -> str:
    """Draw points and lines.

    Parameters
    ----------
    series
        What is drawn, the first at the bottom.
    title, x_label, y_label
        Texts.
    log_x
        Whether equal factors are equally wide.
    names
        Of x = 0, 1, 2, … where x are choices and no numbers.

    Examples
    --------
    >>> draw_plot([], title="score")
    '<figure class="chart"><figcaption>score: no values</figcaption></figure>'
    """
    x, y = _all(series, "x"), _all(series, "y")
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return f'<figure class="chart"><figcaption>{escape(title)}: no values</figcaption></figure>'
    spread = [np.asarray(end, float) for s in series for end in (s.low, s.high) if end is not None]
    heights = np.concatenate([y[known], *spread])
    axes = _Axes(
        _limits(np.log10(x[known]) if log_x else x[known], names),
        _limits(heights[np.isfinite(heights)], ()),
        log_x,
    )
    marks = "".join(_drawn(each, axes) for each in series)
    heading = escape(title)
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{heading}"><text x="12" y="18" class="title">{heading}</text>'
        f"{_legend(series)}{_ticks(axes, names)}{marks}"
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text transform="translate(12 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text></svg></figure>'
    )


def draw_bars(names: Sequence[str], values: Sequence[float], *, title: str) -> str:
    """Draw a bar a name, the longest first, with its share in per cent.

    Examples
    --------
    >>> draw_bars(["learning rate"], [1.0], title="importance").count("<rect")
    1
    """
    if not len(values):
        return f'<figure class="chart"><figcaption>{escape(title)}: no values</figcaption></figure>'
    order = sorted(range(len(values)), key=lambda n: -values[n])
    row = min(26.0, (HEIGHT - TOP - 8) / len(order))
    longest = max(1e-9, *values)
    bars = []
    for place, n in enumerate(order):
        top = TOP + place * row
        width = values[n] / longest * (WIDTH - 24 - 50)
        bars.append(
            f'<text x="12" y="{top + 0.42 * row:.1f}">{escape(names[n])}</text>'
            f'<rect x="12" y="{top + 0.5 * row:.1f}" width="{max(width, 1):.1f}" '
            f'height="{0.38 * row:.1f}" fill="{PALETTE[0]}"/>'
            f'<text x="{18 + width:.1f}" y="{top + 0.88 * row:.1f}">{values[n]:.0%}</text>'
        )
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><text x="12" y="18" class="title">{escape(title)}</text>'
        f"{''.join(bars)}</svg></figure>"
    )


@dataclass(frozen=True, slots=True)
class _Axes:
    """Limits of what is drawn, in powers of ten where the axis is logarithmic."""

    x: tuple[float, float]
    y: tuple[float, float]
    log_x: bool

    def place_x(self, value: float) -> float:
        at = math.log10(value) if self.log_x else value
        low, high = self.x
        return LEFT + (at - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def place_y(self, value: float) -> float:
        low, high = self.y
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _all(series: Sequence[Series], name: str) -> NDArray[np.float64]:
    values = [np.asarray(getattr(each, name), float) for each in series]
    return np.concatenate(values) if values else np.empty(0)


def _limits(values: NDArray[np.float64], names: Sequence[str]) -> tuple[float, float]:
    if names:
        return -0.5, len(names) - 0.5
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _drawn(series: Series, axes: _Axes) -> str:
    points = [
        (n, axes.place_x(x), axes.place_y(y))
        for n, (x, y) in enumerate(zip(series.x, series.y, strict=True))
        if math.isfinite(x) and math.isfinite(y)
    ]
    colour = escape(series.colour)
    bars = ""
    if series.low is not None and series.high is not None:
        bars = "".join(
            f'<path d="M{x:.1f} {axes.place_y(series.low[n]):.1f}'
            f'V{axes.place_y(series.high[n]):.1f}" stroke="{colour}" stroke-width="1.2"/>'
            for n, x, _ in points
            if math.isfinite(series.low[n]) and math.isfinite(series.high[n])
        )
    if series.kind in ("line", "steps"):
        path = ""
        for number, (_, x, y) in enumerate(points):
            if not number:
                path = f"M{x:.1f} {y:.1f}"
            else:
                path += f"H{x:.1f}V{y:.1f}" if series.kind == "steps" else f"L{x:.1f} {y:.1f}"
        return f'{bars}<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    filled = colour if series.kind == "points" else "none"
    return bars + "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{filled}" fill-opacity=".75" '
        f'stroke="{colour}">{_hover(series, n)}</circle>'
        for n, x, y in points
    )


def _hover(series: Series, n: int) -> str:
    return f"<title>{escape(series.text[n])}</title>" if n < len(series.text) else ""


def _legend(series: Sequence[Series]) -> str:
    """Labels at the top right, the last outermost."""
    texts, right = [], float(WIDTH - RIGHT)
    for each in reversed([s for s in series if s.label]):
        texts.append(
            f'<text x="{right:.0f}" y="18" text-anchor="end" style="fill:{escape(each.colour)}">'
            f"{escape(each.label)}</text>"
        )
        right -= 6.2 * len(each.label) + 12
    return "".join(texts)


def _ticks(axes: _Axes, names: Sequence[str]) -> str:
    base, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [
        f'<path d="M{LEFT} {TOP}V{base}H{right}" class="axis"/>',
    ]
    if names:
        parts += [
            f'<text x="{axes.place_x(n):.0f}" y="{base + 15}" text-anchor="middle">'
            f"{escape(name)}</text>"
            for n, name in enumerate(names)
        ]
    else:
        places = [10.0**at for at in _marks(*axes.x)] if axes.log_x else _marks(*axes.x)
        parts += [
            f'<text x="{axes.place_x(value):.0f}" y="{base + 15}" text-anchor="middle">'
            f"{value:.6g}</text>"
            for value in places
        ]
    parts += [
        f'<text x="{LEFT - 4}" y="{axes.place_y(value) + 4:.0f}" text-anchor="end">'
        f"{value:.6g}</text>"
        for value in _marks(*axes.y)
    ]
    return "".join(parts)


def _marks(low: float, high: float) -> list[float]:
    """Round numbers in a range, two to five of them.

    Examples
    --------
    >>> _marks(0.93, 0.98)
    [0.94, 0.96, 0.98]
    """
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]

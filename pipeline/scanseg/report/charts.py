"""Small charts as SVG text, for pages that must stand alone."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["draw_histogram"]

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 12, 12, 30, 42
N_BINS = 40


def draw_histogram(
    values: ArrayLike,
    *,
    title: str,
    unit: str = "",
    limits: tuple[float, float] | None = None,
    colour: str = "#2f6f9f",
) -> str:
    """Draw how values are distributed.

    Parameters
    ----------
    values
        Numbers; those that are not finite are left out.
    title, unit
        What they are, and in what.
    limits
        Range of the axis, by default that of 99 % of the values; others are in the outermost bins.
    colour
        Of the bars.

    Returns
    -------
    svg
        A ``figure`` with an ``svg`` and a line of text; without values, the text alone.

    Examples
    --------
    >>> draw_histogram([], title="spacing")
    '<figure class="chart"><figcaption>spacing: no values</figcaption></figure>'
    """
    numbers = np.asarray(values, np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return f'<figure class="chart"><figcaption>{escape(title)}: no values</figcaption></figure>'
    low, high = limits or _limits(numbers)
    counts, _ = np.histogram(np.clip(numbers, low, high), N_BINS, (low, high))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    bar_width = inner_width / N_BINS
    base = HEIGHT - BOTTOM
    bars = "".join(
        f'<rect x="{LEFT + index * bar_width:.1f}" y="{base - height:.1f}" '
        f'width="{bar_width - 0.8:.1f}" height="{height:.1f}"/>'
        for index, height in enumerate(counts / counts.max() * inner_height)
        if height > 0
    )
    ticks = "".join(
        f'<text x="{LEFT + share * inner_width:.0f}" y="{base + 15}" text-anchor="{anchor}">'
        f"{low + share * (high - low):.3g}</text>"
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    )
    lower, median, upper = np.percentile(numbers, (5, 50, 95))
    place = LEFT + (np.clip(median, low, high) - low) / (high - low) * inner_width
    heading = escape(f"{title}, {unit}" if unit else title)
    middle = f"median {median:.3g} {unit}".rstrip()
    summary = escape(f"{middle}, 90 % from {lower:.3g} to {upper:.3g}, n {len(numbers):,}")
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{heading}: {summary}">'
        f'<text x="{LEFT}" y="18" class="title">{heading}</text>'
        f'<g fill="{escape(colour)}">{bars}</g>'
        f'<path d="M{LEFT} {base}h{inner_width}" class="axis"/>'
        f'<path d="M{place:.1f} {TOP - 4}V{base}" class="median"/>{ticks}'
        f'<text x="{LEFT}" y="{HEIGHT - 6}" class="note">{summary}</text></svg></figure>'
    )


def _limits(numbers: np.ndarray) -> tuple[float, float]:
    """Range that holds 99 % of the values, and never of width zero."""
    low, high = (float(each) for each in np.percentile(numbers, (0.5, 99.5)))
    if high - low < 1e-3 * abs(high):
        width = 0.05 * abs(high) or 1.0
        return low - width, high + width
    margin = 0.03 * (high - low)
    return low - margin, high + margin

"""Sections of the page about what failed, and about what must be known before numbers are used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from scanseg.report.kinds import ReportedImage

__all__ = ["MAX_ROWS", "breakable", "failure_section", "warning_section"]

# Lists end where nobody reads on.
MAX_ROWS = 500
MAX_WARNINGS = 30


def breakable(name: str) -> str:
    """A path as HTML, which a browser breaks behind slashes and underscores.

    Examples
    --------
    >>> breakable("day_1/a&b.tif")
    'day_<wbr>1/<wbr>a&amp;b.tif'
    """
    return re.sub(r"([/\\_])", r"\1<wbr>", escape(name))


def failure_section(entries: Sequence[Mapping[str, Any]]) -> str:
    """What failed, where, why, and what to do; empty where nothing did.

    Parameters
    ----------
    entries
        Lines of the manifest.
    """
    failures = [(entry, failure) for entry in entries for failure in entry["failures"]]
    rows = [
        (
            f'<span title="{escape(entry["path"])}">{breakable(entry["name"])}</span>',
            escape(" ".join(filter(None, (failure.get("stage"), failure.get("error"))))),
            escape(failure["reason"]),
            escape(failure.get("hint", "")),
        )
        for entry, failure in failures[:MAX_ROWS]
    ]
    left = len(failures) - MAX_ROWS
    note = f"… and {left:,} more in failures.csv." if left > 0 else ""
    heads = ("file", "where", "what was found", "what to do")
    return _section("failures", "Failures", heads, rows, note)


def warning_section(images: Sequence[ReportedImage]) -> str:
    """What was warned of and how often, most often first; empty where nothing was.

    Warnings that differ only in their numbers are one, told in the words of the first image.

    Parameters
    ----------
    images
        The most doubtful first.
    """
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, ReportedImage]] = {}
    for image in images:
        kinds = {re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", text): text for text in image.warnings}
        counts.update(kinds.keys())
        for kind, text in kinds.items():
            first.setdefault(kind, (text, image))
    rows = []
    for kind, number in counts.most_common(MAX_WARNINGS):
        text, image = first[kind]
        link = escape(quote(f"{image.name}/{image.overlay}"))
        rows.append((f"{number:,}", escape(text), f'<a href="{link}">{breakable(image.name)}</a>'))
    left = len(counts) - MAX_WARNINGS
    note = f"… and {left:,} more in images.csv." if left > 0 else ""
    heads = ("images", "what was said", "the most doubtful of them")
    return _section("warnings", "Warnings", heads, rows, note)


def _section(
    name: str, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], note: str
) -> str:
    """A table of HTML cells; on a narrow screen each row becomes a block with these heads."""
    if not rows:
        return ""
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-head="{text}">{cell}</td>' for text, cell in zip(heads, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    more = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<section id="{name}"><h2>{title}</h2><table class="stacked {name}"><thead><tr>{head}'
        f"</tr></thead><tbody>{body}</tbody></table>{more}</section>"
    )

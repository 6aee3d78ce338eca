"""Pages that stand alone: one file, one style, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files

__all__ = ["facts_list", "page_style", "render_page", "table", "tiles"]


def page_style() -> str:
    """The style sheet that all pages of scanseg share."""
    return files("scanseg.report").joinpath("style.css").read_text(encoding="utf-8")


def render_page(title: str, kind: str, sections: Iterable[str]) -> str:
    """A whole page.

    Parameters
    ----------
    title
        What it is about.
    kind
        What it is, after the title.
    sections
        HTML of its body.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="scanseg">\n'
        f"<title>{escape(title)} – {escape(kind)}</title>\n"
        f"<style>\n{page_style()}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)} <small>{escape(kind)}</small></h1>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def tiles(numbers: Sequence[tuple[str, str]]) -> str:
    """Large numbers with what they are."""
    inner = "".join(
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(label)}</span></div>'
        for number, label in numbers
    )
    return f'<div class="tiles">{inner}</div>'


def facts_list(facts: Mapping[str, str]) -> str:
    """Names and what they are, a line each."""
    lines = (f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<dl>{''.join(lines)}</dl>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; numbers stand below each other."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )

"""Headers of text in front of numbers, as most scanning probe files have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from scanseg.errors import Truncated

__all__ = ["header_before", "lines_of", "number"]

LONGEST_HEADER = 2**22  # 31 to 80 kB in real files; some hold the settings of every device


def header_before(path: Path, format: str, mark: bytes) -> tuple[bytes, int]:
    """Bytes of a file before ``mark``, and the number of the first byte after it.

    Raises
    ------
    Truncated
        Where the mark does not come.
    """
    with path.open("rb") as file:
        header, found, _ = file.read(LONGEST_HEADER).partition(mark)
    if not found:
        raise Truncated(path, "its header has no end.", format=format, hint="Copy it again.")
    return header, len(header) + len(mark)


def lines_of(text: str) -> Iterator[str]:
    """Lines of a header, whatever ends them."""
    return (line for line in re.split(r"\r\n|\r|\n", text) if line.strip())


def number(text: object, default: float | None = None) -> float:
    """First number of a text such as "500 nm", finite.

    Raises
    ------
    ValueError
        Where there is none and no default.
    """
    found = re.search(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", str(text), re.IGNORECASE)
    value = float(found[0]) if found else float("nan")
    if isfinite(value):
        return value
    if default is None:
        raise ValueError(f"no number in {str(text)[:40]!r}")
    return default

"""What the page knows of an image with results, and what it asks of each kind of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

__all__ = ["Digest", "Kind", "ReportedImage"]


class Digest(Protocol):
    """What the page needs of the tables of one image."""

    @property
    def doubt(self) -> float:
        """How uncertain what was found is, from 0."""

    @property
    def doubtful_px(self) -> tuple[float, float] | None:
        """(y, x) of what is least certain in the first frame."""


@dataclass(frozen=True, slots=True, eq=False)
class ReportedImage:
    """An image with results: its line of the manifest, and a digest of its tables."""

    entry: Mapping[str, Any]
    digest: Any  # the Digest of its kind

    @property
    def name(self) -> str:
        """Name in the tables, and folder of the results."""
        return str(self.entry["name"])

    @property
    def frames(self) -> list[Mapping[str, Any]]:
        """Rows of the frames that have results."""
        return [row for row in self.entry["frames"] if row["status"] == "done"]

    @property
    def n_missing(self) -> int:
        """Number of frames without results."""
        return len(self.entry["frames"]) - len(self.frames)

    @property
    def overlay(self) -> str:
        """The picture of the first frame that has one."""
        names = sorted(name for name in self.entry["outputs"] if name.startswith("overlay"))
        return names[0] if names else "overlay.png"

    @property
    def warnings(self) -> list[str]:
        """What was said of any frame, once."""
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
        warned = 0.25 * min(2, len(self.warnings))
        return float(self.digest.doubt) + warned + (0.5 if self.n_missing else 0.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of result, as the page tells of it.

    Parameters
    ----------
    task
        ``atoms`` or ``walls``.
    doubt
        What the doubt of an image consists of, in words.
    detail
        What the second picture of an image shows the least certain one of.
    digest
        Reads the tables in a folder; about how many objects there are, and how many are wanted at
        most in the sample, are the other arguments.
    tiles
        (number, label) of the head of the page.
    charts
        Distributions, as SVG.
    classes
        A table of the classes, which have colours, as HTML.
    numbers
        Parts of the line about one image.
    marked_from
        Doubt from which on an image is marked.
    marks
        What the marks on the pictures mean.
    """

    task: str
    doubt: str
    marked_from: float
    marks: str
    detail: str
    digest: Callable[[Path, int, int], Digest]
    tiles: Callable[[Sequence[ReportedImage]], list[tuple[str, str]]]
    charts: Callable[[Sequence[ReportedImage]], list[str]]
    classes: Callable[[Sequence[ReportedImage], Mapping[str, str]], str]
    numbers: Callable[[ReportedImage], list[str]]

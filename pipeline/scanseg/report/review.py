"""What a person said about the images of a run: the file that the buttons of the report save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from scanseg.config import Config
from scanseg.errors import ConfigError

__all__ = ["REVIEW_FORMAT", "ImageReview", "Review", "read_review"]

REVIEW_FORMAT = "scanseg-review"


class ImageReview(Config):
    """What was said about one image."""

    image: str
    """Name in the tables, and folder of the results."""
    path: str
    """The file that was read."""
    sha256: str
    """Checksum of its contents: an image that has been replaced since is told from it."""
    verdict: Literal["good", "bad", ""] = ""
    """Empty where there is only a comment."""
    comment: str = ""
    """Free text."""


class Review(Config):
    """The review of a run."""

    format: Literal["scanseg-review"]
    """Says what the file is."""
    version: Literal[1]
    """Of the format."""
    run: dict[str, Any] = {}
    """Version of scanseg; name, version and checksum of the model; start of the run."""
    saved: str = ""
    """Date and time, UTC."""
    images: tuple[ImageReview, ...] = ()
    """Every image with a verdict or a comment."""


def read_review(path: Path) -> Review:
    """Read a review file.

    Raises
    ------
    ConfigError
        When it is not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no review file ({error}).", hint="Save it anew.") from error
    if not isinstance(content, dict) or content.get("format") != REVIEW_FORMAT:
        raise ConfigError(
            f"{path} is no review file: it does not say {REVIEW_FORMAT}.",
            hint="Save one with the button of report.html.",
        )
    return Review.from_settings(content, origin=str(path))

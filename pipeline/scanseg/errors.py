"""What can go wrong for a user: what was found, why it matters, and what to do now.

Every error that scanseg raises on purpose is a :class:`ScansegError`. Anything else is a mistake of
ours and shows its traceback.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BundleError",
    "ConfigError",
    "ExtraMissing",
    "LoadError",
    "MachineError",
    "NoImage",
    "NotRecognised",
    "ScansegError",
    "TooLarge",
    "TrainingFailed",
    "Truncated",
    "Unsupported",
]


class ScansegError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    reason
        What was found and why it matters, one or two sentences.
    hint
        What to do now.
    """

    def __init__(self, reason: str, *, hint: str = "") -> None:
        self.reason = reason
        self.hint = hint
        super().__init__(f"{reason} {hint}".strip())


class ConfigError(ScansegError):
    """A setting, an option or a recipe that is not understood."""


class MachineError(ScansegError):
    """The machine lacks what was asked for: a GPU, disk space, write access, an extra."""


class BundleError(ScansegError):
    """A model folder that is incomplete, altered, or made for another version."""


class TrainingFailed(ScansegError):
    """A training that gave no usable weights."""


class LoadError(ScansegError):
    """A file that could not be turned into an image.

    Parameters
    ----------
    path
        The file.
    reason
        What was found and why it matters.
    format
        The format that was tried, or an empty string when none was recognised.
    hint
        What to do now.
    """

    def __init__(self, path: str | Path, reason: str, *, format: str = "", hint: str = "") -> None:
        self.path = Path(path)
        self.format = format
        super().__init__(reason, hint=hint)
        kind = f" ({format})" if format else ""
        self.args = (f"{self.path.name}{kind}: {reason} {hint}".strip(),)


class NotRecognised(LoadError):
    """No reader knows the first bytes of this file."""


class Truncated(LoadError):
    """The file ends before its contents do, or its contents contradict each other."""


class Unsupported(LoadError):
    """The format is known, this variety of it is not."""


class NoImage(LoadError):
    """The file was read, and holds no image."""


class TooLarge(LoadError):
    """The file declares more data than it holds or than the memory takes."""


class ExtraMissing(LoadError):
    """The format needs an optional extra that is not installed."""

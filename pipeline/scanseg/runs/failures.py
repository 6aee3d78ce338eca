"""From an error to a line of failures.csv."""

from __future__ import annotations

import errno
import logging

from scanseg.errors import ScansegError
from scanseg.runs.manifest import Failure

__all__ = ["StageError", "failure_of"]

log = logging.getLogger("scanseg.runs")


class StageError(Exception):
    """Says in which stage the error happened that is its cause."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        super().__init__(stage)


def failure_of(error: Exception, stage: str, where: str) -> Failure:
    """What the tables say about an error; the log gets its traceback.

    Raises
    ------
    OSError
        The error itself where the disk is full: no further image could be written.
    """
    if isinstance(error, StageError) and isinstance(error.__cause__, Exception):
        return failure_of(error.__cause__, error.stage, where)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise error
    log.debug("%s: %s failed", where, stage, exc_info=error)
    name = type(error).__name__
    if isinstance(error, ScansegError):
        return Failure(stage, name, error.reason, error.hint)
    if isinstance(error, MemoryError):
        return Failure(
            stage,
            name,
            "the memory of this machine did not suffice for it.",
            "Close other programs, or take a machine with more memory; then --retry failed.",
        )
    text = " ".join(str(error).split()) or name
    return Failure(
        stage,
        name,
        f"an unexpected error: {text}",
        "Please report it with run.log, which holds the details.",
    )

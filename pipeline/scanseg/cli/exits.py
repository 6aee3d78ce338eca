"""Exit codes, and how an error is shown: one line of what, why and what to do."""

from __future__ import annotations

import errno
import logging
import sys
import traceback
from enum import IntEnum

from scanseg.errors import MachineError, ScansegError

__all__ = ["ExitCode", "exit_code_of", "show_error", "start_logging"]


class ExitCode(IntEnum):
    """What the shell is told."""

    ALL_GOOD = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    SOME_FAILED = 3
    NOTHING_TO_DO = 4
    ENVIRONMENT = 5
    INTERRUPTED = 130


class _StderrHandler(logging.Handler):
    """Writes to whatever stderr is now: a progress bar replaces it while it is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


_stderr = _StderrHandler()
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


def start_logging(verbosity: int) -> None:
    """Show log messages on stderr: -1 errors, 0 warnings, 1 what is done, 2 everything."""
    log = logging.getLogger("scanseg")
    log.setLevel(logging.DEBUG)
    _stderr.setLevel(_LEVELS[max(-1, min(verbosity, 2))])
    if _stderr not in log.handlers:
        log.addHandler(_stderr)


def exit_code_of(error: Exception) -> ExitCode:
    """The kind of an error that ends a command."""
    if isinstance(error, MachineError | MemoryError):
        return ExitCode.ENVIRONMENT
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
        return ExitCode.ENVIRONMENT if full else ExitCode.INTERNAL_ERROR
    return ExitCode.USAGE if isinstance(error, ScansegError) else ExitCode.INTERNAL_ERROR


def show_error(error: Exception) -> None:
    """Say what is wrong on stderr; the traceback follows only with -vv."""
    if isinstance(error, ScansegError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = "The memory of this machine did not suffice. Close other programs and run again."
    elif isinstance(error, OSError):
        text = f"{error.strerror or error}: {error.filename or 'no file named'}"
    else:
        text = (
            f"scanseg made a mistake ({type(error).__name__}: {error}). "
            "Please report it; -vv shows the details."
        )
    print(f"Error: {' '.join(text.split())}", file=sys.stderr)
    if _stderr.level == logging.DEBUG:
        traceback.print_exception(error)

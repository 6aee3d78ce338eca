"""Guards between a file and the memory: sizes are checked before anything is allocated."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanseg.errors import LoadError, TooLarge, Truncated, Unsupported

__all__ = [
    "check_extent",
    "check_fits_memory",
    "check_ratio",
    "library_errors_become_load_errors",
    "memory_limit_bytes",
    "silence",
]

# What a compressed file may unpack to: deflate reaches 1030 : 1 on a constant image, so more than
# this is an array that was declared and never written (10 kB of HDF5 can claim 149 GB).
LARGEST_RATIO = 2000
SMALL_BYTES = 64 * 2**20  # below this nobody is hurt, whatever the ratio


def memory_limit_bytes() -> int:
    """Half of the memory that is free now."""
    import psutil

    return int(psutil.virtual_memory().available // 2)


def check_fits_memory(path: Path, format: str, n_bytes: int, *, what: str = "the image") -> None:
    """Refuse data larger than half of the free memory."""
    limit = memory_limit_bytes()
    if n_bytes > limit:
        raise TooLarge(
            path,
            f"{what} takes {_size(n_bytes)}, and {_size(limit)} (half of the free memory) may be "
            "used for it.",
            format=format,
            hint="Crop it, or use a machine with more memory.",
        )


def check_ratio(path: Path, format: str, n_bytes: int, file_bytes: int) -> None:
    """Refuse data far larger than the file can hold, even compressed."""
    if n_bytes > max(SMALL_BYTES, LARGEST_RATIO * file_bytes):
        raise TooLarge(
            path,
            f"the file declares {_size(n_bytes)} of data but holds {_size(file_bytes)}: most of it "
            "was never written.",
            format=format,
            hint="Record or export the file again.",
        )


def check_extent(path: Path, format: str, end: int, file_bytes: int) -> None:
    """Refuse a file that ends before its uncompressed data do."""
    if end > file_bytes:
        raise Truncated(
            path,
            f"its data should reach byte {end}, but the file ends at {file_bytes}: a part is "
            "missing.",
            format=format,
            hint="Copy or export the file again.",
        )


@contextmanager
def library_errors_become_load_errors(path: Path, format: str) -> Iterator[None]:
    """Turn whatever a library raises into a LoadError that names the file.

    The libraries share no base class: struct.error, KeyError, AssertionError, RuntimeError and
    others have been seen on damaged files.
    """
    try:
        yield
    except LoadError:
        raise
    except MemoryError as error:
        raise TooLarge(
            path,
            "the file asks for more memory than there is.",
            format=format,
            hint="Record or export it again, or use a machine with more memory.",
        ) from error
    except PermissionError as error:
        raise LoadError(
            path, "it may not be opened.", format=format, hint="Ask for read permission."
        ) from error
    except NotImplementedError as error:
        raise Unsupported(
            path,
            f"this variety of the format is not supported ({_first_line(error)}).",
            format=format,
            hint="Export it as TIFF from the program that wrote it.",
        ) from error
    except Exception as error:
        raise Truncated(
            path,
            f"its contents end early or contradict each other ({_first_line(error)}).",
            format=format,
            hint="Copy or export the file again.",
        ) from error


def silence(*names: str) -> None:
    """Keep the log lines of a library off the terminal where nobody has set up logging.

    A damaged file is reported once, through the LoadError.
    """
    for name in names:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {text[:160]}"


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"

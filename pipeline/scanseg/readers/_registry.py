"""Which function reads which file: by its first bytes, the extension only breaks a tie."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scanseg.readers._channel import Channel

__all__ = ["HEADER_BYTES", "Reader", "readers", "reads"]

HEADER_BYTES = 4096

Load = Callable[[Path], Sequence[Channel]]
Recognise = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Reader:
    """A format family and the function that opens it.

    Parameters
    ----------
    format
        What people call it.
    suffixes
        Usual extensions, lower case; they decide only between readers that both know the bytes.
    recognises
        Takes the first ``HEADER_BYTES`` of a file.
    load
        Takes a path and returns the image-like channels of the file; an empty sequence means that
        the file was read and holds none.
    readable
        False where the format is only known in order to refuse it with a reason.
    """

    format: str
    suffixes: tuple[str, ...]
    recognises: Recognise
    load: Load
    readable: bool = True


_READERS: dict[str, Reader] = {}


def reads(
    format: str,
    *suffixes: str,
    starts_with: Sequence[bytes] = (),
    recognises: Recognise | None = None,
    readable: bool = True,
) -> Callable[[Load], Load]:
    """Register a function as the reader of a format.

    Parameters
    ----------
    format
        What people call it. A taken name is an error.
    suffixes
        Usual extensions.
    starts_with
        First bytes, any of them.
    recognises
        A test of the first 4096 bytes, where ``starts_with`` is not enough.
    readable
        False for a function that refuses the format with a reason.
    """
    signatures = tuple(starts_with)

    def known(header: bytes) -> bool:
        return header.startswith(signatures) or (recognises is not None and recognises(header))

    def register(load: Load) -> Load:
        if format in _READERS:
            raise ValueError(f"a reader for {format} exists already")
        extensions = tuple(suffix.lower() for suffix in suffixes)
        _READERS[format] = Reader(format, extensions, known, load, readable)
        return load

    return register


@cache
def _all_modules_imported() -> None:
    """Import every module beside and below this one: a new file is all a new format needs."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.walk_packages([str(Path(__file__).parent)], f"{package}."):
        importlib.import_module(module.name)


def readers() -> tuple[Reader, ...]:
    """All registered readers."""
    _all_modules_imported()
    return tuple(_READERS.values())

"""Tables that are too large for the memory: in parts, and the parts in a file."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TableParts", "gathered", "parts_of"]


class TableParts:
    """A table in parts, each of which is in the memory only while it is used.

    Parameters
    ----------
    parts
        The parts in order. They are put away as they come.
    folder
        Where the file lies that holds them. It has no name, and is gone with this object.
    """

    def __init__(self, parts: Iterable[DataFrame], folder: Path | None) -> None:
        place = folder if folder is not None and folder.is_dir() else None
        self._file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._n_parts = self._n_rows = 0
        for part in parts:
            pickle.dump(part, self._file, protocol=5)
            self._n_parts += 1
            self._n_rows += len(part)

    def __len__(self) -> int:
        return self._n_rows

    def __iter__(self) -> Iterator[DataFrame]:
        self._file.seek(0)
        for _ in range(self._n_parts):
            yield pickle.load(self._file)  # written above, by ourselves


def gathered(parts: Iterator[DataFrame], folder: Path | None) -> DataFrame | TableParts:
    """A table as it is where it comes in one part, else its parts in a file."""
    first = next(parts)
    second = next(parts, None)
    return first if second is None else TableParts(chain((first, second), parts), folder)


def parts_of(table: DataFrame | TableParts) -> Iterator[DataFrame]:
    """The parts of a table; one that is whole is its only part."""
    return iter(table) if isinstance(table, TableParts) else iter((table,))

"""Tables of atoms as Parquet, written a part at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ParquetAtoms"]

ROWS_A_GROUP = 200_000
WHOLE = ("frame", "atom", "track")
TEXT = ("image", "class", "intensity_class")
TRUTH = ("at_edge", "fit_ok")


class ParquetAtoms:
    """A Parquet file that grows by the atoms of one frame after the other.

    Parameters
    ----------
    path
        File to write.
    columns
        Names, in order. ``frame``, ``atom`` and ``track`` are integers, ``image``, ``class`` and
        ``intensity_class`` text, ``at_edge`` and ``fit_ok`` true or false, all others numbers.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        kinds = dict.fromkeys(columns, pa.float64())
        kinds |= {name: pa.int64() for name in WHOLE if name in columns}
        kinds |= {name: pa.dictionary(pa.int32(), pa.string()) for name in TEXT if name in columns}
        kinds |= {name: pa.bool_() for name in TRUTH if name in columns}
        self._schema = pa.schema(list(kinds.items()))
        self._writer: Any = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._n_waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def add(self, atoms: DataFrame) -> None:
        """Add rows; a column that the table lacks is empty."""
        import pyarrow as pa

        arrays = [
            pa.array(_values(atoms, field.name), from_pandas=True).cast(field.type)
            if field.name in atoms
            else pa.nulls(len(atoms), field.type)
            for field in self._schema
        ]
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        self._n_waiting += len(atoms)
        if self._n_waiting >= ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            table = pa.concat_tables(self._waiting).unify_dictionaries()
            self._writer.write_table(table)
        self._waiting, self._n_waiting = [], 0


def _values(atoms: DataFrame, name: str) -> Any:
    values = atoms[name]
    if name in TEXT:
        return values.astype(object).to_numpy()
    # Where a table lacks a truth in some rows, pandas has read text or objects.
    return values.map({True: True, False: False}).to_numpy() if name in TRUTH else values.to_numpy()

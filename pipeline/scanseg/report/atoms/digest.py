"""What the report needs of a table of atoms, read in pieces: it may be larger than the memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AtomDigest", "digest_atoms"]

NUMBERS = ("probability", "sigma_px", "y_err_px", "x_err_px")
NAMES = ("class", "intensity_class")
FLOATS = ("y_px", "x_px", *NUMBERS)
COLUMNS = ("frame", *FLOATS, *NAMES, "fit_ok")
# About 50,000 atoms at a time.
BLOCK_BYTES = 8 * 1024**2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AtomDigest:
    """Numbers of the atoms of one image.

    Parameters
    ----------
    n_atoms, n_not_fitted
        Atoms, and those whose position was not refined.
    mean_probability
        Of all atoms; NaN where there are none.
    classes
        Number of atoms of each class.
    told, agreeing
        Of each class the atoms that have a class by brightness as well, and those where it is the
        same; empty where the model has one class.
    sample_class, sample
        Class, and ``probability``, ``sigma_px``, ``error_px`` of every so many-th atom that was
        fitted, all of one length. ``error_px`` is the error bar along one axis, the root mean
        square of y and x.
    doubtful_px
        (y, x) of the atom of the first frame that is least certain, or None.
    """

    n_atoms: int = 0
    n_not_fitted: int = 0
    mean_probability: float = np.nan
    classes: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    agreeing: dict[str, int] = field(default_factory=dict)
    sample_class: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    sample: dict[str, Floats] = field(default_factory=dict)
    doubtful_px: tuple[float, float] | None = None

    @property
    def share_not_fitted(self) -> float:
        """Share of the atoms whose position was not refined, 0 to 1."""
        return self.n_not_fitted / self.n_atoms if self.n_atoms else 0.0

    @property
    def doubt(self) -> float:
        """How uncertain the atoms are, from 0; 0.5 where there are none."""
        return (1 - self.mean_probability if self.n_atoms else 0.5) + self.share_not_fitted


def digest_atoms(folder: Path, n_atoms: int, n_sample: int) -> AtomDigest:
    """Read the ``atoms.csv`` of an image.

    Parameters
    ----------
    folder
        Where it is.
    n_atoms
        About how many rows it has, from which the step of the sample follows.
    n_sample
        About how many atoms the sample holds at most.
    """
    step = max(1, -(-n_atoms // n_sample))
    n_seen = n_not_fitted = 0
    probability_sum = 0.0
    classes, told, agreeing = Counter[str](), Counter[str](), Counter[str]()
    names: list[NDArray[np.str_]] = []
    numbers: list[Floats] = []
    doubtful: tuple[float, float, float] | None = None
    for block in _blocks(folder / "atoms.csv"):
        probability, fitted = block["probability"], block["fit_ok"]
        both = block["class"][block["intensity_class"] != ""]
        same = block["class"][block["intensity_class"] == block["class"]]
        for counter, values in ((classes, block["class"]), (told, both), (agreeing, same)):
            counter.update(dict(zip(*np.unique(values, return_counts=True), strict=True)))
        n_not_fitted += int((~fitted).sum())
        probability_sum += float(np.nansum(probability))
        if (first := _least_certain(block)) is not None and (not doubtful or first < doubtful):
            doubtful = first
        chosen = np.flatnonzero(fitted)
        chosen = chosen[(chosen + n_seen) % step == 0]
        names.append(block["class"][chosen])
        numbers.append(np.stack([block[name][chosen] for name in NUMBERS]))
        n_seen += len(probability)
    if not n_seen:
        return AtomDigest()
    values = np.concatenate(numbers, axis=1)
    return AtomDigest(
        n_atoms=n_seen,
        n_not_fitted=n_not_fitted,
        mean_probability=probability_sum / n_seen,
        classes=_plain(classes),
        told=_plain(told),
        agreeing=_plain(agreeing),
        sample_class=np.concatenate(names),
        sample={
            "probability": values[0],
            "sigma_px": values[1],
            "error_px": np.sqrt((values[2] ** 2 + values[3] ** 2) / 2),
        },
        doubtful_px=None if doubtful is None else doubtful[1:],
    )


def _plain(counter: Counter[str]) -> dict[str, int]:
    return {str(name): int(number) for name, number in sorted(counter.items()) if name}


def _blocks(table: Path) -> Iterator[dict[str, NDArray[Any]]]:
    """Columns of some lines at a time.

    Not by pyarrow's own reader of streams: that takes as much memory as the table is long.
    """
    from pyarrow import BufferReader, csv, string

    options = csv.ConvertOptions(
        include_columns=list(COLUMNS),
        include_missing_columns=True,
        column_types=dict.fromkeys(NAMES, string()) | dict.fromkeys(FLOATS, "float64"),
        strings_can_be_null=True,
    )
    reading = csv.ReadOptions(use_threads=False)
    with table.open("rb") as file:
        header = file.readline()
        while lines := file.read(BLOCK_BYTES):
            lines = header + lines + file.readline()
            block = csv.read_csv(BufferReader(lines), read_options=reading, convert_options=options)
            yield {
                **{
                    name: np.array(block[name].fill_null("").to_pylist(), np.str_) for name in NAMES
                },
                "fit_ok": np.array([each is not False for each in block["fit_ok"].to_pylist()]),
                "frame": block["frame"].to_numpy(),
                **{name: block[name].to_numpy().astype(np.float64) for name in FLOATS},
            }


def _least_certain(block: dict[str, NDArray[Any]]) -> tuple[float, float, float] | None:
    """(certainty, y, x) of the least certain atom of frame 0; those not fitted come first."""
    certainty = np.where(block["fit_ok"], block["probability"], block["probability"] - 1)
    certainty = np.where(block["frame"] == 0, np.nan_to_num(certainty, nan=2.0), np.inf)
    index = int(np.argmin(certainty))
    if not np.isfinite(certainty[index]):
        return None
    return float(certainty[index]), float(block["y_px"][index]), float(block["x_px"][index])

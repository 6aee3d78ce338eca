"""Atoms of a run frame by frame, read from its tables without holding more than a few frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph
from scanseg.runs.chosen import chosen_entries, open_input, run_settings
from scanseg.runs.manifest import Entry
from scanseg.runs.settings import RunSettings
from scanseg.runs.tasks import ATOMS

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AtomFrame", "AtomFrames", "read_atom_frames"]

TABLE = "atoms.csv"
ROWS_AT_ONCE = 100_000
TEXTS = {"class": str, "intensity_class": str}


@dataclass(frozen=True, slots=True, eq=False)
class AtomFrame:
    """The atoms of one frame.

    Parameters
    ----------
    image, frame
        Name of the image, and number of the frame in it.
    atoms
        As :func:`scanseg.find_atoms` gave it, behind ``image`` and ``frame``; empty where the frame
        could not be processed.
    shape
        (height, width); None where the frame could not be processed.
    pixel_size_nm
        Along (y, x), or None.
    """

    image: str
    frame: int
    atoms: DataFrame
    shape: tuple[int, int] | None
    pixel_size_nm: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class AtomFrames:
    """Frames of some images of a run, in order.

    Parameters
    ----------
    run
        The run.
    entries
        Lines of the manifest.
    settings
        How the run read its inputs.
    """

    run: Path
    entries: tuple[Entry, ...]
    settings: RunSettings

    def __iter__(self) -> Iterator[AtomFrame]:
        for entry in self.entries:
            yield from self._of(entry)

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return sum(_n_frames(entry) for entry in self.entries)

    @property
    def calibrated(self) -> bool:
        """Whether every frame has a pixel size."""
        rows = (row for entry in self.entries for row in entry.frames)
        return all(_pixel_size_nm(row) is not None for row in rows)

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [entry.name for entry in self.entries]

    def pictures(self, *, purpose: str) -> Iterator[Micrograph]:
        """What was measured, a frame at a time.

        Raises
        ------
        ConfigError
            Where an input is gone or has changed.
        """
        for entry in self.entries:
            yield from open_input(entry, self.settings, purpose=purpose).frames()

    def picture_at(
        self, wanted: Sequence[int], *, purpose: str
    ) -> Iterator[tuple[int, Micrograph]]:
        """Some frames of the series by their number, in order."""
        first = 0
        for entry in self.entries:
            count = _n_frames(entry)
            inside = [number for number in wanted if first <= number < first + count]
            if inside:
                image = open_input(entry, self.settings, purpose=purpose)
                for number in inside:
                    yield number, image.frame(number - first)
            first += count

    def _of(self, entry: Entry) -> Iterator[AtomFrame]:
        rows = {int(row["frame"]): row for row in entry.frames}
        tables = _by_frame(self.run / entry.name / TABLE)
        number, table = next(tables, (-1, None))
        empty: DataFrame | None = None
        for frame in range(_n_frames(entry)):
            if number == frame and table is not None:
                atoms, empty = table, table.iloc[:0]
                number, table = next(tables, (-1, None))
            else:
                atoms = _no_atoms(self.run / entry.name / TABLE) if empty is None else empty
            row = rows.get(frame, {})
            yield AtomFrame(entry.name, frame, atoms, _shape(row), _pixel_size_nm(row))


def read_atom_frames(run: Path, wanted: Sequence[str] = ()) -> AtomFrames:
    """Frames of a run with atoms.

    Parameters
    ----------
    run
        Output folder of a run.
    wanted
        Names of images, or patterns such as ``day1/*``, in order; all images, 2 before 10, where
        nothing is given.

    Raises
    ------
    ConfigError
        Where it is no run, or has no atoms of such an image.
    """
    settings = run_settings(run)
    entries = chosen_entries(run, wanted, ATOMS)
    if not entries:
        raise ConfigError(
            f"No image of {run} has atoms.", hint="Run predict on STEM images, and name that run."
        )
    return AtomFrames(run, tuple(entries), settings)


def _n_frames(entry: Entry) -> int:
    """Frames up to the last that was processed."""
    return 1 + max((int(row["frame"]) for row in entry.frames), default=-1)


def _by_frame(path: Path) -> Iterator[tuple[int, DataFrame]]:
    """Tables of the frames that have atoms; rows of a frame lie together."""
    import pandas as pd

    waiting: list[DataFrame] = []
    current = -1
    try:
        with pd.read_csv(path, chunksize=ROWS_AT_ONCE, dtype=TEXTS) as parts:
            for part in parts:
                for number, table in part.groupby("frame", sort=False):
                    if int(str(number)) != current and waiting:
                        yield current, pd.concat(waiting, ignore_index=True)
                        waiting = []
                    current = int(str(number))
                    waiting.append(table)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}).", hint="Run predict again.") from error
    if waiting:
        yield current, pd.concat(waiting, ignore_index=True)


def _no_atoms(path: Path) -> DataFrame:
    import pandas as pd

    return pd.read_csv(path, nrows=0)


def _shape(row: dict[str, Any]) -> tuple[int, int] | None:
    height, width = row.get("height_px"), row.get("width_px")
    return (int(height), int(width)) if height and width else None


def _pixel_size_nm(row: dict[str, Any]) -> tuple[float, float] | None:
    y, x = row.get("pixel_size_y_nm"), row.get("pixel_size_x_nm")
    return (float(y), float(x)) if y and x else None

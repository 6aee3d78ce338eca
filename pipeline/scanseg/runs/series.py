"""Scans of a run as a series: walls from its tables, channels from its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph
from scanseg.motion import WallFrame
from scanseg.runs.chosen import chosen_entries, open_input, run_settings
from scanseg.runs.manifest import Entry
from scanseg.runs.tasks import WALLS

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ScanSeries", "SeriesTiming", "read_series"]

CLASS_INDEX = {"background": 0, "ferroelectric": 1, "ferroelastic": 2}
POINTS = "wall_points.csv"
# Pixel sizes of one place that differ by more are those of another field of view.
SAME_SIZE = 0.01


@dataclass(frozen=True, slots=True)
class SeriesTiming:
    """When scans were taken and what drove the walls; empty where that is not known.

    Parameters
    ----------
    interval_s
        From one scan to the next.
    fields
        One a scan, in any unit.
    """

    interval_s: float | None = None
    fields: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.interval_s is not None and not self.interval_s > 0:
            raise ConfigError(
                f"The interval between scans cannot be {self.interval_s:g} s.",
                hint="Give --interval-s a number above 0.",
            )


@dataclass(frozen=True, slots=True, eq=False)
class ScanSeries:
    """Scans of one place, in order.

    Parameters
    ----------
    names
        Image of each scan; a movie has several.
    frames
        Walls and channels of each.
    inputs
        Path and sha256 of each image, by name.
    """

    names: tuple[str, ...]
    frames: tuple[WallFrame, ...]
    inputs: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class _TableLine:
    """A wall as a table holds it, N points in order."""

    position_px: NDArray[np.float64]
    position_err_px: NDArray[np.float64]
    class_index: NDArray[np.int64]


def read_series(
    run: Path, wanted: Sequence[str] = (), *, timing: SeriesTiming | None = None
) -> ScanSeries:
    """Read the scans of a run in order.

    Parameters
    ----------
    run
        Output folder of a run.
    wanted
        Names of images, or patterns such as ``day1/*``, in order; what a pattern matches, and all
        images where nothing is given, is in natural order.
    timing
        When scans were taken, and under which fields.

    Raises
    ------
    ConfigError
        Where it is no run, an image has no walls, an input is gone or has changed, there are fewer
        than two scans, or they are not of one shape and pixel size.
    LoadError
        Where an input cannot be read.
    """
    settings = run_settings(run)
    entries = _chosen(run, wanted)
    names: list[str] = []
    scans: list[Micrograph] = []
    tables: list[DataFrame] = []
    for entry in entries:
        image = open_input(entry, settings, purpose="the drift is measured on its channels")
        points = _points(run / entry.name / POINTS)
        for number, scan in enumerate(image.frames()):
            names.append(entry.name)
            scans.append(scan)
            tables.append(points[points["frame"] == number])
    _check_alike(run, names, scans)
    timing = timing or SeriesTiming()
    if timing.fields and len(timing.fields) != len(scans):
        raise ConfigError(
            f"{len(timing.fields)} fields are given for {len(scans)} scans.",
            hint=f"Give one a scan, in this order: {', '.join(names)}.",
        )
    return ScanSeries(
        tuple(names),
        tuple(
            WallFrame(
                _lines(table),
                scan.channels(),
                time_s=None if timing.interval_s is None else n * timing.interval_s,
                field=timing.fields[n] if timing.fields else None,
            )
            for n, (scan, table) in enumerate(zip(scans, tables, strict=True))
        ),
        {entry.name: (entry.path, entry.sha256) for entry in entries},
    )


def _chosen(run: Path, wanted: Sequence[str]) -> list[Entry]:
    entries = chosen_entries(run, wanted, WALLS)
    for entry in entries:
        if entry.failures:
            raise ConfigError(
                f"Frames of {entry.name} failed when their walls were to be found.",
                hint="failures.csv of the run says why; name other images with --images.",
            )
    return entries


def _points(path: Path) -> DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}).", hint="Run predict again.") from error


def _lines(table: DataFrame) -> tuple[_TableLine, ...]:
    """Walls by their number; one that the table has not is empty."""
    unknown = sorted(set(table["class"]) - CLASS_INDEX.keys())
    if unknown:
        raise ConfigError(
            f"There is no class of walls called {unknown[0]!r}.",
            hint=f"The classes are {', '.join(list(CLASS_INDEX)[1:])}.",
        )
    table = table.sort_values(["branch", "point"])
    position = table[["y_px", "x_px"]].to_numpy(float)
    err = np.full(len(table), np.nan)
    if "position_err_px" in table:
        err = table["position_err_px"].to_numpy(float)
    index = np.asarray(table["class"].map(CLASS_INDEX).to_numpy(), np.int64)
    branch = table["branch"].to_numpy(int)
    ends = np.searchsorted(branch, np.arange(1 + (branch.max() if len(branch) else -1)), "right")
    parts = np.split(np.arange(len(table)), ends)[:-1]
    return tuple(_TableLine(position[part], err[part], index[part]) for part in parts)


def _check_alike(run: Path, names: Sequence[str], scans: Sequence[Micrograph]) -> None:
    if len(scans) < 2:
        found = f"only {names[0]}" if names else "none"
        raise ConfigError(
            f"Motion needs two scans of one place or more, and of {run} it is given {found}.",
            hint="Run predict on the folder of the series.",
        )
    for name, scan in zip(names, scans, strict=True):
        if scan.shape != scans[0].shape:
            (one, other), (first, second) = scans[0].shape, scan.shape
            raise ConfigError(
                f"{names[0]} has {one} x {other} pixels and {name} {first} x {second}, so they "
                "cannot be laid over each other.",
                hint="Name scans of one shape with --images.",
            )
        if not _same_size(scans[0].pixel_size_nm, scan.pixel_size_nm):
            raise ConfigError(
                f"The pixel size of {names[0]} is {_said(scans[0])} and that of {name} "
                f"{_said(scan)}, so they do not show the same field of view.",
                hint="Name scans of one magnification with --images, or correct the pixel size: "
                "predict --pixel-size-nm.",
            )


def _same_size(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=SAME_SIZE, atol=0))


def _said(scan: Micrograph) -> str:
    if scan.pixel_size_nm is None:
        return "not known"
    return " x ".join(f"{each:.4g}" for each in scan.pixel_size_nm) + " nm"

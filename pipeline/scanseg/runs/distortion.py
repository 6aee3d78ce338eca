"""Scan distortion of the images of a run: tables, corrected positions, figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from scanseg.distortion import (
    DistortionEstimation,
    ScanDistortion,
    measure_distortion,
    measure_series,
)
from scanseg.errors import ConfigError, ScansegError
from scanseg.lattice import index_atoms
from scanseg.report.atoms.distortion import DISTORTION_TABLES, draw_distortion
from scanseg.report.tables import append_table, write_table
from scanseg.runs.atom_frames import AtomFrame, AtomFrames
from scanseg.runs.record import write_record
from scanseg.runs.result_folder import ResultFolder
from scanseg.tracks import TrackLinker

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["DistortionRun", "open_output", "write_distortion"]

RECORD = "distortion.json"
OUR_FILES = re.compile(
    rf"distortion_\d+\.png|{re.escape(RECORD)}|" + "|".join(map(re.escape, DISTORTION_TABLES))
)
FIGURES = 12  # of the first frames: those of a movie look alike
FIGURE_DPI = 130
SERIES_COLUMNS = ("atom", "track", "y_px", "x_px", "y_still_px", "x_still_px")
LARGEST_SERIES = 20_000_000  # positions that are held at once, 2 GB

Source = Literal["lattice", "series"]


@dataclass(frozen=True, slots=True, eq=False)
class DistortionRun:
    """What was measured in the frames of a run.

    Parameters
    ----------
    table
        One row a frame.
    warnings
        Frames without a result, and why.
    """

    table: DataFrame
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """A frame on its way to the tables."""

    number: int
    frame: AtomFrame
    found: ScanDistortion | None
    displacement_px: Any  # (N, 2), for the figure
    problem: str = ""
    reference: str = "the lattice"


def open_output(output: Path) -> ResultFolder:
    """The folder of the results, refused where files of others are in it."""
    return ResultFolder(output, OUR_FILES)


def write_distortion(
    frames: AtomFrames, output: ResultFolder, *, source: Source, config: DistortionEstimation
) -> DistortionRun:
    """Measure the scan distortion of every frame of a run; write tables, figures and a record.

    Parameters
    ----------
    frames
        The run.
    output
        From :func:`open_output`.
    source
        ``lattice``: of each image alone. ``series``: of images of one place against their mean.
    config
        What counts as distortion.
    """
    from pandas import DataFrame

    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    measured = _from_series(frames) if source == "series" else _from_lattices(frames, config)
    with output:
        with ExitStack() as stack:
            files: dict[str, BinaryIO] = {
                name: stack.enter_context((output.scratch / name).open("wb"))
                for name in ("scan_lines.csv", "atoms_corrected.csv")
            }
            begun: set[str] = set()
            for each in measured:
                rows.append(_row(each))
                if each.found is None:
                    warnings.append(f"{each.frame.image} frame {each.frame.frame}: {each.problem}")
                    continue
                _write_frame(each, each.found, files, begun)
                if each.number < FIGURES:
                    _draw(each, each.found, output.scratch)
        table = DataFrame(rows)
        write_table(output.scratch / "distortion.csv", table,
                    format=DISTORTION_TABLES["distortion.csv"])  # fmt: skip
        _write_record(output.scratch / RECORD, frames, source, config, warnings)
    return DistortionRun(table, tuple(warnings))


def _from_lattices(frames: AtomFrames, config: DistortionEstimation) -> Iterator[_Measured]:
    for number, each in enumerate(frames):
        if each.shape is None:
            yield _Measured(number, each, None, None, "it could not be processed")
            continue
        try:
            indexed = index_atoms(each.atoms, shape=each.shape)
            found = measure_distortion(indexed, shape=each.shape, config=config)
        except ScansegError as error:
            yield _Measured(number, each, None, None, error.reason)
            continue
        off = indexed.atoms[["dy_px", "dx_px"]].to_numpy(float)
        yield _Measured(number, each, found, off)


def _from_series(frames: AtomFrames) -> Iterator[_Measured]:
    """Link first, since what moves is told against what stays; then frame by frame."""
    from pandas import concat

    shapes = {each.shape for each in frames if each.shape is not None}
    if len(shapes) != 1:
        raise ConfigError(
            "The images have different shapes, so they are no series of one place.",
            hint="Name images of one shape with --images, or leave out --from series.",
        )
    (shape,) = shapes
    linker = TrackLinker(shape=shape)
    parts = []
    held, size, width = 0, None, []
    for number, each in enumerate(frames):
        points = linker.add(each.atoms).points[list(SERIES_COLUMNS)]
        for name in ("y_err_px", "x_err_px"):
            if name in each.atoms:
                points[name] = each.atoms[name].to_numpy(float)
        if "sigma_px" in each.atoms and len(each.atoms):
            width.append(float(each.atoms["sigma_px"].median()))
        parts.append(points.assign(frame=number))
        size = size or each.pixel_size_nm
        held += len(points)
        if held > LARGEST_SERIES:
            raise ConfigError(
                f"The series has more than {LARGEST_SERIES:,} positions, too many to be compared "
                "at once.",
                hint="Name fewer images with --images.",
            )
    points = concat(parts, ignore_index=True)
    found = measure_series(
        points, shape=shape, pixel_size_nm=size, sigma_px=float(np.median(width)) if width else None
    )
    # For the figure: what lasts, against its mean, without the drift from frame to frame.
    groups = points.groupby("track")
    still = points[["y_still_px", "x_still_px"]]
    away = still - groups[["y_still_px", "x_still_px"]].transform("mean")
    away[groups["frame"].transform("size") < 0.6 * frames.n_frames] = np.nan
    for number, each in enumerate(frames):
        own = away[points["frame"] == number].to_numpy(float)
        problem = "" if number in found else "too few of its atoms last through the series"
        yield _Measured(number, each, found.get(number), own, problem, "the mean")


def _row(each: _Measured) -> dict[str, Any]:
    row = {"image": each.frame.image, "frame": each.frame.frame}
    return row | (each.found.row() if each.found else {"n_columns": 0})


def _write_frame(
    each: _Measured, found: ScanDistortion, files: dict[str, BinaryIO], begun: set[str]
) -> None:
    from pandas import DataFrame

    lines = np.arange(found.shape[0], dtype=float)
    shift, err = found.shift(lines), found.shift_err(lines)
    table = DataFrame(
        {
            "line": np.arange(found.shape[0]),
            "shift_y_px": shift[:, 0], "shift_x_px": shift[:, 1],
            "shift_y_err_px": err[:, 0], "shift_x_err_px": err[:, 1],
        }
    )  # fmt: skip
    for name, rows in (
        ("scan_lines.csv", table),
        ("atoms_corrected.csv", found.correct(each.frame.atoms)),
    ):
        append_table(
            files[name], rows, format=DISTORTION_TABLES[name], image=each.frame.image,
            frame=each.frame.frame, header=name not in begun,
        )  # fmt: skip
        begun.add(name)


def _draw(each: _Measured, found: ScanDistortion, folder: Path) -> None:
    title = each.frame.image + (f"  frame {each.frame.frame}" if each.frame.frame else "")
    place = each.frame.atoms[["y_px", "x_px"]].to_numpy(float)
    figure = draw_distortion(
        found, place, each.displacement_px, title=title, reference=each.reference
    )
    figure.savefig(folder / f"distortion_{each.number:02d}.png", dpi=FIGURE_DPI)


def _write_record(
    path: Path, frames: AtomFrames, source: Source, config: DistortionEstimation,
    warnings: list[str],
) -> None:  # fmt: skip
    facts = {
        "images": [{"image": each.name, "sha256": each.sha256} for each in frames.entries],
        "from": source,
        "settings": config.model_dump(mode="json"),
        "warnings": warnings,
    }
    write_record(path, frames.run, facts)

"""The files of the motion of walls: written to a scratch folder, then moved into place."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np

from scanseg.motion import MotionTracking, WallMotion
from scanseg.report import MOTION_TABLES, draw_motion, write_table
from scanseg.runs.record import write_record
from scanseg.runs.result_folder import ResultFolder
from scanseg.runs.series import ScanSeries
from scanseg.writers import write_array

__all__ = ["RECORD", "open_output", "write_motion"]

RECORD = "motion.json"
FIGURE_DPI = 140
OUR_FILES = re.compile(
    rf"motion_\d+\.png|switched_in\.tif|{re.escape(RECORD)}|"
    + "|".join(map(re.escape, MOTION_TABLES))
)


def open_output(output: Path) -> ResultFolder:
    """The folder of the results, refused where files of others are in it."""
    return ResultFolder(output, OUR_FILES)


def write_motion(
    motion: WallMotion,
    series: ScanSeries,
    output: ResultFolder,
    *,
    run: Path,
    config: MotionTracking,
) -> tuple[Path, ...]:
    """Write tables, the map of what switched, a figure a pair, and how they were made.

    Parameters
    ----------
    motion, series
        What was measured, and of what.
    output
        Folder of the results, from :func:`open_output`; those of an earlier call are replaced.
    run
        Where the walls come from.
    config
        How they were followed.

    Returns
    -------
    files
        What was written.
    """
    with output:
        scratch = output.scratch
        _write_tables(motion, series, scratch)
        if motion.switched_in is not None:
            size = next(iter(series.frames[0].scan.values())).pixel_size_nm
            write_array(motion.switched_in, scratch / "switched_in.tif", pixel_size_nm=size)
        _draw_pairs(motion, series, scratch)
        _write_record(motion, series, scratch / RECORD, run=run, config=config)
    return output.files


def _write_tables(motion: WallMotion, series: ScanSeries, folder: Path) -> None:
    frames = motion.frames.copy()
    frames.insert(1, "image", np.array(series.names, object))
    tables = (motion.points, motion.events, frames, motion.pinned_segments)
    for (name, format), table in zip(MOTION_TABLES.items(), tables, strict=True):
        write_table(folder / name, table, format=format)


def _draw_pairs(motion: WallMotion, series: ScanSeries, folder: Path) -> None:
    n_pairs = len(series.frames) - 1
    digits = int(math.log10(max(n_pairs - 1, 1))) + 1
    for frame in range(n_pairs):
        title = f"{series.names[frame]} to {series.names[frame + 1]}"
        figure = draw_motion(motion, series.frames, frame=frame, title=title)
        figure.savefig(folder / f"motion_{frame:0{digits}d}.png", dpi=FIGURE_DPI)


def _write_record(
    motion: WallMotion, series: ScanSeries, path: Path, *, run: Path, config: MotionTracking
) -> None:
    from scanseg.evaluate.figures import finite_or_none

    facts = {
        "scans": [
            {
                "image": name,
                "path": series.inputs[name][0],
                "sha256": series.inputs[name][1],
                "time_s": frame.time_s,
                "field": frame.field,
            }
            for name, frame in zip(series.names, series.frames, strict=True)
        ],
        "settings": config.model_dump(mode="json"),
        "pinning": None
        if motion.sites is None
        else {name: finite_or_none(value) for name, value in asdict(motion.sites).items()},
        "warnings": list(motion.warnings),
    }
    write_record(path, run, facts)

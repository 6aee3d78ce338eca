"""The files of the motion of walls: written to a scratch folder, then moved into place."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import scanseg
from scanseg.errors import ConfigError, MachineError
from scanseg.motion import MotionTracking, WallMotion
from scanseg.report import MOTION_TABLES, draw_motion, write_table
from scanseg.runs.record import now, versions
from scanseg.runs.series import ScanSeries
from scanseg.writers import write_array

__all__ = ["RECORD", "check_output", "write_motion"]

RECORD = "motion.json"
SCRATCH = ".scanseg-partial"
FIGURE_DPI = 140
OUR_FILES = re.compile(
    rf"motion_\d+\.png|switched_in\.tif|{re.escape(RECORD)}|"
    + "|".join(map(re.escape, MOTION_TABLES))
)


def check_output(output: Path) -> None:
    """Refuse to write where files of others are.

    Raises
    ------
    ConfigError
        When the folder is a file, or holds something that this module has not written.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file.", hint="Name a folder with -o.")
    if not output.exists():
        return
    others = sorted(
        each.name
        for each in output.iterdir()
        if not each.name.startswith(".") and not OUR_FILES.fullmatch(each.name)
    )
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise ConfigError(
            f"{output} holds other files ({', '.join(others[:3])}{more}), and results would mix "
            "with them.",
            hint="Name an empty or a new folder with -o, such as a new one in that of the run.",
        )


def write_motion(
    motion: WallMotion, series: ScanSeries, output: Path, *, run: Path, config: MotionTracking
) -> tuple[Path, ...]:
    """Write tables, the map of what switched, a figure a pair, and how they were made.

    Parameters
    ----------
    motion, series
        What was measured, and of what.
    output
        Folder of the results, from :func:`check_output`; those of an earlier call are replaced.
    run
        Where the walls come from.
    config
        How they were followed.

    Returns
    -------
    files
        What was written.
    """
    scratch = output / SCRATCH
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        _write_tables(motion, series, scratch)
        if motion.switched_in is not None:
            size = next(iter(series.frames[0].scan.values())).pixel_size_nm
            write_array(motion.switched_in, scratch / "switched_in.tif", pixel_size_nm=size)
        _draw_pairs(motion, series, scratch)
        _write_record(motion, series, scratch / RECORD, run=run, config=config)
        return _moved(scratch, output)
    except OSError as error:
        raise MachineError(
            f"The output folder {output} cannot be written to ({error.strerror}).",
            hint="Choose another with -o, or correct its permissions.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
    record = {
        "scanseg": scanseg.__version__,
        "finished": now(),
        "run": os.path.abspath(run),
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
        "versions": versions(),
        "pinning": None if motion.sites is None else _finite(asdict(motion.sites)),
        "warnings": list(motion.warnings),
    }
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    """None for what does not exist: JSON knows no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in numbers.items()
    }


def _moved(scratch: Path, output: Path) -> tuple[Path, ...]:
    """Results in their place; what an earlier call had more of is gone."""
    new = sorted(scratch.iterdir())
    kept = {each.name for each in new}
    for old in output.iterdir():
        if OUR_FILES.fullmatch(old.name) and old.name not in kept:
            old.unlink()
    for each in new:
        os.replace(each, output / each.name)
    return tuple(output / each.name for each in new)

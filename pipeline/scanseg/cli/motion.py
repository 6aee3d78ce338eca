"""``scanseg motion``: how walls move through a series of scans of one place."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanseg.cli.exits import start_logging
from scanseg.cli.options import (
    ConfigOption,
    ImagesOption,
    OutputOption,
    SetOption,
    all_settings,
    read_settings,
    run_argument,
)
from scanseg.errors import ConfigError
from scanseg.motion import MotionTracking, track_walls
from scanseg.runs.motion import open_output, write_motion
from scanseg.runs.series import SeriesTiming, read_series

if TYPE_CHECKING:
    from scanseg.motion import WallMotion

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


@app.command(epilog=all_settings(MotionTracking))
def motion(
    run: Annotated[Path, run_argument("a series of scans")],
    output: OutputOption,
    images: ImagesOption = None,
    interval_s: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds from one scan to the next.")
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(metavar="V,...", help="What drove the walls before each scan, in any unit."),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Follow domain walls through scans of one place.

    Takes the scans of a run in the order of their names, 2 before 10, or
    those named with --images. The drift between them is measured on their
    channels, so the inputs of the run must still be there. Every point of
    a wall gets its displacement to the next scan with an error bar.
    """
    start_logging(0)
    settings = read_settings(MotionTracking, config, set_)
    folder = open_output(output)
    timing = SeriesTiming(interval_s, _numbers(fields))
    series = read_series(run, tuple(images or ()), timing=timing)
    found = track_walls(series.frames, config=settings)
    for warning in found.warnings:
        log.warning(warning)
    write_motion(found, series, folder, run=run, config=settings)
    typer.echo(f"{_summary(found)}: {output / 'wall_motion.csv'}")


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(
            f"'{text}' is no list of fields.", hint="Give a number a scan: --fields 0,2.5,5."
        ) from None


def _summary(found: WallMotion) -> str:
    """Drift, motion and switching in one line, as frames.csv has them."""
    frames = found.frames
    drift_px = frames[["drift_y_px", "drift_x_px"]].pow(2).sum(axis=1).max() ** 0.5
    kind = "ferroelectric walls" if "ferroelectric" in set(found.points["class"]) else "walls"
    parts = [
        f"{len(frames)} scans",
        f"drift up to {drift_px:.2f} px",
        f"{100 * frames['moved_fraction'].mean():.0f} % of {kind} moved",
        f"{100 * frames['pinned_fraction'].mean():.0f} % pinned",
    ]
    if found.switched_in is not None:
        parts.append(f"{100 * frames['switched_fraction'].iloc[-1]:.1f} % of the area switched")
    return ", ".join(parts)

"""``scanseg tracks``: atoms of a movie, followed from frame to frame."""

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
from scanseg.runs.atom_frames import read_atom_frames
from scanseg.runs.tracks import open_output, write_tracks
from scanseg.tracks.settings import Tracking

if TYPE_CHECKING:
    from scanseg.runs.tracks import FollowedMovie

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger("scanseg.cli")


@app.command(epilog=all_settings(Tracking))
def tracks(
    run: Annotated[Path, run_argument("a movie or a series of images")],
    output: OutputOption,
    images: ImagesOption = None,
    interval_s: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds from one frame to the next.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Follow atoms through a movie.

    Takes the frames of a run in order: those of a movie, or images of one
    place by their names, 2 before 10. Drift is measured on the atoms and
    taken out, atoms that are missing for a few frames are waited for, and
    jumps, exchanges and changes of class become events. Of dopants, the
    neighbours and the transitions between them are told.
    """
    start_logging(0)
    settings = read_settings(Tracking, config, set_)
    if interval_s is not None and not interval_s > 0:
        raise ConfigError(
            f"The interval between frames cannot be {interval_s:g} s.",
            hint="Give --interval-s a number above 0.",
        )
    folder = open_output(output)
    frames = read_atom_frames(run, tuple(images or ()))
    if frames.n_frames < 2:
        raise ConfigError(
            f"Tracks need two frames or more, and {frames.names[0]} has one.",
            hint="Run predict on a movie, or on a folder of images of one place.",
        )
    movie, warnings = write_tracks(frames, folder, interval_s=interval_s, config=settings)
    for warning in warnings:
        log.warning(warning)
    typer.echo(f"{_summary(movie)}: {output / 'tracks.csv'}")


def _summary(movie: FollowedMovie) -> str:
    """Tracks, drift and events in one line."""
    frames = movie.frames
    drift_px = frames[["drift_y_px", "drift_x_px"]].pow(2).sum(axis=1).max() ** 0.5
    jumps = movie.event_counts.get("jump", 0) + movie.event_counts.get("exchange", 0)
    lasting = (movie.tracks["n_frames"] > len(frames) / 2).sum()
    return (
        f"{len(frames)} frames, drift up to {drift_px:.1f} px, {len(movie.tracks)} tracks "
        f"({lasting} in most frames), {jumps} jumps"
    )

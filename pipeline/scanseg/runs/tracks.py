"""Tracks of the atoms of a movie: tables that grow with it, memory that does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from scanseg.errors import ConfigError
from scanseg.report.atoms.tracks import TRACK_TABLES, MeanFrame, draw_tracks
from scanseg.report.tables import append_table, write_table
from scanseg.runs.atom_frames import AtomFrames
from scanseg.runs.record import write_record
from scanseg.runs.result_folder import ResultFolder
from scanseg.tracks import Tracking, TrackLinker, TransitionCounter, describe_neighbourhoods
from scanseg.tracks.follow import frame_row
from scanseg.tracks.linker import EVENT_COLUMNS
from scanseg.tracks.neighbourhoods import rare_classes

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FollowedMovie", "follow_run", "open_output", "write_tracks"]

RECORD = "tracks.json"
FIGURE = "trajectories.png"
OUR_FILES = re.compile("|".join(map(re.escape, (*TRACK_TABLES, RECORD, FIGURE))))
# Frames whose mean lies under the trajectories, evenly over the movie.
MEAN_OF = 60
# Trajectories that are drawn: those of dopants and of what jumped first.
DRAWN_TRACKS = 3000
FIGURE_DPI = 140


@dataclass(frozen=True, slots=True, eq=False)
class FollowedMovie:
    """What following a movie told, without the points, which are on the disk.

    Parameters
    ----------
    tracks, frames, transitions
        Tables, see :class:`scanseg.tracks.Tracks`.
    event_counts
        How often each kind of event occurred.
    dopants
        Classes whose neighbours were told.
    """

    tracks: DataFrame
    frames: DataFrame
    transitions: DataFrame
    event_counts: dict[str, int]
    dopants: tuple[str, ...]


def open_output(output: Path) -> ResultFolder:
    """The folder of the results, refused where files of others are in it."""
    return ResultFolder(output, OUR_FILES)


def write_tracks(
    frames: AtomFrames, output: ResultFolder, *, interval_s: float | None, config: Tracking
) -> tuple[FollowedMovie, tuple[str, ...]]:
    """Follow the atoms of a run; write tables, figure and record.

    Parameters
    ----------
    frames
        The movie, or images of one place in order.
    output
        From :func:`open_output`; results of an earlier call are replaced.
    interval_s
        From one frame to the next, where the user knows it.
    config
        How atoms are linked.

    Returns
    -------
    movie, warnings
        What was found, and what a user must know.
    """
    warnings: list[str] = []
    with output:
        movie = follow_run(frames, output.scratch, interval_s=interval_s, config=config)
        try:
            mean = _mean_frame(frames, movie)
        except ConfigError as error:
            mean = None
            warnings.append(f"The figure has no image below it: {error.reason}")
        _draw(output.scratch, movie, mean, title=frames.names[0])
        _write_record(output.scratch / RECORD, frames, movie, config, warnings)
    return movie, tuple(warnings)


def follow_run(
    frames: AtomFrames, folder: Path, *, interval_s: float | None = None,
    config: Tracking | None = None,
) -> FollowedMovie:  # fmt: skip
    """Link the frames of a run one after the other; tables of points grow on the disk.

    Parameters
    ----------
    frames
        The movie.
    folder
        Where the tables go.
    interval_s
        From one frame to the next.
    config
        How atoms are linked.
    """
    from pandas import DataFrame

    config = config or Tracking()
    shape = _only_shape(frames)
    linker, counter = TrackLinker(config, shape=shape), TransitionCounter()
    dopants, rows, counts = config.dopants, [], {}  # type: ignore[var-annotated]
    with ExitStack() as stack:
        points, around, events = (
            _Growing(stack.enter_context((folder / name).open("wb")), name)
            for name in ("track_points.csv", "neighbourhoods.csv", "track_events.csv")
        )
        for each in frames:
            linked = linker.add(each.atoms)
            points.add(linked.points, each.image, linked.number)
            if not dopants and linker.spacing is not None and not rows:
                dopants = rare_classes(each.atoms)
            table = describe_neighbourhoods(
                each.atoms, dopants, track=linked.points["track"].to_numpy(), shape=each.shape,
                longest_px=_bond_px(config, linker),
            )  # fmt: skip
            counter.add(table, frame=linked.number)
            around.add(table, each.image, linked.number)
            happened = DataFrame(list(linked.events), columns=list(EVENT_COLUMNS))
            events.add(happened.drop(columns="frame"), each.image, linked.number, happened["frame"])
            for kind in happened["event"]:
                counts[kind] = counts.get(kind, 0) + 1
            time_s = None if interval_s is None else interval_s * linked.number
            kinds = happened["event"].value_counts()
            rows.append(
                {"image": each.image, **frame_row(linked, len(each.atoms)), "time_s": time_s}
                | {f"n_{kind}": int(kinds.get(kind, 0)) for kind in ("jump", "exchange")}
            )
    movie = FollowedMovie(linker.tracks(), DataFrame(rows), counter.table(), counts, tuple(dopants))
    for name, table in (
        ("tracks.csv", movie.tracks),
        ("track_frames.csv", movie.frames),
        ("transitions.csv", movie.transitions),
    ):
        write_table(folder / name, table, format=TRACK_TABLES[name])
    return movie


class _Growing:
    """A table to which the rows of one frame after the other are added."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._format, self._begun = file, TRACK_TABLES[name], False

    def add(
        self, table: DataFrame, image: str, frame: int, own_frame: Iterable[int] | None = None
    ) -> None:
        """Add the rows of a frame; events may lie in an earlier one than that which told them."""
        groups = [(frame, table)]
        if own_frame is not None and len(table):
            numbers = np.asarray(list(own_frame))
            groups = [(int(n), table[numbers == n]) for n in np.unique(numbers)]
        for number, part in groups:
            append_table(
                self._file, part, format=self._format, image=image, frame=number,
                header=not self._begun,
            )  # fmt: skip
            self._begun = True


def _only_shape(frames: AtomFrames) -> tuple[int, int] | None:
    shapes = {
        (int(row["height_px"]), int(row["width_px"]))
        for entry in frames.entries
        for row in entry.frames
        if row.get("height_px")
    }
    if len(shapes) > 1:
        some = " and ".join(f"{height} x {width}" for height, width in sorted(shapes)[:2])
        raise ConfigError(
            f"The frames have different shapes ({some} pixels), so they are no movie of one place.",
            hint="Name images of one shape with --images.",
        )
    return next(iter(shapes), None)


def _bond_px(config: Tracking, linker: TrackLinker) -> float | None:
    if config.longest_bond is None or linker.spacing is None:
        return None
    return config.longest_bond * linker.spacing


def _mean_frame(frames: AtomFrames, movie: FollowedMovie) -> MeanFrame | None:
    """Mean of some frames, each shifted back by the drift to the next whole pixel."""
    total = len(movie.frames)
    wanted = sorted({int(n) for n in np.linspace(0, total - 1, min(MEAN_OF, total))})
    drift = movie.frames[["drift_y_px", "drift_x_px"]].to_numpy(float)
    mean: MeanFrame | None = None
    purpose = "the mean frame below the trajectories is made of it"
    for number, image in frames.picture_at(wanted, purpose=purpose):
        if mean is None:
            mean = MeanFrame.like(image)
        mean.add(image, drift[number])
    return mean


def _draw(folder: Path, movie: FollowedMovie, mean: MeanFrame | None, *, title: str) -> None:
    from pandas import concat, read_csv

    tracks = movie.tracks
    interest = tracks["class"].isin(movie.dopants) * 4.0 + (tracks["n_jumps"] > 0) * 2.0
    interest += tracks["n_frames"] / max(len(movie.frames), 1)
    chosen = set(tracks["track"][np.argsort(-interest.to_numpy(), kind="stable")[:DRAWN_TRACKS]])
    columns = ["frame", "track", "class", "y_still_px", "x_still_px"]
    parts = []
    with read_csv(folder / "track_points.csv", usecols=columns, chunksize=200_000) as chunks:
        for part in chunks:
            kept = part[part["track"].isin(chosen)]
            # A line of a million points says no more than one of a thousand.
            every = max(1, len(movie.frames) // 1000)
            parts.append(kept[kept["frame"] % every == 0])
    points = concat(parts, ignore_index=True)
    jumps = _jumps(folder / "track_events.csv")
    figure = draw_tracks(points, movie, mean, jumps=jumps, title=title)
    figure.savefig(folder / FIGURE, dpi=FIGURE_DPI)


def _jumps(path: Path) -> DataFrame:
    from pandas import concat, read_csv

    with read_csv(path, chunksize=200_000) as chunks:
        return concat([each[each["event"].isin(["jump", "exchange"])] for each in chunks])


def _write_record(
    path: Path, frames: AtomFrames, movie: FollowedMovie, config: Tracking, warnings: list[str]
) -> None:
    facts = {
        "images": [
            {"image": entry.name, "path": entry.path, "sha256": entry.sha256}
            for entry in frames.entries
        ],
        "settings": config.model_dump(mode="json"),
        "dopants": list(movie.dopants),
        "warnings": warnings,
    }
    write_record(path, frames.run, facts)
